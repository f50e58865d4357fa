"""Contenders that train nothing, for the tests of turns."""

import os
import time
from dataclasses import dataclass


@dataclass
class Sleeps:
    """Does nothing, a hundred times a second; then comes to an end of its own, if any is given."""

    steps: int = 10**9
    end: str = "stops"

    def __call__(self, data, step):
        for _ in range(self.steps):
            time.sleep(0.01)
            step()
        if self.end == "dies":
            os._exit(3)
        if self.end == "fails":
            raise ZeroDivisionError("a line\nand another")

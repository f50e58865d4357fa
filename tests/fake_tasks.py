"""Tasks that train nothing: what a worker, a store or a signal does to them shows in a log."""

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from cae_keras.progress import progress_bar
from cae_keras.study.store import Entry


@dataclass(frozen=True)
class Fake:
    """Gives its name and three numbers, after a fate of its own.

    Args:
        name: What it is asked.
        folder: Where the log is, and `runs`, the store.
        after: It waits until so many entries are in the store.
        deaths: How often its process kills itself.
        fails: Whether it raises a `ZeroDivisionError`.
    """

    name: str
    folder: Path
    after: int = 0
    deaths: int = 0
    fails: bool = False
    kind: ClassVar = "fake"
    steps: ClassVar = 5
    effort: ClassVar = 5
    module: ClassVar = "study/__init__.py"
    packages: ClassVar = ("numpy",)

    @property
    def label(self):
        return f"pretending, {self.name}"

    def asked(self):
        return {"name": self.name}

    def images(self, data):
        return (data.x_val[:1],)

    def do(self, data):
        with open(self.folder / "log", "a") as log:
            log.write(f"{self.name} {os.getpid()}\n")
        print("a task talks", flush=True)
        os.write(2, b"a library talks\n")
        with progress_bar(self.steps, self.label) as bar:
            bar.set_postfix_str("as a training does")
            for _ in range(self.steps):
                bar.update()
        self._wait()
        if begun(self.folder).count(self.name) <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fails:
            raise ZeroDivisionError(self.name)
        return Entry({"name": self.name}, (np.arange(3.0),))

    def _wait(self):
        end = time.monotonic() + 300
        while len(list((self.folder / "runs").glob("*.npz"))) < self.after:
            if time.monotonic() > end:
                raise TimeoutError(self.name)
            time.sleep(0.02)


def begun(folder):
    """Returns the names of tasks in the order they were begun."""
    return [line.split()[0] for line in _log(folder)]


def pids(folder):
    """Returns the processes that began them."""
    return {int(line.split()[1]) for line in _log(folder)}


def alive(pids):
    """Returns which processes run; one that has ended and was not waited for does not."""

    def state(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "Z"

    return {pid for pid in pids if state(pid) not in "ZX"}


def gone(pids, seconds):
    """Tells whether all of them end within some seconds."""
    end = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pids)


def until(happened, seconds=120):
    """Waits for something to happen, which fails if it does not within some seconds."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def _log(folder):
    log = folder / "log"
    return log.read_text().splitlines() if log.exists() else []


@contextlib.contextmanager
def output_into(path):
    """Sends what this process and those it starts write to stdout and stderr into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.dup2(file, 1), os.dup2(file, 2)
        yield
    finally:
        for stream, was in zip((1, 2), before, strict=True):
            os.dup2(was, stream)
            os.close(was)
        os.close(file)

"""Python processes of their own, so that none meets what others have left behind."""

import contextlib
import json
import os
import subprocess
import sys
import threading

from cae_keras.config import ROOT


class Apart:
    """A script in a fresh Python process, which says one JSON value a line.

    Errors call it by its name. At the end of the context the process is killed.
    """

    def __init__(self, name: str, script: str):
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.name, self.process = name, subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # so that Ctrl-C is left to the caller
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.process:
            self.process.kill()

    def tell(self):
        """Tells it to go on."""
        with contextlib.suppress(OSError):  # if it is dead, `hear` says so
            os.write(self.process.stdin.fileno(), b"\n")

    def hear(self, seconds: float = 300):
        """Returns what it says next; it is killed if that takes so many seconds."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.daemon = True  # whoever stops us need not wait for it
        timer.start()
        line = self.process.stdout.readline()
        on_time = timer.is_alive()
        timer.cancel()
        if line:
            return json.loads(line)
        code = f"exit code {self.process.wait()}"
        reason = code if on_time else f"it said nothing for {seconds:g} s"
        raise RuntimeError(f"{self.name}: its process died ({reason})")


def say(value):
    """Says something to the caller, in such a process."""
    print(json.dumps(value), flush=True)


def listen() -> threading.Event:
    """Returns what is set when the caller tells us to go on; it also ends us with it.

    Whatever ends the caller, our input closes then.
    """
    told = threading.Event()

    def hear():
        while os.read(0, 1):
            told.set()
        os._exit(1)

    threading.Thread(target=hear, daemon=True).start()
    return told

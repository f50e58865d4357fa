"""Where tasks are done: in this process, or in others beside it.

The number of workers changes no result: each does one task at a time, on one torch
thread.
"""

import collections
import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

os.environ.setdefault("LOKY_MAX_MEMORY_LEAK_SIZE", "1e9")  # or it warns into a page
import loky
import torch
from loky.process_executor import BrokenProcessPool

from cae_keras.config import count_from
from cae_keras.data import Mnist
from cae_keras.deploy.machine import device
from cae_keras.progress import relayed
from cae_keras.study.store import Entry, Task, code_digests

POLL = 0.5  # seconds between two looks at the workers
ATTEMPTS = 3  # how often a task may lose its worker


def number_of_workers() -> int:
    """Returns `CAE_WORKERS`, or one a core; on a CUDA device, one.

    Raises:
        ValueError: If `CAE_WORKERS` is not a positive integer.
    """
    cores = 1 if torch.cuda.is_available() else loky.cpu_count()
    return count_from("CAE_WORKERS") or cores


def done(task: Task, data: Mnist) -> Entry:
    """Does a task, and notes on which device."""
    return task.do(data)._replace(device=device())


class Here:
    """Does one task at a time, in this process."""

    def __init__(self, bar):
        self.bar, self.task = bar, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def has_room(self) -> bool:
        return self.task is None

    def submit(self, key: str, task: Task, data: Mnist):
        self.task = key, task, data

    def skip(self, steps: int):
        self.bar.update(steps)

    def finished(self) -> Iterator[tuple[str, Entry]]:
        if self.task is None:  # all that is left is with another process
            time.sleep(POLL)
            return
        key, task, data = self.task
        with relayed(self.bar.update):
            entry = done(task, data)
        self.task = None
        yield key, entry


class Workers:
    """Does tasks in other processes: each worker has an executor of its own.

    One executor with several workers would break as a whole when one of them dies.
    """

    def __init__(self, workers: int, bar):
        self.bar = bar
        self.free = [_executor() for _ in range(workers)]
        self.busy = {}  # future: (key, task, data, executor)
        self.attempts, self.steps_done = collections.Counter(), 0

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cae_steps_")
        return self

    def __exit__(self, stopped_by, *_):
        """Ends the workers, at once if they may still be busy."""
        for executor in {
            *self.free,
            *(executor for *_, executor in self.busy.values()),
        }:
            executor.shutdown(kill_workers=stopped_by is not None)
        self.folder.cleanup()

    def has_room(self) -> bool:
        return bool(self.free)

    def submit(self, key: str, task: Task, data: Mnist):
        self.attempts[key] += 1
        steps = self._steps_file(key)
        steps.write_bytes(b"")
        work = _work, task, data, steps, code_digests(task)
        with deaf_to_ctrl_c():
            try:
                future = self.free[-1].submit(*work)
            except BrokenProcessPool:  # it died with nothing to do
                self.free[-1] = _executor()
                future = self.free[-1].submit(*work)
            self.busy[future] = key, task, data, self.free[-1]
            self.free.pop()

    def skip(self, steps: int):
        self.steps_done += steps

    def finished(self) -> Iterator[tuple[str, Entry]]:
        if not self.busy:  # all that is left is with another process
            time.sleep(POLL)
        ended, _ = wait(self.busy, POLL, FIRST_COMPLETED)
        for future in sorted(ended, key=_failed):  # what is finished is kept first
            key, task, data, executor = self.busy.pop(future)
            try:
                entry = future.result()
            except BrokenProcessPool as error:
                executor.shutdown(kill_workers=True)
                self.free.append(_executor())
                if self.attempts[key] == ATTEMPTS:
                    raise RuntimeError(
                        f"{task.label}: its worker died {ATTEMPTS} times. Is there "
                        "enough memory? CAE_WORKERS=1 takes less of it."
                    ) from error
                self.submit(key, task, data)
                continue
            except BaseException as error:
                error.add_note(f"while {task.label}")
                self.free.append(executor)
                raise
            self.free.append(executor)
            self.steps_done += task.steps
            self._steps_file(key).unlink()
            yield key, entry
        self._show()

    def _show(self):
        under_way = (self._steps_file(key) for key, *_ in self.busy.values())
        self.bar.n = self.steps_done + sum(file.stat().st_size for file in under_way)
        self.bar.refresh()

    def _steps_file(self, key: str) -> Path:
        return Path(self.folder.name) / key


def _failed(future: Future) -> bool:
    return future.exception() is not None


def _executor() -> loky.ProcessPoolExecutor:
    return loky.ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(),))


@contextlib.contextmanager
def deaf_to_ctrl_c():
    """Holds Ctrl-C back; a worker started inside never hears it: the caller ends it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # or it would start inside, and open the ears
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(caller: int):
    """Prepares a worker: silent, and gone when its caller is gone (not on Windows)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # or a page would show what a worker prints
        os.dup2(nowhere, stream)

    def watch():
        while os.getppid() == caller:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(task: Task, data: Mnist, steps: Path, code: dict[str, str]) -> Entry:
    """Does a task in a worker; the size of a file tells how many steps are done."""
    if code_digests(task) != code:  # it would be kept under the key of other code
        raise RuntimeError(
            "cae_keras was changed after this process had loaded it: start again"
        )
    with open(steps, "ab", buffering=0) as file, relayed(partial(file.write, b".")):
        return done(task, data)

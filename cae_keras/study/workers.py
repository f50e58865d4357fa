"""Where tasks are done: in processes beside this one, or in this one.

The number of workers changes no result: each does one task at a time, on one torch
thread.
"""

import contextlib
import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

os.environ.setdefault("LOKY_MAX_MEMORY_LEAK_SIZE", "1e9")  # or it warns into a page
import loky
from loky.process_executor import BrokenProcessPool

from cae_keras.config import count_from
from cae_keras.data import Mnist
from cae_keras.deploy.machine import device, on_gpu
from cae_keras.progress import relayed
from cae_keras.study.keys import code_digests
from cae_keras.study.store import Entry
from cae_keras.study.tasks import Task

POLL = 0.5  # seconds between two looks at the workers
ON_GPU = 10  # runs at a time: 30 were hardly faster on an NVIDIA H200
ATTEMPTS = 3  # how often workers may die before one of them has finished a task


def number_of_workers() -> int:
    """Returns `CAE_WORKERS`, or one a core; on a CUDA device, `ON_GPU`."""
    usual = ON_GPU if on_gpu() else loky.cpu_count()
    return count_from("CAE_WORKERS") or usual


class Workers:
    """Does tasks in so many processes beside this one; with one worker, in this one.

    One executor has all workers: when one of them dies it breaks, and is made anew.
    """

    how, poll = "{} at a time", POLL

    def __init__(self, workers: int, bar):
        self.workers, self.bar = workers, bar
        self.busy, self.executor = {}, None  # future: (key, task)

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cae_steps_")
        self.steps = Path(self.folder.name) / "steps"  # all add a byte a step
        self.count(0)
        return self

    def __exit__(self, stopped_by, *_):
        self._end_workers(at_once=stopped_by is not None)
        self.folder.cleanup()

    def submit(self, key: str, task: Task, data: Mnist):
        """Begins a task, which there must be room for."""
        try:
            future = self._begun(key, task, data)
        except BrokenProcessPool as error:  # a worker died with nothing to do
            future = Future()
            future.set_exception(error)
        self.busy[future] = key, task

    def ended(self) -> list[tuple[str, Callable[[], Entry]]]:
        """Returns what has ended, after a while: keys, and what gives the result."""
        if not self.busy:  # all that is left is with another process
            time.sleep(POLL)
        ended, _ = wait(self.busy, self.poll, FIRST_COMPLETED)
        if any(isinstance(each.exception(), BrokenProcessPool) for each in ended):
            ended, _ = wait(self.busy)
            self._end_workers(at_once=True)
        steps = min(self._counted(), self.bar.total)  # some are done again
        self.bar.update(steps - self.bar.n)
        found = [(each, *self.busy.pop(each)) for each in ended]
        return [(key, partial(self._result, task, each)) for each, key, task in found]

    def count(self, steps: int):
        """Counts steps that are done."""
        with open(self.steps, "ab") as file:
            file.write(bytes(steps))

    def _counted(self) -> int:
        return self.steps.stat().st_size

    def _result(self, task: Task, future: Future) -> Entry:
        return future.result()

    def _begun(self, key: str, task: Task, data: Mnist) -> Future:
        if self.workers > 1:
            try:
                with _deaf_to_ctrl_c():
                    self.executor = self.executor or _executor(self.workers)
                    code = code_digests(task)
                    return self.executor.submit(_work, task, data, self.steps, code)
            except OSError as error:  # it has no semaphores, or no more processes
                self._end_workers(at_once=not self.busy)
                warnings.warn(
                    f"CAE_WORKERS={self.workers}: none can be started ({error}), so "
                    "tasks are done one by one; can /dev/shm be written?",
                    stacklevel=2,
                )
                self.workers = 1
        return self._here(task, data)

    def _here(self, task: Task, data: Mnist) -> Future:
        future = Future()
        with relayed(self.bar.update):
            future.set_result(done(task, data))
        self.count(task.steps)
        return future

    def _end_workers(self, at_once: bool):
        if self.executor:
            self.executor.shutdown(kill_workers=at_once)
        self.executor = None


def done(task: Task, data: Mnist) -> Entry:
    """Does a task, and notes on which device."""
    return noted(task.do(data))


def noted(entry: Entry) -> Entry:
    return entry._replace(device=device())


def _executor(workers: int, **how) -> loky.ProcessPoolExecutor:
    caller = (os.getpid(),)
    return loky.ProcessPoolExecutor(workers, initializer=_begin, initargs=caller, **how)


@contextlib.contextmanager
def _deaf_to_ctrl_c():
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
    """Does a task in a worker; a file gets a byte a step."""
    if code_digests(task) != code:  # it would be kept under the key of other code
        raise RuntimeError(
            "cae_keras was changed after this process had loaded it: start again"
        )
    with open(steps, "ab", buffering=0) as file, relayed(partial(file.write, b".")):
        return done(task, data)

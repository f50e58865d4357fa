"""Many tasks side by side, and what is finished kept.

Only the caller writes to the store, each entry as it arrives, so whatever stops the
work costs only the tasks that were under way. The number of workers changes no result:
each does one task at a time, on one torch thread.
"""

import collections
import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

os.environ.setdefault("LOKY_MAX_MEMORY_LEAK_SIZE", "1e9")  # or it warns into a page
import loky
import torch
from loky.process_executor import BrokenProcessPool

from cae_keras.config import backend, count_from
from cae_keras.data import Mnist
from cae_keras.deploy.machine import device
from cae_keras.progress import progress_bar, relayed
from cae_keras.study.keys import code_digests, task_key
from cae_keras.study.store import Entry, Store
from cae_keras.study.tasks import Task

POLL = 0.5  # seconds between two looks at the workers
ATTEMPTS = 3  # how often workers may die before one of them has finished a task
WORTH = 3_000  # steps of training: what takes fewer is not worth starting workers
RAY = "2.60"  # the oldest version it was tried with


def number_of_workers() -> int:
    """Returns `CAE_WORKERS`, or one a core; on a CUDA device, one.

    Raises:
        ValueError: If `CAE_WORKERS` is not a positive integer.
    """
    cores = 1 if torch.cuda.is_available() else loky.cpu_count()
    return count_from("CAE_WORKERS") or cores


def complete(tasks: Sequence[Task], data: Mnist) -> list[Entry]:
    """Returns what each task gives, from the store or done now.

    Two processes with one store do no task twice: each leaves to the other what that
    has begun, and waits for it.

    Args:
        tasks: What to do. Equal tasks are done once.
        data: Where the images come from.

    Raises:
        ValueError: If the store cannot be written, or `CAE_BACKEND` or `CAE_WORKERS`
            cannot be followed.
        RuntimeError: If workers have died three times, and finished nothing.
    """
    on_ray, workers, store = backend() == "ray", number_of_workers(), Store()
    keys = [task_key(task, data) for task in tasks]
    entries = {key: store.read(key) for key in keys}
    missing = {k: t for k, t in zip(keys, tasks, strict=True) if entries[k] is None}
    effort = sum(task.effort for task in missing.values())
    if on_ray:
        workers = count_from("CAE_WORKERS")
    elif effort < WORTH and not count_from("CAE_WORKERS"):
        workers = 1
    if missing:
        pool = _ray_workers() if on_ray else Workers
        entries |= _Rest(missing, data, store).do(pool, workers)
    return [entries[key] for key in keys]


def _ray_workers() -> type:
    """Returns the workers of Ray, which nobody needs to have."""
    try:
        from cae_keras.study.ray import RayWorkers
    except ImportError as error:
        raise ValueError(
            f"CAE_BACKEND='ray' needs Ray ({error}): pip install \"ray>={RAY}\""
        ) from error
    return RayWorkers


class _Rest:
    """What the store lacks, while it is being done."""

    def __init__(self, missing: dict[str, Task], data: Mnist, store: Store):
        self.missing, self.data, self.store = missing, data, store
        self.waiting, self.locks = collections.deque(missing), {}
        self.found, self.deaths = {}, 0

    def do(self, pool: type, workers: int | None) -> dict[str, Entry]:
        """Returns the entry of each missing task; a bar shows how far it is."""
        tasks = [*self.missing.values()]
        workers = min(workers or len(tasks), len(tasks))
        label, how = tasks[0].label, pool.how.format(workers)
        if len(tasks) > 1:
            label = f"{len(tasks)} × {label.split(',')[0]}, {how}"
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [lock.release() for lock in self.locks.values()])
            steps = sum(task.steps for task in tasks)
            bar = stack.enter_context(progress_bar(steps, label))
            self.pool = stack.enter_context(pool(workers, bar))
            while self.waiting or self.locks:
                self._begin()
                self._keep()
            bar.update(bar.total - bar.n)
        return self.found

    def _begin(self):
        """Begins what there is room for, but for what another process is at."""
        for key in [self.waiting.popleft() for _ in range(len(self.waiting))]:
            room = len(self.locks) < self.pool.workers
            lock = self.store.lock(key) if room else None
            if lock is None:
                self.waiting.append(key)
                continue
            self.locks[key] = lock
            entry = self.store.read(key)  # if another process has finished it
            if entry is None:
                self.pool.submit(key, self.missing[key], self.data)
            else:
                self.pool.count(self.missing[key].steps)
                self._found(key, entry)

    def _keep(self):
        """Keeps what is finished, whatever became of the other tasks."""
        failed, lost = None, []
        for key, result in self.pool.ended():
            task = self.missing[key]
            try:
                entry = result()
            except BrokenProcessPool:
                lost.append(task.label)
                self.waiting.append(key)
                self.locks.pop(key).release()
            except BaseException as error:
                error.add_note(f"while {task.label}")
                failed = error
            else:
                self.store.write(key, task.kind, task.asked(), entry)
                self._found(key, entry)
                self.deaths = 0
        if failed:
            raise failed
        self.deaths += bool(lost)
        if self.deaths == ATTEMPTS:
            raise RuntimeError(
                f"{'; '.join(lost)}: a worker died {ATTEMPTS} times, and none finished "
                "a task. Is there enough memory? CAE_WORKERS=1 takes less of it."
            )

    def _found(self, key: str, entry: Entry):
        self.found[key] = entry
        self.locks.pop(key).release()


class Workers:
    """Does tasks in so many processes beside this one; with one worker, in this one.

    One executor has all workers: when one of them dies it breaks, and is made anew.
    """

    how = "{} at a time"

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
        ended, _ = wait(self.busy, POLL, FIRST_COMPLETED)
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
        if self.workers == 1:
            future = Future()
            with relayed(self.bar.update):
                future.set_result(done(task, data))
            self.count(task.steps)
            return future
        with _deaf_to_ctrl_c():
            self.executor = self.executor or _executor(self.workers)
            code = code_digests(task)
            return self.executor.submit(_work, task, data, self.steps, code)

    def _end_workers(self, at_once: bool):
        if self.executor:
            self.executor.shutdown(kill_workers=at_once)
        self.executor = None


def done(task: Task, data: Mnist) -> Entry:
    """Does a task, and notes on which device."""
    return task.do(data)._replace(device=device())


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

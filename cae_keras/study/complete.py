"""Many tasks side by side, and what is finished kept.

Only the caller writes to the store, each entry as it arrives, so whatever stops the
work costs only the tasks that were under way.
"""

import collections
import contextlib
from collections.abc import Sequence

from loky.process_executor import BrokenProcessPool

from cae_keras.config import backend, count_from
from cae_keras.data import Mnist
from cae_keras.deploy.machine import on_gpu
from cae_keras.progress import progress_bar
from cae_keras.study.gpu import GpuWorkers
from cae_keras.study.keys import task_key
from cae_keras.study.store import Entry, Store
from cae_keras.study.tasks import Task
from cae_keras.study.workers import ATTEMPTS, Workers, number_of_workers

WORTH = 3_000  # steps of training: what takes fewer is not worth starting workers
RAY = "2.60"  # the oldest version it was tried with


def complete(tasks: Sequence[Task], data: Mnist) -> list[Entry]:
    """Returns what each task gives, from the store or done now; equal ones are one.

    Two processes with one store do no task twice: each leaves to the other what that
    has begun, and waits for it.
    """
    on_ray, asked, store = backend() == "ray", count_from("CAE_WORKERS"), Store()
    keys = [task_key(task, data) for task in tasks]
    entries = {key: store.read(key) for key in keys}
    missing = {k: t for k, t in zip(keys, tasks, strict=True) if entries[k] is None}
    if missing:
        pool, workers = Workers, number_of_workers()
        if on_gpu():
            pool = GpuWorkers
        if on_ray:
            pool, workers = _ray_workers(), asked or len(missing)
        elif not asked and sum(task.effort for task in missing.values()) < WORTH:
            workers = 1
        entries |= _Rest(missing, data, store).do(pool, workers)
    return [entries[key] for key in keys]


def _ray_workers() -> type:
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

    def do(self, pool: type, workers: int) -> dict[str, Entry]:
        """Returns the entry of each missing task; a bar shows how far it is."""
        tasks = [*self.missing.values()]
        workers, label = min(workers, len(tasks)), tasks[0].label
        if len(tasks) > 1:
            how = pool.how.format(workers)
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

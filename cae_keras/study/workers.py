"""Many tasks side by side, and what is finished kept.

Only the caller writes to the store, each entry as it arrives, so whatever stops the
work costs only the tasks that were under way.
"""

import collections
import contextlib
from collections.abc import Iterable, Sequence

from cae_keras.config import count_from
from cae_keras.data import Mnist
from cae_keras.progress import progress_bar
from cae_keras.study.backends import backend
from cae_keras.study.pools import Here, Workers, number_of_workers
from cae_keras.study.store import Entry, Store, Task, task_key

RAY = "2.60"  # the oldest version it was tried with
WORTH = 3_000  # steps of training: what takes fewer is not worth starting workers


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
        RuntimeError: If a task has lost its worker three times.
    """
    on_ray, workers, store = backend() == "ray", number_of_workers(), Store()
    keys = [task_key(task, data) for task in tasks]
    entries = {key: store.read(key) for key in keys}
    missing = {
        key: task for key, task in zip(keys, tasks, strict=True) if entries[key] is None
    }
    if not count_from("CAE_WORKERS") and _sum("effort", missing.values()) < WORTH:
        workers = 1
    workers = None if on_ray else min(workers, len(missing))
    for key, entry in _do(missing, data, store, workers):
        entries[key] = entry
    return [entries[key] for key in keys]


def _do(missing: dict[str, Task], data: Mnist, store: Store, workers: int | None):
    """Yields `(key, entry)` for each missing task, in the order they are finished."""
    if not missing:
        return
    waiting, locks = collections.deque(missing), {}
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [lock.release() for lock in locks.values()])
        pool = stack.enter_context(_pool([*missing.values()], workers))
        while waiting or locks:
            for key in [waiting.popleft() for _ in range(len(waiting))]:
                lock = store.lock(key) if pool.has_room() else None
                if lock is None:  # no room, or another process is at it
                    waiting.append(key)
                    continue
                locks[key] = lock
                entry = store.read(key)  # if another process has finished it
                if entry is None:
                    pool.submit(key, missing[key], data)
                else:
                    pool.skip(missing[key].steps)
                    yield key, entry
                    locks.pop(key).release()
            for key, entry in pool.finished():
                store.write(key, missing[key], entry)
                yield key, entry
                locks.pop(key).release()


@contextlib.contextmanager
def _pool(tasks: list[Task], workers: int | None):
    """Yields what does the tasks: so many workers, or Ray; and shows how far it is."""
    label = tasks[0].label
    if len(tasks) > 1:
        how = f"{workers} at a time" if workers else "on Ray"
        label = f"{len(tasks)} × {label.split(',')[0]}, {how}"
    with progress_bar(_sum("steps", tasks), label) as bar:
        if workers is None:
            pool = _ray_tasks()(count_from("CAE_WORKERS"), bar)
        else:
            pool = Here(bar) if workers == 1 else Workers(workers, bar)
        with pool:
            yield pool


def _sum(what: str, tasks: Iterable[Task]) -> int:
    return sum(getattr(task, what) for task in tasks)


def _ray_tasks():
    """Returns the class for Ray, which nobody needs to have."""
    try:
        from cae_keras.study.ray import RayTasks
    except ImportError as error:
        raise ValueError(
            f"CAE_BACKEND='ray' needs Ray ({error}): pip install \"ray>={RAY}\""
        ) from error
    return RayTasks

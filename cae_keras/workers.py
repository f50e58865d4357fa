"""Many tasks side by side, and what is finished kept.

Only the caller writes to the store, each entry as it arrives, so whatever stops the
work costs only the tasks that were under way.
"""

import collections
import contextlib
from collections.abc import Sequence

from cae_keras.data import Mnist
from cae_keras.pools import Here, Workers, number_of_workers
from cae_keras.progress import progress_bar
from cae_keras.store import Entry, Store, Task, task_key


def complete(tasks: Sequence[Task], data: Mnist) -> list[Entry]:
    """Returns what each task gives, from the store or done now.

    Two processes with one store do no task twice: each leaves to the other what that
    has begun, and waits for it.

    Args:
        tasks: What to do. Equal tasks are done once.
        data: Where the images come from.

    Raises:
        ValueError: If the store cannot be written.
        RuntimeError: If a task has lost its worker three times.
    """
    workers, store = number_of_workers(), Store()
    keys = [task_key(task, data) for task in tasks]
    entries = {key: store.read(key) for key in keys}
    missing = {
        key: task for key, task in zip(keys, tasks, strict=True) if entries[key] is None
    }
    for key, entry in _do(missing, data, store, min(workers, len(missing))):
        entries[key] = entry
    return [entries[key] for key in keys]


def _do(missing: dict[str, Task], data: Mnist, store: Store, workers: int):
    """Yields `(key, entry)` for each missing task, in the order they are finished."""
    if not missing:
        return
    steps = sum(task.steps for task in missing.values())
    label = next(iter(missing.values())).label
    if len(missing) > 1:
        label = f"{len(missing)} × {label.split(',')[0]}, {workers} at a time"
    waiting, locks = collections.deque(missing), {}
    with progress_bar(steps, label) as bar, contextlib.ExitStack() as stack:
        pool = Here(bar) if workers == 1 else Workers(workers, bar)
        stack.callback(lambda: [lock.release() for lock in locks.values()])
        stack.enter_context(pool)
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

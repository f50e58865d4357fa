"""Tasks on a Ray cluster: each is a plain Ray task, done again if its worker dies.

The package and the images travel to the nodes, and what a task gave comes back: no disk
is shared. A task has one CPU and no GPU, so that it gives the same on every node.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from cae_keras.data import Mnist
from cae_keras.pools import ATTEMPTS, POLL, done
from cae_keras.progress import relayed
from cae_keras.store import Entry, Task

ENVIRONMENT = {  # of a worker
    "py_modules": [str(Path(__file__).parent)],  # the code that the keys speak of
    "excludes": ["mnist", "__pycache__"],
    "env_vars": {"CUDA_VISIBLE_DEVICES": ""},
}


class RayTasks:
    """Does tasks on the Ray cluster that `RAY_ADDRESS` names.

    Ray is given all tasks at once, and does as many at a time as there are CPUs: a node
    that joins later gets its share.
    """

    def __init__(self, limit: int | None, bar):
        self.limit, self.bar = limit, bar
        self.busy = {}  # reference to the result: (key, task)
        self.data, self.steps_done = None, 0

    def __enter__(self):
        ray.init(
            _address(),
            runtime_env=ENVIRONMENT,
            log_to_driver=False,  # or a page would show what a worker prints
            logging_level=logging.ERROR,
        )
        self.counts = _Counts.remote()
        return self

    def __exit__(self, *_):
        for reference in self.busy:
            ray.cancel(reference, force=True)
        ray.shutdown()

    def has_room(self) -> bool:
        return self.limit is None or len(self.busy) < self.limit

    def submit(self, key: str, task: Task, data: Mnist):
        if self.data is None:
            self.data = ray.put(data)
        versions = {package: version(package) for package in task.packages}
        reference = _work.remote(task, self.data, versions, key, self.counts)
        self.busy[reference] = key, task

    def skip(self, steps: int):
        self.steps_done += steps

    def finished(self) -> Iterator[tuple[str, Entry]]:
        ready, failed = [], None
        if self.busy:
            ready, _ = ray.wait([*self.busy], num_returns=len(self.busy), timeout=POLL)
        else:  # all that is left is with another process
            time.sleep(POLL)
        for reference in ready:  # what is finished is kept first
            key, task = self.busy[reference]
            try:
                entry = ray.get(reference)
            except RayError as error:
                failed = task, error
                continue
            del self.busy[reference]
            self.steps_done += task.steps
            # Copied: what Ray gives lies in its memory, which `shutdown` takes away
            arrays = tuple(np.array(array) for array in entry.arrays)
            yield key, entry._replace(arrays=arrays)
        if failed:
            _fail(*failed)
        self._show()

    def _show(self):
        counts = ray.get(self.counts.all.remote())
        under_way = (counts.get(key, 0) for key, _ in self.busy.values())
        self.bar.n = self.steps_done + sum(under_way)
        self.bar.refresh()


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class _Counts:
    """Knows how many steps of each task are done."""

    def __init__(self):
        self.steps = {}

    def tell(self, key: str, steps: int):
        self.steps[key] = steps

    def all(self) -> dict[str, int]:
        return self.steps


@ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)
def _work(task: Task, data: Mnist, versions: dict[str, str], key: str, counts) -> Entry:
    """Does a task on a node; `counts` hears of its steps, twice a second at most."""
    _check(versions)
    steps, told = 0, 0.0

    def on_step():
        nonlocal steps, told
        steps += 1
        if time.monotonic() - told > POLL:
            told = time.monotonic()
            counts.tell.remote(key, steps)

    with relayed(on_step):
        return done(task, data)


def _check(versions: dict[str, str]):
    """Raises a `ValueError` if a package is not of the version that the key names."""
    for package, asked in versions.items():
        if version(package) != asked:
            raise ValueError(
                f"{package}=={version(package)} on the Ray node "
                f"{ray.util.get_node_ip_address()}: it must be {asked}, as here"
            )


def _address() -> str:
    """Returns `RAY_ADDRESS` if it answers; for one that does not, Ray waits minutes.

    Raises:
        ValueError: If it does not.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"RAY_ADDRESS={address!r}: no Ray cluster answers there ({error}): it must "
            "be the address that `ray start --head` prints, such as '10.0.0.1:6379'"
        ) from error
    return address


def _fail(task: Task, error: RayError):
    """Raises what a task raised, or says why Ray has given it up."""
    if isinstance(error, RayTaskError):
        error.cause.add_note(f"while {task.label}")
        raise error.cause from error
    reason = str(error).strip().partition("\n")[0]
    raise RuntimeError(
        f"{task.label}: given up by Ray, which tries {ATTEMPTS} times ({reason})"
    ) from error

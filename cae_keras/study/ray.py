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
from cae_keras.progress import relayed
from cae_keras.study.pools import ATTEMPTS, POLL, done
from cae_keras.study.store import Entry, Task, task_key

ALL_BUT_THE_PACKAGE = ["/*", "!/.", "!/cae_keras", "/cae_keras/mnist", "__pycache__"]


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
            runtime_env=_environment(),
            log_to_driver=False,  # or a page would show what a worker prints
            logging_level=logging.ERROR,
        )
        self.counts = _Counts.remote()
        return self

    def __exit__(self, *_):
        for reference in self._wait(0)[1]:
            ray.cancel(reference, force=True)
        ray.shutdown()

    def _wait(self, seconds: float) -> tuple[list, list]:
        """Returns what has come back by then, and what has not."""
        if not self.busy:
            return [], []
        return ray.wait([*self.busy], num_returns=len(self.busy), timeout=seconds)

    def has_room(self) -> bool:
        return self.limit is None or len(self.busy) < self.limit

    def submit(self, key: str, task: Task, data: Mnist):
        if self.data is None:
            self.data = ray.put(data)
        self.busy[_work.remote(key, task, self.data, self.counts)] = key, task

    def skip(self, steps: int):
        self.steps_done += steps

    def finished(self) -> Iterator[tuple[str, Entry]]:
        if not self.busy:  # all that is left is with another process
            time.sleep(POLL)
        ready, failed = self._wait(POLL)[0], None
        for reference in ready:  # what is finished is kept first
            # Whatever it gave: Ray 2.60 ends the process that cancels such a task
            key, task = self.busy.pop(reference)
            try:
                entry = ray.get(reference)
            except RayError as error:
                failed = task, error
                continue
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
def _work(key: str, task: Task, data: Mnist, counts) -> Entry:
    """Does a task on a node; `counts` hears of its steps, twice a second at most."""
    _check(key, task, data)
    steps, told = 0, 0.0

    def on_step():
        nonlocal steps, told
        steps += 1
        if time.monotonic() - told > POLL:
            told = time.monotonic()
            counts.tell.remote(key, steps)

    with relayed(on_step):
        return done(task, data)


def _check(key: str, task: Task, data: Mnist):
    """Raises a `ValueError` if this node would do something else than was asked."""
    if task_key(task, data) != key:
        there = ", ".join(f"{name}=={version(name)}" for name in task.packages)
        raise ValueError(
            f"the Ray node {ray.util.get_node_ip_address()} has {there}: it must have "
            "the packages of the caller"
        )


def _environment() -> dict:
    """Returns what Ray makes of a worker; a new one each time, as Ray changes it.

    With a working directory Ray does not look for code where the caller has it: another
    version of this package may be there, on another machine.
    """
    return {
        "working_dir": str(Path(__file__).parents[1]),
        "excludes": ALL_BUT_THE_PACKAGE,
        "env_vars": {"CUDA_VISIBLE_DEVICES": ""},
    }


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
    cause = error.cause if isinstance(error, RayTaskError) else error
    if not isinstance(cause, RayError):
        cause.add_note(f"while {task.label}")
        raise cause from error
    reason = str(cause).strip().partition("\n")[0]
    raise RuntimeError(
        f"{task.label}: given up by Ray, after {ATTEMPTS} attempts if its worker died: "
        f"{reason}"
    ) from error

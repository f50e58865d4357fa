"""Tasks on a Ray cluster: each is a plain Ray task, done again if its worker dies.

The package and the images travel to the nodes, and what a task gave comes back: no disk
is shared. A task has one CPU and no GPU, so that it gives the same on every node.
"""

import logging
import os
import socket
import time
from concurrent.futures import Future
from importlib.metadata import version

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from cae_keras.config import ROOT
from cae_keras.data import Mnist
from cae_keras.progress import relayed
from cae_keras.study.keys import task_key
from cae_keras.study.store import Entry
from cae_keras.study.tasks import Task
from cae_keras.study.workers import ATTEMPTS, POLL, Workers, done

SHIPPED = ["/*", "!/.", "!/cae_keras", "*.gz", "__pycache__"]


class RayWorkers(Workers):
    """Does tasks on the Ray cluster that `RAY_ADDRESS` names.

    Unless their number is limited, Ray is given all tasks at once, and does as many at
    a time as there are CPUs: a node that joins later gets its share.
    """

    how = "on Ray"

    def __enter__(self):
        ray.init(
            _address(),
            # With a working directory Ray does not look for code where the caller has
            # it: on another machine another version of this package may be there
            runtime_env={
                "working_dir": str(ROOT),
                "excludes": SHIPPED,
                "env_vars": {"CUDA_VISIBLE_DEVICES": ""},
            },
            log_to_driver=False,  # or a page would show what a worker prints
            logging_level=logging.ERROR,
        )
        self.counter, self.data = _Counter.remote(), None
        return self

    def __exit__(self, *_):
        ray.shutdown()  # Ray then ends what is under way

    def count(self, steps: int):
        self.counter.add.remote(steps)

    def _counted(self) -> int:
        return ray.get(self.counter.add.remote(0))

    def _begun(self, key: str, task: Task, data: Mnist) -> Future:
        self.data = self.data or ray.put(data)
        return _work.remote(key, task, self.data, self.counter).future()

    def _result(self, task: Task, future: Future) -> Entry:
        try:
            entry = future.result()
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) else error
            if not isinstance(cause, RayError):
                raise cause from error
            reason = str(cause).strip().partition("\n")[0]
            raise RuntimeError(
                f"{task.label}: given up by Ray, after {ATTEMPTS} attempts if its "
                f"worker died: {reason}"
            ) from error
        # Copied: what Ray gives lies in its memory, which `shutdown` takes away
        return entry._replace(arrays=tuple(np.array(array) for array in entry.arrays))


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class _Counter:
    """Knows how many steps are done."""

    def __init__(self):
        self.steps = 0

    def add(self, steps: int) -> int:
        self.steps += steps
        return self.steps


@ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)
def _work(key: str, task: Task, data: Mnist, counter) -> Entry:
    """Does a task on a node; `counter` hears of its steps, twice a second at most."""
    if task_key(task, data) != key:
        there = ", ".join(f"{name}=={version(name)}" for name in task.packages)
        raise ValueError(
            f"the Ray node {ray.util.get_node_ip_address()} has {there}: it must have "
            "the packages of the caller"
        )
    steps, told = 0, 0.0

    def on_step():
        nonlocal steps, told
        steps += 1
        if time.monotonic() - told > POLL:
            counter.add.remote(steps)
            steps, told = 0, time.monotonic()

    with relayed(on_step):
        entry = done(task, data)
    counter.add.remote(steps)
    return entry


def _address() -> str:
    """Returns `RAY_ADDRESS` if it answers; for one that does not, Ray waits minutes."""
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

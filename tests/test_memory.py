"""The book is built, and a run is trained, on a small machine: the memory is measured, and limited."""

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
GB = 10**9
CPU_ONLY = torch.version.cuda is None
ENOUGH = int((1.0 if CPU_ONLY else 1.4) * GB)  # libraries of CUDA take 0.4 more
GROUPS = Path("/sys/fs/cgroup/memory")  # version 1; its root is needed to make a group
CAN_BE_LIMITED = (GROUPS / "cgroup.procs").exists() and os.access(GROUPS, os.W_OK)
needs_a_limit = pytest.mark.skipif(
    not CAN_BE_LIMITED, reason=f"it takes {GROUPS} (cgroups, version 1) and root"
)
TRAINING = r"""
import itertools, re
import cae_keras as cae
from cae_keras.fast import Batches
from cae_keras import training

whole = Batches.__iter__
Batches.__iter__ = lambda batches: itertools.islice(whole(batches), 50)
wide = cae.EXPERIMENTS["filters"].variants["wide"]
training.MARKS = 20  # so that 50 steps have a validation among them
run = training.train(wide, cae.Recipe(epochs=1), 0, cae.load_mnist())
assert run.history["val_loss"][0] < 0.7
hog = bytearray({hog})
hog[::4096] = b"x" * len(hog[::4096])
status = open("/proc/self/status").read()  # getrusage counts what its parent held, too
print(1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]))
"""


class Group:
    """A group of processes that share a limit, kept by the kernel of Linux; they must have ended at the end.

    Who goes beyond it is killed. Files that the kernel keeps in memory count as well,
    but are thrown out first.
    """

    def __init__(self, limit: int):
        self.folder = GROUPS / f"cae_{os.getpid()}_{limit}"
        self.folder.mkdir()
        (self.folder / "memory.limit_in_bytes").write_text(str(limit))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.rmdir()

    def join(self):
        """Puts this process into the group; for `preexec_fn`."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def killed(self) -> int:
        words = (self.folder / "memory.oom_control").read_text().split()
        return int(words[words.index("oom_kill") + 1])


def run(command, group, cwd=None, **settings):
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **settings}, preexec_fn=group and group.join,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def train(group, hog=0):
    """Trains the widest network on all images, for 50 steps, and validates it."""
    command = [sys.executable, "-c", TRAINING.format(hog=hog)]
    return run(command, group, PYTHONPATH=str(ROOT))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
def test_a_full_training_takes_less_than_a_gb():
    with Group(ENOUGH) if CAN_BE_LIMITED else nullcontext() as group:
        done = train(group)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.splitlines()[-1]) < ENOUGH


@needs_a_limit
def test_the_limit_is_one():
    with Group(ENOUGH) as group:
        done = train(group, hog=ENOUGH)
        assert group.killed()
    assert done.returncode == -9


@pytest.mark.long
@needs_a_limit
def test_a_quick_build_takes_less_than_2_gb_in_all(tmp_path):
    book = tmp_path / "checkout"
    left_out = shutil.ignore_patterns("_build", ".runs", ".git")
    shutil.copytree(ROOT, book, symlinks=True, ignore=left_out)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "book"]
    settings = {"CAE_PRESET": "quick", "CAE_WORKERS": "1", "CAE_RUNS": str(book / ".runs")}  # fmt: skip
    with Group(2 * GB) as group:
        done = run(command, group, book, **settings)
        killed = group.killed()
    assert done.returncode == 0, done.stderr[-3000:]
    assert killed == 0

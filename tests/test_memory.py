"""The book is built, and a run is trained, on a small machine: the memory is measured, and limited."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from memory import HOW, can_be_limited, limited_to

ROOT = Path(__file__).parents[1]
GB = 10**9
TRAINING = r"""
import itertools, re
import cae_keras as cae
from cae_keras import fit

whole, steps = fit.Batches.__iter__, {steps}
fit.Batches.__iter__ = lambda batches: itertools.islice(whole(batches), steps)
wide = cae.EXPERIMENTS["filters"].variants["wide"]
run = cae.train(wide, cae.Recipe(epochs=1), 0, cae.load_mnist())
assert run.history["val_loss"][0] < 0.7
hog = bytearray({hog})
hog[::4096] = b"x" * len(hog[::4096])
status = open("/proc/self/status").read()  # getrusage counts what its parent held, too
print(1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]))
"""


def train(group, hog=0):
    """Trains the widest network on all images, for 50 steps, and validates it."""
    return subprocess.run(
        [sys.executable, "-c", TRAINING.format(steps=50, hog=hog)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=group and group.join,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
def test_a_full_training_takes_less_than_1_2_gb():
    limited = limited_to(int(1.2 * GB)) if can_be_limited() else nullcontext()
    with limited as group:
        done = train(group)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.splitlines()[-1]) < 1.2 * GB


@pytest.mark.skipif(not can_be_limited(), reason=HOW)
def test_the_limit_is_one():
    with limited_to(int(1.2 * GB)) as group:
        done = train(group, hog=int(1.2 * GB))
        assert group.killed()
    assert done.returncode == -9


@pytest.mark.long
@pytest.mark.skipif(not can_be_limited(), reason=HOW)
def test_a_quick_build_takes_less_than_2_gb_in_all(tmp_path):
    book = tmp_path / "checkout"
    shutil.copytree(ROOT, book, symlinks=True, ignore=shutil.ignore_patterns("_build", ".runs", ".git"))  # fmt: skip
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "book"]
    settings = {"CAE_PRESET": "quick", "CAE_WORKERS": "1", "CAE_RUNS": str(book / ".runs")}  # fmt: skip
    most, over = 0, threading.Event()

    def watch():
        nonlocal most
        while not over.wait(0.2):
            most = max(most, group.anonymous())

    with limited_to(2 * GB) as group:
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            done = subprocess.run(
                command, cwd=book, env={**os.environ, **settings}, preexec_fn=group.join,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        finally:
            over.set()
            watcher.join()
        killed = group.killed()
    print(f"at most {most / GB:.2f} GB")
    assert done.returncode == 0, done.stderr[-3000:]
    assert killed == 0

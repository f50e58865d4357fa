"""The locks hold what `requirements.txt` and Binder ask for: the same versions, each with its hashes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.M | re.S)
LOCKS = ("requirements.lock", ".binder/requirements.txt")


def pins(file):
    """Returns the versions of each package, and what follows them."""
    found = {}
    for name, version, rest in PIN.findall((ROOT / file).read_text("utf-8")):
        name = re.sub(r"[-_.]+", "-", name).lower()
        found.setdefault(name, {})[version] = rest
    return found


@pytest.mark.parametrize(
    "asked, lock",
    [
        ("requirements.txt", "requirements.lock"),
        ("requirements.lock", ".binder/requirements.txt"),
        (".binder/requirements.in", ".binder/requirements.txt"),
    ],
)
def test_a_lock_has_every_version_that_is_asked_for(asked, lock):
    wanted, locked = pins(asked), pins(lock)
    wanted.pop("torch", None)  # its builds come from more than one place
    assert wanted
    assert {name: list(locked.get(name, {})) for name in wanted} == {
        name: list(versions) for name, versions in wanted.items()
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_for_all_and_neither_torch_nor_cuda(lock):
    locked = pins(lock)
    assert len(locked) > 100
    for name, versions in locked.items():
        assert not re.match(r"torch$|triton$|nvidia-|cuda-", name)
        assert all("--hash=sha256:" in rest for rest in versions.values()), name

"""The run store: a task is done again only if something that decides it has changed.

What a task gave is one `.npz` file without pickles. Its name is a key made of what was
asked, the images, the code that does it, and the versions of the packages it rests on.
"""

import ast
import contextlib
import functools
import hashlib
import io
import json
import os
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Protocol

import filelock
import numpy as np

from cae_keras.data import Mnist, fingerprint

# What of a module decides no number: a change to it leaves the store valid
UNDECIDING = {
    "config": ("Preset", "PRESETS", "count_from", "get_preset"),
    "training": ("_label",),
}

LARGEST = 2**30  # bytes of a file; of ours none has a hundredth of that
# As this process has loaded them: what is changed on disk later is not what it runs
SOURCES = {
    path.stem: path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py")
}


class Entry(NamedTuple):
    """What a task gave: values that JSON can hold, arrays, and the device it ran on."""

    values: dict
    arrays: tuple[np.ndarray, ...]
    device: str | None = None  # no part of the result, nor of its digest


class Task(Protocol):
    """Something to do whose result is worth keeping.

    Attributes:
        kind: One word, such as `"run"`.
        label: What a progress bar says.
        steps: How many steps a progress bar sees.
        effort: About as many steps of training take as long.
        code: Names of the package's modules that decide the result.
        packages: Names of the installed packages that decide it.
    """

    kind: str
    label: str
    steps: int
    effort: int
    code: tuple[str, ...]
    packages: tuple[str, ...]

    def asked(self) -> dict:
        """Returns what decides the result besides images and code, as JSON values."""

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        """Returns the arrays of the data that decide the result."""

    def do(self, data: Mnist) -> Entry:
        """Does it."""


class Store:
    """A folder of finished tasks.

    It is the one that the environment variable `CAE_RUNS` names, or `.runs/` at the top
    of the project.
    """

    def __init__(self):
        folder = os.environ.get("CAE_RUNS") or Path(__file__).parents[1] / ".runs"
        self.folder = Path(os.path.expanduser(folder))

    def read(self, key: str) -> Entry | None:
        """Returns an entry, verified; a damaged file is set aside with a warning."""
        path = self.folder / f"{key}.npz"
        try:
            if path.exists() and path.stat().st_size > LARGEST:
                return self._set_aside(path, ValueError("it is too large"))
            content = path.read_bytes() if path.exists() else None
        except FileNotFoundError:  # set aside by another process just now
            content = None
        except OSError as error:  # it says nothing of the file
            raise self._unusable(error) from error
        if content is None:
            return None
        try:
            entry, about = _load(io.BytesIO(content))
            if (about["key"], about["digest"]) != (key, digest(entry)):
                raise ValueError("it holds something else than its name says")
        except Exception as error:  # whatever damage does to zip, JSON or array
            return self._set_aside(path, error)
        return entry

    def write(self, key: str, task: Task, entry: Entry):
        """Writes under a temporary name, then renames: no half file is left."""
        about = {
            "kind": task.kind,
            "asked": task.asked(),
            "values": entry.values,
            "digest": digest(entry),
            "key": key,
            "device": entry.device,
        }
        temporary = self.folder / f"{key}.part"
        try:
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb") as file:  # never through a link
                np.savez(file, *entry.arrays, about=json.dumps(about))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / f"{key}.npz")
        except OSError as error:  # such as a full disk
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise self._unusable(error) from error

    def lock(self, key: str) -> filelock.BaseFileLock | None:
        """Takes the lock of a key and returns it, or None if another process has it."""
        lock = filelock.FileLock(self.folder / f"{key}.lock", timeout=0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except filelock.Timeout:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        return lock

    def entries(self):
        """Yields `(key, about)` of every sound file, the oldest first."""
        if self.folder.exists() and not self.folder.is_dir():
            raise self._unusable(NotADirectoryError("it is no folder"))
        paths = self.folder.glob("*.npz")
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
            try:
                entry, about = _load(path)
                if (about["key"], about["digest"]) == (path.stem, digest(entry)):
                    yield path.stem, about
            except Exception:  # damaged, or of an older version: `read` deals with it
                continue

    def _set_aside(self, path: Path, error: Exception):
        aside = path.with_suffix(".damaged")
        try:
            os.replace(path, aside)
        except FileNotFoundError:  # another process was faster
            return
        except OSError as read_only:
            raise self._unusable(read_only) from error
        warnings.warn(
            f"{path} is damaged ({error}): set aside as {aside.name}, done again",
            stacklevel=3,
        )

    def _unusable(self, error: OSError) -> ValueError:
        return ValueError(
            f"CAE_RUNS={str(self.folder)!r} cannot be written ({error}): set it to a "
            "folder that can be"
        )


def task_key(task: Task, data: Mnist) -> str:
    """Returns what a task is kept under: 32 digits over all that decides its result."""
    decided_by = {
        "kind": task.kind,
        "asked": task.asked(),
        "images": fingerprint(*task.images(data)),
        "code": code_digests(task),
        "versions": {package: version(package) for package in task.packages},
    }
    return hashlib.sha256(json.dumps(decided_by).encode()).hexdigest()[:32]


def code_digests(task: Task) -> dict[str, str]:
    """Returns a digest of each module that decides a task's result."""
    return {
        name: code_digest(_source(name), UNDECIDING.get(name, ())) for name in task.code
    }


@functools.cache
def code_digest(source: str, without: tuple[str, ...] = ()) -> str:
    """Returns a digest of Python source that comments and docstrings do not change.

    Args:
        source: The text of a module.
        without: Names of classes, functions and constants to leave out.

    Example:
        >>> code_digest("x = 1  # one") == code_digest("x = 1")
        True
        >>> code_digest("x = 1") == code_digest("x = 2")
        False
    """
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _names(node) & set(without)]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _names(node: ast.stmt) -> set[str]:
    """Returns what a statement at the top of a module defines."""
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {getattr(node, "name", "")}


def _source(name: str) -> str:
    return SOURCES[name]


def digest(entry: Entry) -> str:
    """Returns a digest of all that an entry holds."""
    about = [entry.values, [(str(a.dtype), a.shape) for a in entry.arrays]]
    about = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return fingerprint(about, *entry.arrays)


def _load(path: Path | io.BytesIO) -> tuple[Entry, dict]:
    with np.load(path, allow_pickle=False) as file:
        if any(member.compress_type for member in file.zip.infolist()):
            raise ValueError("it is compressed")  # a small file could fill the memory
        about = json.loads(str(file["about"]))
        arrays = tuple(file[f"arr_{i}"] for i in range(len(file.files) - 1))
    return Entry(about["values"], arrays, about.get("device")), about

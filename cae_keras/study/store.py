"""The run store: a task is done again only if something that decides it has changed.

What a task gave is one `.npz` file without pickles, named by the task's key.
"""

import contextlib
import io
import json
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import filelock
import numpy as np

from cae_keras.config import ROOT, checked_path
from cae_keras.data import fingerprint

LARGEST = 2**30  # bytes of a file; of ours none has a hundredth of that


class Entry(NamedTuple):
    """What a task gave: values that JSON can hold, arrays, and the device it ran on."""

    values: dict
    arrays: tuple[np.ndarray, ...]
    device: str | None = None  # no part of the result, nor of its digest


class Store:
    """A folder of finished tasks: `CAE_RUNS`, or `.runs/` at the top of the project.

    Where the package is installed without the project, it is in the working directory.
    """

    def __init__(self):
        top = ROOT if (ROOT / "_config.yml").exists() else Path.cwd()
        folder = os.environ.get("CAE_RUNS") or top / ".runs"
        self.folder = checked_path("CAE_RUNS", folder)

    def read(self, key: str) -> Entry | None:
        """Returns an entry, verified; a damaged file is set aside with a warning."""
        path = self.folder / f"{key}.npz"
        try:
            if path.stat().st_size > LARGEST:
                return self._set_aside(path, ValueError("it is too large"))
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:  # it says nothing of the file
            raise self._unusable(error) from error
        try:
            return _load(io.BytesIO(content), key)[0]
        except Exception as error:  # whatever damage does to zip, JSON or array
            return self._set_aside(path, error)

    def write(self, key: str, kind: str, asked: dict, entry: Entry):
        """Writes under a temporary name, then renames: no half file is left."""
        about = {"key": key, "kind": kind, "asked": asked, "digest": digest(entry)}
        about |= {"values": entry.values, "device": entry.device}
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
            with contextlib.suppress(Exception):  # `read` deals with what is damaged
                yield path.stem, _load(path, path.stem)[1]

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


def digest(entry: Entry) -> str:
    """Returns a digest of all that an entry holds."""
    about = [entry.values, [(str(a.dtype), a.shape) for a in entry.arrays]]
    about = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return fingerprint(about, *entry.arrays)


def _load(file: Path | io.BytesIO, key: str) -> tuple[Entry, dict]:
    """Returns what is in a file, and all that is said about it, if it is sound."""
    with np.load(file, allow_pickle=False) as file:
        if any(member.compress_type for member in file.zip.infolist()):
            raise ValueError("it is compressed")  # a small file could fill the memory
        about = json.loads(str(file["about"]))
        arrays = tuple(file[f"arr_{i}"] for i in range(len(file.files) - 1))
    entry = Entry(about["values"], arrays, about["device"])
    if (about["key"], about["digest"]) != (key, digest(entry)):
        raise ValueError("it holds something else than its name says")
    return entry, about

"""The store keeps what was done whole or not at all, and finds what is damaged, hostile or forged."""

import contextlib
import json
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fake_tasks import Fake, begun

from cae_keras.config import ROOT
from cae_keras.study import store
from cae_keras.study.complete import complete
from cae_keras.study.keys import task_key
from cae_keras.study.store import Entry, Store, digest


@pytest.fixture
def task(tmp_path):
    return Fake("task", tmp_path)


@pytest.fixture
def path(task, tiny, tmp_path):
    """Where the entry of the task is, done once."""
    complete([task], tiny)
    return tmp_path / "runs" / f"{task_key(task, tiny)}.npz"


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def rewrite(path, fault):
    """Changes what is in a file; the zip file stays sound, and so does every array in it."""
    with np.load(path) as file:
        content = dict(file)
    about, array = json.loads(str(content["about"])), content["arr_0"]
    if fault == "value":
        about["values"]["name"] = "forged"
    content["about"] = json.dumps(about)
    if fault == "array":
        content["arr_0"] = array + 1
    elif fault == "pickle":
        content["arr_0"] = np.array([Hostile(path.with_name("ran"))], dtype=object)
    elif fault in ("arr_0", "about"):
        del content[fault]
    save = np.savez_compressed if fault == "compressed" else np.savez
    save(path, **content)


def damage(path, fault):
    good = path.read_bytes()
    if isinstance(fault, float):
        path.write_bytes(good[: int(fault * len(good))])
    elif fault == "a file larger than the memory":
        os.truncate(path, 2**40)  # it takes no room
    elif fault == "an array larger than the memory":
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}"
        large = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        with np.load(path) as file:
            about = str(file["about"])
        np.savez(path, about=about)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("arr_0.npy", large)
    elif fault == "names that climb":
        with zipfile.ZipFile(path, "a") as file:
            for name in ("../../climbed.npy", "/tmp/cae_climbed.npy", "..\\c.npy"):
                file.writestr(name, b"hostile")
    elif fault == "another entry":
        another = path.with_name("another.npz")
        with np.load(path) as file:
            about = json.loads(str(file["about"])) | {"key": another.stem}
            np.savez(another, file["arr_0"], about=json.dumps(about))
        os.replace(another, path)
    else:
        rewrite(path, fault)


REWRITTEN = ("value", "array", "arr_0", "about", "pickle")
HOSTILE = (
    *("compressed", "names that climb", "another entry"),
    *("a file larger than the memory", "an array larger than the memory"),
)


@pytest.mark.parametrize("fault", [0.0, 0.01, 0.5, 0.9, 0.999, *REWRITTEN, *HOSTILE])
def test_damage_is_found_told_set_aside_and_done_again(task, tiny, path, tmp_path, monkeypatch, fault):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    damage(path, fault)
    before, size = set(tmp_path.rglob("*")), path.stat().st_size
    assert list(Store().entries()) == []
    with pytest.warns(UserWarning, match=f"^{path} is damaged "):
        (entry,) = complete([task], tiny)
    assert (entry.values, entry.arrays[0].tolist()) == ({"name": "task"}, [0, 1, 2])
    aside = path.with_suffix(".damaged")
    assert aside.stat().st_size == size
    assert set(tmp_path.rglob("*")) - before == {aside}, "nothing of it was run"
    assert not Path("/tmp/cae_climbed.npy").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        complete([task], tiny)
    assert begun(tmp_path) == ["task", "task"]


def test_one_bit_anywhere(path):
    """Some bits say nothing, such as the date of a zip file; all others are found."""
    good, entry, found = path.read_bytes(), Store().read(path.stem), 0
    for position in np.random.default_rng(0).integers(0, len(good), 100):
        flipped = bytearray(good)
        flipped[position] ^= 1 << (position % 8)
        path.write_bytes(flipped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = Store().read(path.stem)
        found += read is None
        assert read is None or digest(read) == digest(entry)
    assert found > 50


def test_two_processes_may_find_damage_at_once(path, monkeypatch):
    """Here another one has set it aside just before."""
    path.write_bytes(b"")
    replace_file = os.replace

    def faster(source, target):
        replace_file(source, target)
        replace_file(source, target)

    monkeypatch.setattr(store.os, "replace", faster)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Store().read(path.stem) is None


def test_the_digest_of_an_entry_covers_all_of_it():
    zeros = np.zeros(4, np.float32)
    entries = [
        Entry({}, ()),
        Entry({"a": 1}, ()),
        Entry({"a": 2}, ()),
        Entry({}, (zeros,)),
        Entry({}, (zeros + 1,)),
        Entry({}, (zeros.reshape(2, 2),)),
        Entry({}, (zeros.astype(np.int32),)),
        Entry({}, (zeros[:2], zeros[2:])),
        Entry({}, (zeros, zeros[:0])),
    ]
    assert len(set(map(digest, entries))) == len(entries)
    assert digest(Entry({"a": (1, 2)}, ())) == digest(Entry({"a": [1, 2]}, ()))


class TestWhereItIs:
    @pytest.mark.parametrize(
        "asked, folder", [("~/kept", Path.home() / "kept"), ("", ROOT / ".runs")]
    )
    def test_its_folder(self, monkeypatch, asked, folder):
        monkeypatch.setenv("CAE_RUNS", asked)
        assert Store().folder == folder

    @pytest.mark.parametrize("where", ["file", "file/runs", "/proc/runs"])
    def test_one_that_cannot_be_made_is_refused_before_any_work(self, task, tiny, tmp_path, monkeypatch, where):  # fmt: skip
        """Root may write everywhere but below `/proc`."""
        (tmp_path / "file").touch()
        monkeypatch.setenv("CAE_RUNS", str(tmp_path / where))
        with pytest.raises(ValueError, match=r"CAE_RUNS='.*' cannot be written \("):
            complete([task], tiny)
        assert begun(tmp_path) == []

    def test_an_entry_appears_under_its_name_when_it_is_whole(self, task, tiny, tmp_path, monkeypatch):  # fmt: skip
        seen, replace_file = [], os.replace

        def look(source, target):
            seen.append(sorted(f.suffix for f in (tmp_path / "runs").glob("*.[np]*")))
            with np.load(source) as file:
                assert "about" in file.files
            replace_file(source, target)

        monkeypatch.setattr(store.os, "replace", look)
        complete([task], tiny)
        assert seen == [[".part"]]

    @pytest.mark.parametrize("suffix", [".part", ".lock"])
    def test_a_link_is_not_written_through(self, task, tiny, path, tmp_path, suffix):
        precious = tmp_path / "precious"
        precious.write_text("of somebody")
        path.unlink()
        path.with_suffix(suffix).unlink(missing_ok=True)
        path.with_suffix(suffix).symlink_to(precious)
        with contextlib.suppress(ValueError):  # it may as well be refused
            complete([task], tiny)
        assert precious.read_text() == "of somebody"


def fill(file, *_, **__):
    file.write(b"half")
    raise OSError(28, "No space left on device")


def refuse(*_, **__):
    raise PermissionError(13, "read-only")


def test_a_full_disk_keeps_what_is_whole_and_has_nothing_by_halves(tiny, path, tmp_path, monkeypatch):  # fmt: skip
    new = Fake("new", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(store.np, "savez", fill)
        with pytest.raises(ValueError, match=r"CAE_RUNS=.*No space left") as error:
            complete([new], tiny)
    assert "\n" not in str(error.value)
    assert [f for f in path.parent.iterdir() if f.suffix != ".lock"] == [path]
    complete([new], tiny)
    assert begun(tmp_path) == ["task", "new", "new"]


def test_a_read_only_disk_gives_what_it_has_and_refuses_new_work(task, tiny, path, tmp_path, monkeypatch):  # fmt: skip
    monkeypatch.setattr(store.filelock.FileLock, "acquire", refuse)
    monkeypatch.setattr(store.os, "replace", refuse)
    complete([task], tiny)
    with pytest.raises(ValueError, match=r"CAE_RUNS=.*read-only"):
        complete([task, Fake("new", tmp_path)], tiny)
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"CAE_RUNS=.*read-only"):
        complete([task], tiny)
    assert begun(tmp_path) == ["task"]

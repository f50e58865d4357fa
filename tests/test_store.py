"""The store keeps what was done, finds damage, and knows what must be done again."""

import json
import os
import warnings
import zipfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from fake_tasks import Fake, begun

from cae_keras import CAEConfig, Recipe
from cae_keras.measurements.reader import Reader
from cae_keras.study import store
from cae_keras.study.store import Entry, Store, code_digest, digest, task_key
from cae_keras.study.tasks import Measuring, Reading, Training
from cae_keras.study.workers import complete
from cae_keras.training import Run

CONFIG = CAEConfig(filters=(2, 2), latent_dim=2)
RECIPE = Recipe(images=64, epochs=1)
RUN = Run(CONFIG, RECIPE, 0, {"loss": (0.5, 0.25)}, (np.arange(6.0),))
READER = Reader(RECIPE, 0, {"loss": (2.0,)}, (np.arange(4.0),))
TASKS = {
    "run": Training(CONFIG, RECIPE, 0),
    "reader": Reading(RECIPE, 0),
    "measures": Measuring(RUN, READER),
}
SPLITS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
DECIDING = {  # kind: what of the data, of the code and of the packages decides
    "run": (
        {"x_train", "x_val"},
        {"config", "fit", "images", "layers", "models", "training"},
        {"keras", "torch"},
    ),
    "reader": (
        {"x_train", "y_train", "x_val", "y_val"},
        {"config", "fit", "images", "layers", "models", "training", "reader"},
        {"keras", "torch"},
    ),
    "measures": (
        {"x_val", "x_test", "y_test"},
        {"config", "fit", "images", "layers", "models", "training", "reader"}
        | {"metrics", "smoothness", "cost", "runs", "tasks"},
        {"keras", "torch", "numpy", "scipy", "scikit-image"},
    ),
}
SOURCES = Path(store.__file__).parent
MODULES = sorted(path.stem for path in SOURCES.glob("*.py"))


@pytest.fixture
def task(tmp_path):
    return Fake("task", tmp_path)


@pytest.fixture
def path(task, tiny, tmp_path):
    """Where the entry of the task is, done once."""
    complete([task], tiny)
    return tmp_path / "runs" / f"{task_key(task, tiny)}.npz"


def other(array):
    changed = array.copy()
    changed.flat[0] ^= 1
    return changed


class TestDamage:
    def again(self, task, data, path):
        """Asks for the task once more; returns the warnings."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (entry,) = complete([task], data)
        assert np.array_equal(entry.arrays[0], [0, 1, 2])
        assert entry.values == {"name": "task"}
        return [str(each.message) for each in caught if each.category is UserWarning]

    def check(self, task, data, path):
        damaged = path.read_bytes()
        (warning,) = self.again(task, data, path)
        assert f"{path} is damaged" in warning
        assert path.with_suffix(".damaged").read_bytes() == damaged
        assert begun(task.folder) == ["task", "task"]
        assert self.again(task, data, path) == []
        assert len(begun(task.folder)) == 2

    @pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
    def test_truncated(self, task, tiny, path, share):
        good = path.read_bytes()
        path.write_bytes(good[: int(share * len(good))])
        self.check(task, tiny, path)

    def test_one_bit_anywhere(self, task, tiny, path):
        """Some bits say nothing, such as the date of a zip file; all others are found."""
        good, found = path.read_bytes(), 0
        (entry,) = complete([task], tiny)
        for position in np.random.default_rng(0).integers(0, len(good), 100):
            flipped = bytearray(good)
            flipped[position] ^= 1 << (position % 8)
            path.write_bytes(flipped)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = Store().read(path.stem)
            if read is None:
                found += 1
            else:
                assert digest(read) == digest(entry)
        assert found > 50

    def test_swapped_with_a_sound_one(self, task, tiny, tmp_path, path):
        complete([Fake("another", tmp_path)], tiny)
        (another,) = set(path.parent.glob("*.npz")) - {path}
        path.write_bytes(another.read_bytes())
        (tmp_path / "log").write_text("task 1\n")
        self.check(task, tiny, path)

    @pytest.mark.parametrize(
        "fault", ["value", "array", "shape", "dtype", "more", "fewer", "no about"]
    )
    def test_rewritten(self, task, tiny, path, fault):
        """Here the zip file is sound, and so is every array in it."""
        with np.load(path) as file:
            content = dict(file)
        about = json.loads(str(content["about"]))
        if fault == "value":
            about["values"]["name"] = "forged"
        elif fault == "array":
            content["arr_0"] = content["arr_0"] + 1
        elif fault == "shape":
            content["arr_0"] = content["arr_0"].reshape(1, 3)
        elif fault == "dtype":
            content["arr_0"] = content["arr_0"].view(np.int64)
        elif fault == "more":
            content["arr_1"] = content["arr_0"]
        elif fault == "fewer":
            del content["arr_0"]
        content["about"] = json.dumps(about)
        if fault == "no about":
            del content["about"]
        np.savez(path, **content)
        self.check(task, tiny, path)

    def test_a_pickle_is_not_run(self, task, tiny, tmp_path, path):
        class Hostile:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "run",))

        hostile = np.array([Hostile()], dtype=object)
        np.savez(path, hostile, about=hostile)
        self.check(task, tiny, path)
        assert not (tmp_path / "run").exists()

    def test_an_array_larger_than_the_memory(self, task, tiny, path):
        with np.load(path) as file:
            about = str(file["about"])
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}"
        large = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        np.savez(path, about=about)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("arr_0.npy", large)
        self.check(task, tiny, path)

    def test_two_processes_may_find_it_at_once(self, task, tiny, path, monkeypatch):
        """Here another one has set it aside just before."""
        path.write_bytes(b"")
        replace_file = os.replace

        def faster(source, target):
            if str(target).endswith(".damaged"):
                replace_file(source, target)
            replace_file(source, target)

        monkeypatch.setattr(store.os, "replace", faster)
        assert self.again(task, tiny, path) == []

    def test_the_report_of_entries_leaves_it_out(self, task, tiny, tmp_path, path):
        complete([Fake("another", tmp_path)], tiny)
        path.write_bytes(path.read_bytes()[:-30])
        ((key, about),) = Store().entries()
        assert about["asked"] == {"name": "another"}
        assert key == task_key(Fake("another", tmp_path), tiny)


class TestWhereItIs:
    def test_its_folder(self, monkeypatch, tmp_path):
        assert Store().folder == tmp_path / "runs"
        monkeypatch.setenv("CAE_RUNS", "~/kept")
        assert Store().folder == Path.home() / "kept"
        for unset in ("", None):
            if unset is None:
                monkeypatch.delenv("CAE_RUNS")
            else:
                monkeypatch.setenv("CAE_RUNS", unset)
            assert Store().folder == Path(__file__).parents[1] / ".runs"

    def test_a_read_only_one_is_read(self, task, tiny, path, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(13, "read-only")

        monkeypatch.setattr(store.filelock, "FileLock", refuse)
        for name in ("replace", "mkdir", "open", "unlink"):
            monkeypatch.setattr(store.os, name, refuse)
        before = sorted(path.parent.iterdir())
        complete([task], tiny)
        assert begun(task.folder) == ["task"]
        assert sorted(path.parent.iterdir()) == before

    @pytest.mark.parametrize("where", ["file", "file/runs"])
    def test_one_that_cannot_be_made_is_refused_before_any_work(
        self, task, tiny, tmp_path, monkeypatch, where
    ):
        (tmp_path / "file").touch()
        monkeypatch.setenv("CAE_RUNS", str(tmp_path / where))
        with pytest.raises(ValueError, match=r"CAE_RUNS='.*file.*' cannot be written"):
            complete([task], tiny)
        assert begun(tmp_path) == []

    def test_one_that_cannot_be_written_is_refused_before_any_work(
        self, task, tiny, tmp_path, monkeypatch
    ):
        """Root may write everywhere but below `/proc`."""
        monkeypatch.setenv("CAE_RUNS", "/proc/runs")
        with pytest.raises(
            ValueError, match=r"CAE_RUNS='/proc/runs' cannot be written"
        ):
            complete([task], tiny)
        assert begun(tmp_path) == []

    def test_a_full_disk_leaves_nothing_half_written(
        self, task, tiny, tmp_path, monkeypatch
    ):
        def full(file, *_, **__):
            file.write(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(store.np, "savez", full)
        with pytest.raises(ValueError, match=r"CAE_RUNS=.*No space left"):
            complete([task], tiny)
        left = {file.suffix for file in (tmp_path / "runs").iterdir()}
        assert left <= {".lock"}

    def test_an_entry_appears_under_its_name_when_it_is_whole(
        self, task, tiny, tmp_path, monkeypatch
    ):
        seen = []
        replace_file = os.replace

        def look(source, target):
            seen.append(sorted(f.suffix for f in (tmp_path / "runs").glob("*.[np]*")))
            with np.load(source) as file:
                assert "about" in file.files
            replace_file(source, target)

        monkeypatch.setattr(store.os, "replace", look)
        complete([task], tiny)
        assert seen == [[".part"]]
        names = {file.suffix for file in (tmp_path / "runs").iterdir()}
        assert names - {".lock"} == {".npz"}


def with_changed(monkeypatch, changes):
    """Lets modules have another source than their file."""
    source = store._source
    monkeypatch.setattr(
        store, "_source", lambda name: changes.get(name) or source(name)
    )


@pytest.mark.parametrize("kind", TASKS)
class TestKey:
    def test_covers_the_data_that_is_used_and_no_other(self, kind, tiny):
        task = TASKS[kind]
        key = task_key(task, tiny)
        deciding = {
            name
            for name in SPLITS
            if task_key(task, replace(tiny, **{name: other(getattr(tiny, name))}))
            != key
        }
        assert deciding == DECIDING[kind][0]

    def test_covers_the_code_that_decides_and_no_other(self, kind, tiny, monkeypatch):
        key, deciding = task_key(TASKS[kind], tiny), set()
        for module in MODULES:
            with monkeypatch.context() as patch:
                changed = store._source(module) + "\nCHANGED = True\n"
                with_changed(patch, {module: changed})
                if task_key(TASKS[kind], tiny) != key:
                    deciding.add(module)
        assert deciding == DECIDING[kind][1]

    def test_covers_the_packages(self, kind, tiny, monkeypatch):
        key, deciding = task_key(TASKS[kind], tiny), set()
        for package in ("keras", "torch", "numpy", "scipy", "scikit-image", "tqdm"):
            with monkeypatch.context() as patch:
                patch.setattr(
                    store, "version", lambda n, p=package: "0" if n == p else version(n)
                )
                if task_key(TASKS[kind], tiny) != key:
                    deciding.add(package)
        assert deciding == DECIDING[kind][2]

    def test_covers_all_that_is_imported_for_it(self, kind):
        """A module that decides imports none that does not, but for those that hold no number of a result."""
        deciding = DECIDING[kind][1]
        without = {"data", "progress", "store"}  # images are in the key themselves
        without |= {"runs"} if kind != "measures" else set()  # it only packs the result
        for module in deciding:
            lines = (SOURCES / f"{module}.py").read_text("utf-8").splitlines()
            imported = {
                line.split()[1].removeprefix("cae_keras.")
                for line in lines
                if line.startswith("from cae_keras.")
            }
            assert imported <= deciding | without, module

    @pytest.mark.parametrize(
        "module, old, new",
        [
            ("config", '"""Returns the preset', '"""Gives the preset'),
            ("config", "seeds=(0, 1, 2)", "seeds=(0, 1, 2, 3)"),
            ("config", "    seeds: tuple[int, ...]", "    seeds: list"),
            ("config", "if not text:", "if text is None:"),
            (
                "training",
                "VALIDATION_BATCH = 250  #",
                "VALIDATION_BATCH = 2_50  # or so,",
            ),
            ("models", "\n\n\n", "\n\n\n# what follows is new\n"),
        ],
    )
    def test_does_not_cover_what_decides_nothing(
        self, kind, module, old, new, tiny, monkeypatch
    ):
        key = task_key(TASKS[kind], tiny)
        source = store._source(module)
        assert old in source
        with_changed(monkeypatch, {module: source.replace(old, new)})
        assert task_key(TASKS[kind], tiny) == key

    def test_is_a_name_for_a_file_that_is_always_the_same(self, kind, tiny):
        key = task_key(TASKS[kind], tiny)
        assert len(key) == 32
        assert set(key) <= set("0123456789abcdef")
        assert task_key(TASKS[kind], replace(tiny)) == key


def test_what_is_asked_is_in_the_key(tiny):
    bias, seconds = replace(RUN, weights=(np.arange(6.0) + 1,)), {"loss": (0.5, 0.26)}
    asked = [
        *TASKS.values(),
        Training(CONFIG, RECIPE, 1),
        Training(CONFIG, replace(RECIPE, epochs=2), 0),
        Training(CONFIG, replace(RECIPE, images=63), 0),
        Training(CONFIG, replace(RECIPE, batch_size=32), 0),
        Training(CONFIG, replace(RECIPE, peak_learning_rate=1e-3), 0),
        Training(CONFIG, replace(RECIPE, warmup=0.1), 0),
        Training(replace(CONFIG, filters=(2, 3)), RECIPE, 0),
        Training(replace(CONFIG, latent_dim=3), RECIPE, 0),
        Training(replace(CONFIG, batch_norm=True), RECIPE, 0),
        Training(replace(CONFIG, activation="leaky_relu"), RECIPE, 0),
        Training(replace(CONFIG, negative_slope=0.2), RECIPE, 0),
        Reading(RECIPE, 1),
        Reading(replace(RECIPE, epochs=2), 0),
        Measuring(bias, READER),
        Measuring(replace(RUN, history=seconds), READER),
        Measuring(RUN, replace(READER, weights=(np.arange(4.0) + 1,))),
    ]
    assert len({task_key(task, tiny) for task in asked}) == len(asked)


def test_images_beyond_the_budget_decide_nothing(tiny):
    beyond = tiny.x_train.copy()
    beyond[RECIPE.images] ^= 1
    for kind in ("run", "reader"):
        key = task_key(TASKS[kind], tiny)
        assert task_key(TASKS[kind], replace(tiny, x_train=beyond)) == key


def test_the_digest_of_code_ignores_comments_and_docstrings_only():
    code = 'RATE = 1\n\ndef f(x):\n    """One."""\n    return x * RATE\n'
    assert code_digest(code.replace("One.", "Two.") + "# done\n") == code_digest(code)
    assert code_digest(code.replace("RATE = 1", "RATE = 2")) != code_digest(code)
    assert code_digest(code.replace("x * RATE", "x + RATE")) != code_digest(code)
    assert code_digest("x = 'a text'") != code_digest("x = 'another text'")
    assert code_digest(code, ("RATE",)) == code_digest(
        code.replace("1", "2"), ("RATE",)
    )
    assert code_digest(code, ("f",)) == code_digest("RATE = 1")


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

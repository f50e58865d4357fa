"""Faults: what is stale, damaged, hostile, or on a disk that gives out changes no number and loses no work.

One fault at a time, on tiny configurations; whole builds that are killed are in `test_long.py`, what befalls a worker
in `test_workers.py`, and the data files in `test_data.py`.
"""

import ast
import contextlib
import dataclasses
import importlib.util
import multiprocessing
import os
import shutil
import subprocess
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import loky
import numpy as np
import pytest
from fake_tasks import Fake, begun

from cae_keras import CAEConfig, Preset, Recipe, config, training
from cae_keras.study import pools, store, study
from cae_keras.study.report import report
from cae_keras.study.store import Store, code_digest, task_key
from cae_keras.study.study import load_or_train_reader, measure, run
from cae_keras.study.tasks import TRAINING, Measuring, Training
from cae_keras.study.workers import complete

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cae_keras"
FILES = sorted(PACKAGE.rglob("*.py"))
DECIDING = sorted({*TRAINING, *Measuring.code})
RECIPE = Recipe(images=64, epochs=3)
SMALL = CAEConfig(filters=(2, 2), latent_dim=2)


@pytest.fixture
def small_build(monkeypatch):
    """A full build that takes a second, in this process."""
    monkeypatch.setitem(config.PRESETS, "full", Preset("full", RECIPE, (0, 1)))
    monkeypatch.setenv("CAE_WORKERS", "1")


# Stale


class Change(ast.NodeTransformer):
    """Changes the nth constant of a module that is no docstring, if there is one."""

    def __init__(self, n):
        self.n, self.where = n, None

    def visit_Expr(self, node):
        return (
            node if isinstance(node.value, ast.Constant) else self.generic_visit(node)
        )

    def visit_Constant(self, node):
        self.n -= 1
        if self.n != -1:
            return node
        self.where = node.lineno
        return ast.Constant(f"{node.value} changed")


def changes(source):
    """Yields for each constant of a source its line, and the source with that constant changed."""
    for n in range(10_000):
        change, tree = Change(n), ast.parse(source)
        tree = ast.fix_missing_locations(change.visit(tree))
        if change.where is None:
            return
        yield change.where, ast.unparse(tree)


def names_at(source, lines):
    """Returns which names at the top of a module these lines define."""
    nodes = [
        node
        for node in ast.parse(source).body
        if set(range(node.lineno, node.end_lineno + 1)) & lines
    ]
    return set().union(*(store._names(node) for node in nodes))


@pytest.mark.parametrize("module", DECIDING)
def test_each_constant_of_a_module_that_decides_is_in_its_digest(module):
    """But those of what is declared to decide nothing."""
    source, without = store._source(module), store.UNDECIDING.get(module, ())
    before = code_digest(source, without)
    found = [
        (line, code_digest(changed, without) == before)
        for line, changed in changes(source)
    ]
    assert found
    same = {line for line, is_same in found if is_same}
    assert names_at(source, same) <= set(without)
    assert len(same) < len(found)


@pytest.fixture
def extension(monkeypatch):
    path = ROOT / "book" / "_ext" / "cae_book.py"
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location("cae_book", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The package, to be changed."""
    folder = tmp_path_factory.mktemp("copied") / "cae_keras"
    return shutil.copytree(
        PACKAGE, folder, ignore=shutil.ignore_patterns("mnist", "__pycache__")
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_change_of_any_module_executes_pages_again_whatever_its_date(
    extension, copied, tmp_path, monkeypatch, file
):
    """So no number survives that a page computes beside the store: statistics, claims, tables, figures."""
    pages = {"runs": "```{code-cell}\n1\n```\n", "reads": "Text alone.\n"}
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    env = SimpleNamespace(found_docs=set(pages), doc2path=lambda name: tmp_path / name)
    monkeypatch.setattr(extension, "PACKAGE", copied)
    extension.note_contents(None, env, ["runs", "reads"])
    ask = [None, env, set(), set(), set()]
    assert extension.find_changed(*ask) == []
    changed = copied / file.relative_to(PACKAGE)
    before = changed.read_text("utf-8")
    changed.write_text(before + "CHANGED = 1\n", "utf-8")
    os.utime(changed, (1, 1))
    assert extension.find_changed(*ask) == ["runs"]
    changed.write_text(before, "utf-8")
    assert extension.find_changed(*ask) == []
    (tmp_path / "reads").write_text("Other text.\n")
    os.utime(tmp_path / "reads", (1, 1))
    assert extension.find_changed(*ask) == ["reads"]


class TestWhatIsDeclaredToDecideNothing:
    """`UNDECIDING`: presets, and a label."""

    @pytest.mark.usefixtures("small_build")
    @pytest.mark.parametrize(
        "change",
        [
            {"seeds": (0,)},
            {"recipe": replace(RECIPE, images=63)},
            {"recipe": replace(RECIPE, epochs=4)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_preset_since_the_key_has_what_it_asks_for(
        self, tiny, monkeypatch, change
    ):
        def keys():
            tasks = study._tasks({"small": SMALL}, None, None, tiny)["small"]
            return {task_key(task, tiny) for task in tasks}

        before = keys()
        monkeypatch.setitem(
            config.PRESETS, "full", replace(config.PRESETS["full"], **change)
        )
        assert keys() < before if "seeds" in change else keys().isdisjoint(before)

    def test_what_a_preset_holds_out_since_the_key_has_the_images(self, tiny):
        task = Training(SMALL, RECIPE, 0)
        fewer = replace(tiny, x_val=tiny.x_val[::2], y_val=tiny.y_val[::2])
        assert task_key(task, fewer) != task_key(task, tiny)

    def test_a_label_since_it_is_only_shown(self, tiny, monkeypatch):
        before = training.train(SMALL, RECIPE, 0, tiny)
        monkeypatch.setattr(training, "_label", lambda *_: "another")
        again = training.train(SMALL, RECIPE, 0, tiny)
        assert same_bits(before.weights, again.weights)

    def test_nothing_else_is(self):
        fields = {field.name for field in dataclasses.fields(Preset)}
        assert fields == {"name", "recipe", "seeds", "every"}
        assert store.UNDECIDING == {
            "config": ("Preset", "PRESETS", "count_from", "get_preset"),
            "training": ("_label",),
        }


def same_bits(arrays, others):
    return len(arrays) == len(others) > 0 and all(
        a.tobytes() == b.tobytes() for a, b in zip(arrays, others, strict=True)
    )


class TestThePackageIsChangedWhileItRuns:
    """A notebook may be open for days; what it trains must not be kept under the key of code that it does not run."""

    def test_the_key_is_of_the_code_that_is_loaded(self, tiny, monkeypatch):
        task = Training(SMALL, RECIPE, 0)
        key = task_key(task, tiny)
        read = Path.read_text

        def changed(path, *arguments, **named):
            text = read(path, *arguments, **named)
            return text + "CHANGED = 1" if path.suffix == ".py" else text

        monkeypatch.setattr(Path, "read_text", changed)
        code_digest.cache_clear()
        assert task_key(task, tiny) == key

    def test_a_worker_of_other_code_does_nothing(self, tiny, tmp_path, monkeypatch):
        """Here each process has its own."""
        monkeypatch.setenv("CAE_WORKERS", "2")
        fork = multiprocessing.get_context("fork")
        monkeypatch.setattr(
            pools, "_executor", lambda: loky.ProcessPoolExecutor(1, context=fork)
        )
        monkeypatch.setattr(pools, "code_digests", lambda task: {"config": os.getpid()})
        with pytest.raises(
            RuntimeError, match="cae_keras was changed after this process"
        ):
            complete([Fake("a", tmp_path), Fake("b", tmp_path)], tiny)
        assert begun(tmp_path) == []
        assert not list((tmp_path / "runs").glob("*.npz"))


@pytest.mark.usefixtures("small_build")
def test_what_other_code_has_measured_is_not_reported(tiny, monkeypatch):
    """Even if its file is the latest, as after the clock was set back."""
    runs = run({"small": SMALL}, seeds=(0,), data=tiny)
    source = store._source
    with monkeypatch.context() as patch:
        patch.setattr(
            store,
            "_source",
            lambda name: source(name) + "\nCHANGED = 1" * (name == "metrics"),
        )
        patch.setattr("cae_keras.study.tasks.sharpness", lambda *_: 0)
        patch.setattr("cae_keras.study.tasks.quality", lambda *_: {"bce": 99.0})
        measure(runs, tiny)
    (row,) = report(Store(), tiny)
    assert (row["valid"], row["bce"]) == (True, None)
    right = measure(runs, tiny)["small"]["bce"][0]
    for path in Store().folder.glob("*.npz"):
        os.utime(path, (2e9, 2e9) if b"99.0" in path.read_bytes() else (1e9, 1e9))
    (row,) = report(Store(), tiny)
    assert row["bce"] == right < 99


# Damaged


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """A store with two runs, their measures and the reader; what they gave; and of which kind each file is."""
    folder = tmp_path_factory.mktemp("finished") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAE_RUNS", str(folder))
        patch.setenv("CAE_WORKERS", "1")
        patch.setitem(config.PRESETS, "full", Preset("full", RECIPE, (0, 1)))
        results = results_of(tiny)
        kinds = {key: about["kind"] for key, about in Store().entries()}
    assert sorted(kinds.values()) == ["measures"] * 2 + ["reader"] + ["run"] * 2
    return folder, results, kinds


def results_of(data):
    """Returns all that a study gives but times."""
    runs = run({"small": SMALL}, data=data)
    measured = measure(runs, data)["small"]
    arrays = [array for one in runs["small"] for array in one.weights]
    arrays += [np.array(one.history["val_loss"]) for one in runs["small"]]
    arrays += load_or_train_reader(data=data).weights
    return arrays + [measured[name] for name in sorted(measured) if name != "seconds"]


def damage(path, other, fault):
    content = bytearray(path.read_bytes())
    if fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "emptied":
        path.write_bytes(b"")
    elif fault == "one bit":
        with zipfile.ZipFile(path) as file:
            largest = max(file.infolist(), key=lambda member: member.file_size)
        content[largest.header_offset + largest.file_size // 2 + 100] ^= 1
        path.write_bytes(content)
    elif fault == "swapped":
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)


@pytest.mark.usefixtures("small_build")
@pytest.mark.parametrize("fault", ["truncated", "emptied", "one bit", "swapped"])
@pytest.mark.parametrize("kind", ["run", "reader", "measures"])
def test_damage_is_found_set_aside_told_and_the_same_is_made_again(
    tiny, finished, tmp_path, kind, fault
):
    before, results, kinds = finished
    folder = shutil.copytree(before, tmp_path / "runs")
    path, *more = [folder / f"{key}.npz" for key in kinds if kinds[key] == kind]
    other = (
        more[0]
        if more
        else next(folder / f"{key}.npz" for key in kinds if kinds[key] != kind)
    )
    damage(path, other, fault)
    damaged = [path, other] if fault == "swapped" else [path]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert same_bits(results, results_of(tiny))
    told = [
        str(each.message) for each in caught if " is damaged (" in str(each.message)
    ]
    assert len(told) == len(damaged)
    assert {path.stem for path in folder.glob("*.damaged")} == {
        path.stem for path in damaged
    }
    assert all(Store().read(path.stem) for path in damaged)
    assert not list(folder.glob("*.part"))


# Hostile


@pytest.fixture
def task(tmp_path):
    return Fake("task", tmp_path)


@pytest.fixture
def path(task, tiny, tmp_path):
    """Where the entry of the task is, done once."""
    complete([task], tiny)
    return tmp_path / "runs" / f"{task_key(task, tiny)}.npz"


class TestHostile:
    def refused(self, task, data, path, reason=""):
        with pytest.warns(UserWarning, match=f"is damaged .*{reason}"):
            (entry,) = complete([task], data)
        assert entry.values == {"name": "task"}
        assert path.with_suffix(".damaged").exists()
        assert len(begun(task.folder)) == 2

    def test_a_keras_file_is_not_opened_nor_its_lambda_run(
        self, task, tiny, path, tmp_path, monkeypatch
    ):
        """Wherever it is put: it is a zip file, as an entry is."""
        touch = keras.layers.Lambda(lambda x: (open("ran", "w").close(), x)[1])
        model = keras.Sequential([keras.Input((2,)), touch])
        monkeypatch.chdir(tmp_path)
        model.save(tmp_path / "hostile.keras")
        model(np.zeros((1, 2)))
        Path("ran").unlink()  # hostile it is
        monkeypatch.setattr(
            keras.saving,
            "deserialize_keras_object",
            lambda *_, **__: pytest.fail("opened"),
        )
        shutil.copy("hostile.keras", path.with_suffix(".keras"))
        shutil.copy("hostile.keras", path)
        self.refused(task, tiny, path)
        assert report(Store(), tiny) == []
        assert not Path("ran").exists()

    def test_names_that_climb_write_nothing(self, task, tiny, path, tmp_path):
        names = ["../../climbed.npy", "/tmp/cae_climbed.npy", "..\\climbed.npy"]
        with zipfile.ZipFile(path, "a") as file:
            for name in names:
                file.writestr(name, b"hostile")
        before = set(tmp_path.rglob("*"))
        self.refused(task, tiny, path)
        assert set(tmp_path.rglob("*")) - before == {path.with_suffix(".damaged")}
        assert not Path("/tmp/cae_climbed.npy").exists()

    def test_a_small_file_that_unpacks_to_a_large_one(self, task, tiny, path):
        with np.load(path) as file:
            content = dict(file)
        np.savez_compressed(path, **content)
        self.refused(task, tiny, path, "it is compressed")

    def test_a_file_larger_than_the_memory(self, task, tiny, path):
        os.truncate(path, 2**40)  # it takes no room
        self.refused(task, tiny, path, "it is too large")

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


# Disk and clock


@dataclasses.dataclass(frozen=True)
class Large(Fake):
    """Gives an array of 800 kB."""

    def do(self, data):
        return super().do(data)._replace(arrays=(np.arange(1e5),))


@pytest.fixture
def disk(tmp_path):
    """A disk of one megabyte with a store in it; called, it mounts that with other options."""
    folder = tmp_path / "runs"
    folder.mkdir()

    def mount(options, *more):
        command = ["mount", "-t", "tmpfs", "-o", options, *more, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no disk of its own can be mounted: {done.stderr.strip()}")

    mount("size=1m")
    yield lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", str(folder)], check=True)


class TestDisk:
    def test_one_that_is_full_keeps_what_is_whole_and_has_nothing_by_halves(
        self, disk, tiny, tmp_path
    ):
        tasks = [Large(name, tmp_path) for name in "abc"]
        with pytest.raises(
            ValueError, match=r"CAE_RUNS=.*No space left on device"
        ) as error:
            complete(tasks, tiny)
        assert "\n" not in str(error.value)
        left = sorted(path.suffix for path in (tmp_path / "runs").iterdir())
        assert set(left) == {".lock", ".npz"}
        assert left.count(".npz") == 1
        disk("size=9m")
        entries = complete(tasks, tiny)
        assert all(np.array_equal(entry.arrays[0], np.arange(1e5)) for entry in entries)
        assert [begun(tmp_path).count(name) for name in "abc"] == [1, 2, 1]

    def test_one_that_is_read_only_gives_what_it_has_and_refuses_new_work(
        self, disk, tiny, tmp_path
    ):
        complete([Fake("kept", tmp_path)], tiny)
        disk("ro,size=1m")
        complete([Fake("kept", tmp_path)], tiny)
        with pytest.raises(
            ValueError, match=r"CAE_RUNS=.*cannot be written \(.*Read-only file system"
        ):
            complete([Fake("kept", tmp_path), Fake("new", tmp_path)], tiny)
        assert begun(tmp_path) == ["kept"]

    def test_damage_on_a_read_only_one_is_told(self, disk, tiny, tmp_path):
        complete([Fake("kept", tmp_path)], tiny)
        (path,) = (tmp_path / "runs").glob("*.npz")
        path.write_bytes(b"damaged")
        disk("ro,size=1m")
        with pytest.raises(ValueError, match="Read-only file system"):
            complete([Fake("kept", tmp_path)], tiny)


@pytest.mark.usefixtures("small_build")
@pytest.mark.parametrize("seconds", [0, 4e9], ids=["1970", "2096"])
def test_dates_of_the_store_decide_nothing(
    tiny, finished, tmp_path, monkeypatch, seconds
):
    """As after the clock was set back, or the store copied."""
    folder = shutil.copytree(finished[0], tmp_path / "runs")
    rows = report(Store(), tiny)
    for path in folder.iterdir():
        os.utime(path, (seconds, seconds))
    monkeypatch.setattr(
        "cae_keras.study.workers._do",
        lambda missing, *_: pytest.fail(missing) if missing else [],
    )
    assert same_bits(finished[1], results_of(tiny))
    assert report(Store(), tiny) == rows
    assert rows[0]["bce"] is not None

"""Faults of a whole study: what is damaged, dated or left from other code changes no number and loses no work.

Whole builds that are killed are in `test_long.py`, what befalls a worker in `test_workers.py`, a file of the store in
`test_store.py`, and the data files in `test_data.py`.
"""

import importlib.util
import os
import shutil
import warnings
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cae_keras import CAEConfig, Recipe, config
from cae_keras.config import ROOT, Preset
from cae_keras.study import study
from cae_keras.study.keys import PACKAGE, task_key
from cae_keras.study.report import report
from cae_keras.study.store import Store
from cae_keras.study.study import load_or_train_reader, measure, run

FILES = sorted(PACKAGE.rglob("*.py"))
RECIPE = Recipe(images=64, epochs=3)
SMALL = CAEConfig(filters=(2, 2), latent_dim=2)


@pytest.fixture(scope="module", autouse=True)
def small_build():
    """A full build that takes a second, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config.PRESETS, "full", Preset("full", RECIPE, (0, 1)))
        yield


@pytest.fixture(autouse=True)
def one(monkeypatch):
    monkeypatch.setenv("CAE_WORKERS", "1")


def test_a_change_of_any_module_executes_pages_again_whatever_its_date(
    tmp_path, monkeypatch
):
    """So no number survives that a page computes beside the store: statistics, claims, tables, figures."""
    path = ROOT / "book" / "_ext" / "cae_book.py"
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location("cae_book", path)
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    ignore = shutil.ignore_patterns("*.gz", "__pycache__")
    copied = shutil.copytree(PACKAGE, tmp_path / "cae_keras", ignore=ignore)
    monkeypatch.setattr(extension, "PACKAGE", copied)
    pages = {"runs": "```{code-cell}\n1\n```\n", "reads": "Text alone.\n"}
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    env = SimpleNamespace(found_docs=set(pages), doc2path=lambda name: tmp_path / name)
    extension.note_contents(None, env, ["runs", "reads"])
    ask = [None, env, set(), set(), set()]
    for file in FILES:
        changed = copied / file.relative_to(PACKAGE)
        before = changed.read_text("utf-8")
        changed.write_text(before + "CHANGED = 1\n", "utf-8")
        os.utime(changed, (1, 1))
        assert extension.find_changed(*ask) == ["runs"], file
        changed.write_text(before, "utf-8")
    assert extension.find_changed(*ask) == []
    (tmp_path / "reads").write_text("Other text.\n")
    os.utime(tmp_path / "reads", (1, 1))
    assert extension.find_changed(*ask) == ["reads"]


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (0,)},
        {"recipe": replace(RECIPE, images=63)},
        {"recipe": replace(RECIPE, epochs=4)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_preset_asks_for_is_in_the_keys(tiny, monkeypatch, change):
    def keys():
        tasks = study._tasks({"small": SMALL}, None, None, tiny)["small"]
        return {task_key(task, tiny) for task in tasks}

    before, preset = keys(), config.PRESETS["full"]
    monkeypatch.setitem(config.PRESETS, "full", replace(preset, **change))
    assert keys() < before if "seeds" in change else keys().isdisjoint(before)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """A store with two runs, their measures and the reader; what they gave; and of which kind each file is."""
    folder = tmp_path_factory.mktemp("finished") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAE_RUNS", str(folder))
        patch.setenv("CAE_WORKERS", "1")
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


def same_bits(arrays, others):
    return len(arrays) == len(others) > 0 and all(
        a.tobytes() == b.tobytes() for a, b in zip(arrays, others, strict=True)
    )


def damage(path, other, fault):
    content = bytearray(path.read_bytes())
    if fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "one bit":
        with zipfile.ZipFile(path) as file:
            largest = max(file.infolist(), key=lambda member: member.file_size)
        content[largest.header_offset + largest.file_size // 2 + 100] ^= 1
        path.write_bytes(content)
    elif fault == "swapped":
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)


@pytest.mark.parametrize("fault", ["truncated", "one bit", "swapped"])
@pytest.mark.parametrize("kind", ["run", "reader", "measures"])
def test_damage_is_found_set_aside_told_and_the_same_is_made_again(
    tiny, finished, tmp_path, kind, fault
):
    before, results, kinds = finished
    folder = shutil.copytree(before, tmp_path / "runs")
    keys = sorted(kinds, key=lambda key: kinds[key] != kind)  # of the kind first
    path, other = (folder / f"{key}.npz" for key in keys[:2])
    damage(path, other, fault)
    damaged = {path.stem, other.stem} if fault == "swapped" else {path.stem}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert same_bits(results, results_of(tiny))
    told = [each for each in caught if " is damaged (" in str(each.message)]
    assert len(told) == len(damaged)
    assert {path.stem for path in folder.glob("*.damaged")} == damaged
    assert all(Store().read(key) for key in damaged)
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("seconds", [0, 4e9], ids=["1970", "2096"])
def test_dates_of_the_store_decide_nothing(
    tiny, finished, tmp_path, monkeypatch, seconds
):
    """As after the clock was set back, or the store copied."""
    folder = shutil.copytree(finished[0], tmp_path / "runs")
    rows = report(Store(), tiny)
    for path in folder.iterdir():
        os.utime(path, (seconds, seconds))
    rest = "cae_keras.study.complete._Rest"
    monkeypatch.setattr(rest, lambda missing, *_: pytest.fail(str(missing)))
    assert same_bits(finished[1], results_of(tiny))
    assert report(Store(), tiny) == rows
    assert rows[0]["bce"] is not None

"""The table of what is in the store."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from cae_keras import CAEConfig, Recipe
from cae_keras.experiments import EXPERIMENTS
from cae_keras.measurements.reader import Reader
from cae_keras.study import keys
from cae_keras.study.keys import task_key
from cae_keras.study.report import COLUMNS, report
from cae_keras.study.store import Entry, Store
from cae_keras.study.study import measure, run
from cae_keras.study.tasks import Measuring, Training

RECIPE = Recipe(images=64, epochs=3)


@pytest.fixture
def kept(tmp_path, tiny):
    """A store with two runs which nobody has trained."""
    folder = Store()
    folder.folder.mkdir()
    history = {"val_loss": [0.3, 0.2], "loss": [0.4, 0.25], "seconds": [1.0, 2.5]}
    for config, seed in [
        (EXPERIMENTS["filters"].variants["wide"], 1),
        (CAEConfig(filters=(2, 3), latent_dim=5), 0),
    ]:
        task = Training(config, RECIPE, seed)
        entry = Entry(history, (np.full(3, float(seed)),), "cpu")
        folder.write(task_key(task, tiny), "run", task.asked(), entry)
    return folder


def test_a_row_says_what_was_asked_and_what_came_of_it(kept, tiny):
    own, wide = report(kept, tiny)
    assert (own["name"], own["filters"], own["latent_dim"]) == ("", "2-3", 5)
    assert wide == {
        "name": "wide", "filters": "32-64-128", "latent_dim": 32, "batch_norm": False,
        "activation": "relu", "images": 64, "epochs": 3, "peak_rate": 4e-3, "seed": 1,
        "val_bce": 0.2, "seconds": 3.5, "device": "cpu", "valid": True, "history": wide["history"],
        **dict.fromkeys(COLUMNS),
    }  # fmt: skip
    assert wide["history"]["val_loss"] == [0.3, 0.2]
    assert json.loads(json.dumps([own, wide])) == [own, wide]


def test_a_run_of_other_images_or_other_code_is_not_valid(kept, tiny, monkeypatch):
    darker = replace(tiny, x_val=tiny.x_val // 2)
    assert [row["valid"] for row in report(kept, darker)] == [False, False]
    changed = keys.SOURCES["fast.py"] + "CHANGED = 1\n"
    monkeypatch.setitem(keys.SOURCES, "fast.py", changed)
    assert [row["valid"] for row in report(kept, tiny)] == [False, False]


def test_what_was_measured_stands_beside_the_run(tiny, monkeypatch):
    monkeypatch.setenv("CAE_WORKERS", "1")
    monkeypatch.setattr("cae_keras.study.study.reader_recipe", lambda _: RECIPE)
    config = CAEConfig(filters=(2, 2), latent_dim=2)
    runs = run({"mine": config}, recipe=RECIPE, seeds=(0, 1), data=tiny)
    measured = measure(runs, tiny)["mine"]
    rows = report(Store(), tiny)
    assert [row["seed"] for row in rows] == [0, 1]
    for name in COLUMNS:
        assert [row[name] for row in rows] == list(measured[name])


@pytest.mark.parametrize("latest", [0, 1])
def test_of_several_measures_of_a_run_the_latest_stand_beside_it(kept, tiny, latest):
    """By the time of the file, whatever its name: another reader has measured it anew."""
    task = Training(CAEConfig(filters=(2, 3), latent_dim=5), RECIPE, 0)
    of_run = task.result(kept.read(task_key(task, tiny)))
    for i in range(2):
        reader = Reader(RECIPE, i, {}, (np.full(1, float(i)),))
        task = Measuring(of_run, reader)
        key, entry = task_key(task, tiny), Entry({"bce": 0.1 + i, "read": 0.5}, ())
        kept.write(key, "measures", task.asked(), entry)
        seconds = 2_000 if i == latest else 1_000
        os.utime(kept.folder / f"{key}.npz", (seconds, seconds))
    own, wide = report(kept, tiny)
    assert (own["bce"], own["read"], own["mse"]) == (0.1 + latest, 0.5, None)
    assert wide["bce"] is None


def test_what_other_code_has_measured_is_not_reported(kept, tiny, monkeypatch):
    """Even if its file is the latest, as after the clock was set back."""
    task = Training(CAEConfig(filters=(2, 3), latent_dim=5), RECIPE, 0)
    of_run = task.result(kept.read(task_key(task, tiny)))
    measuring = Measuring(of_run, Reader(RECIPE, 0, {}, ()))
    changed = keys.SOURCES["metrics.py"] + "CHANGED = 1\n"
    for bce in (0.5, 99.0):
        with monkeypatch.context() as patch:
            if bce == 99:
                patch.setitem(keys.SOURCES, "metrics.py", changed)
            key = task_key(measuring, tiny)
        kept.write(key, "measures", measuring.asked(), Entry({"bce": bce}, ()))
        own, _ = report(kept, tiny)
        assert (own["valid"], own["bce"]) == (True, 0.5)


def test_a_run_of_another_version_is_left_out(kept, tiny):
    """It was asked for in words that this version does not know."""
    asked = Training(CAEConfig(), RECIPE, 0).asked()
    asked["config"]["pooling"] = "max"
    kept.write("0" * 32, "run", asked, Entry({}, ()))
    assert len(report(kept, tiny)) == 2

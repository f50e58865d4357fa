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
    own, wide = report(tiny)
    assert (own["name"], own["filters"], own["latent_dim"]) == ("", "2-3", 5)
    assert wide == {
        "name": "wide", "filters": "32-64-128", "latent_dim": 32, "batch_norm": False,
        "activation": "relu", "images": 64, "epochs": 3, "optimizer": "muon", "peak_rate": 6e-3,
        "seed": 1,
        "val_bce": 0.2, "seconds": 3.5, "device": "cpu", "valid": True, "history": wide["history"],
        **dict.fromkeys(COLUMNS),
    }  # fmt: skip
    assert wide["history"]["val_loss"] == [0.3, 0.2]
    assert json.loads(json.dumps([own, wide])) == [own, wide]


def test_a_run_of_other_images_or_other_code_is_not_valid(kept, tiny, monkeypatch):
    darker = replace(tiny, x_val=tiny.x_val // 2)
    assert [row["valid"] for row in report(darker)] == [False, False]
    changed = keys.SOURCES["fast.py"] + "CHANGED = 1\n"
    monkeypatch.setitem(keys.SOURCES, "fast.py", changed)
    assert [row["valid"] for row in report(tiny)] == [False, False]


@pytest.mark.parametrize("latest", [0, 1])
@pytest.mark.parametrize("other_code", [False, True])
def test_the_latest_measures_of_this_code_stand_beside_a_run(kept, tiny, monkeypatch, latest, other_code):  # fmt: skip
    """By the time of the file, whatever its name; here two readers, or two versions, have measured it."""
    task = Training(CAEConfig(filters=(2, 3), latent_dim=5), RECIPE, 0)
    of_run = task.result(kept.read(task_key(task, tiny)))
    changed = keys.SOURCES["metrics.py"] + "CHANGED = 1\n"
    for i in range(2):
        reader = Reader(RECIPE, i, {}, (np.full(1, float(i)),))
        task = Measuring(of_run, reader)
        with monkeypatch.context() as patch:
            if other_code and i:
                patch.setitem(keys.SOURCES, "metrics.py", changed)
            key = task_key(task, tiny)
        entry = Entry({"bce": 0.1 + i, "read": 0.5}, ())
        kept.write(key, "measures", task.asked(), entry)
        seconds = 2_000 if i == latest else 1_000
        os.utime(kept.folder / f"{key}.npz", (seconds, seconds))
    own, wide = report(tiny)
    expected = 0.1 if other_code else 0.1 + latest
    assert (own["bce"], own["read"], own["mse"]) == (expected, 0.5, None)
    assert (own["valid"], wide["bce"]) == (True, None)


def test_a_run_of_another_version_is_left_out(kept, tiny):
    """It was asked for in words that this version does not know."""
    asked = Training(CAEConfig(), RECIPE, 0).asked()
    asked["config"]["pooling"] = "max"
    kept.write("0" * 32, "run", asked, Entry({}, ()))
    assert len(report(tiny)) == 2

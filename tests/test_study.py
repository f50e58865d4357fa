"""The study: names and seeds in, runs and measures out, each trained and measured once.

What the store has is used again, whatever its date. Studies that are killed are in `test_long.py`.
"""

import os
from dataclasses import replace

import numpy as np
import pytest

from cae_keras import CAEConfig, Recipe, config, experiments
from cae_keras.config import Preset
from cae_keras.experiments import Experiment, configurations
from cae_keras.measurements.cost import cost
from cae_keras.measurements.reader import reader_recipe
from cae_keras.measurements.sharpness import sharpness
from cae_keras.metrics import quality
from cae_keras.study import study
from cae_keras.study.report import report
from cae_keras.study.store import Store
from cae_keras.study.study import is_trained, load_or_train_reader, measure, run
from cae_keras.study.tasks import Measuring, Reading, Training
from cae_keras.training import train

RECIPE = Recipe(images=64, epochs=3)
SMALL = CAEConfig(filters=(2, 2), latent_dim=2)
OTHER = CAEConfig(filters=(2, 3), latent_dim=2, batch_norm=True)


@pytest.fixture(autouse=True)
def small_build(monkeypatch):
    """A full build that takes a second, in this process."""
    monkeypatch.setitem(config.PRESETS, "full", Preset("full", RECIPE, (0, 1)))
    monkeypatch.setenv("CAE_WORKERS", "1")


@pytest.fixture
def done(monkeypatch):
    """Lists the tasks that are done."""
    tasks = []
    for kind in (Training, Reading, Measuring):

        def do(task, data, really=kind.do):
            tasks.append(task)
            return really(task, data)

        monkeypatch.setattr(kind, "do", do)
    return tasks


def assert_same(run, other):
    for a, b in zip(run.weights, other.weights, strict=True):
        assert a.tobytes() == b.tobytes()
    for name in ("loss", "val_loss", "learning_rate"):
        assert run.history[name] == other.history[name]


class TestRun:
    def test_each_variant_once_a_seed_and_never_again(self, tiny, done):
        runs = run({"small": SMALL, "other": OTHER, "same": SMALL}, data=tiny)
        assert {name: [r.seed for r in several] for name, several in runs.items()} == {
            "small": [0, 1], "other": [0, 1], "same": [0, 1],
        }  # fmt: skip
        assert len(done) == 4
        assert {(task.config, task.seed) for task in done} == {
            (SMALL, 0), (SMALL, 1), (OTHER, 0), (OTHER, 1),
        }  # fmt: skip
        again = run({"again": OTHER}, data=tiny)["again"]
        assert len(done) == 4
        for first, stored in zip(runs["other"], again, strict=True):
            assert (stored.config, stored.recipe) == (OTHER, RECIPE)
            assert_same(first, stored)

    def test_a_run_is_what_train_returns(self, tiny):
        (found,) = run({"mine": OTHER}, seeds=(3,), data=tiny)["mine"]
        assert_same(found, train(OTHER, RECIPE, 3, tiny))

    def test_names_stand_for_the_variants_of_experiments(self, tiny, monkeypatch):
        asked = []

        def complete(tasks, data):
            asked.extend(tasks)
            return [None] * len(tasks)

        monkeypatch.setattr(study, "complete", complete)
        monkeypatch.setattr(Training, "result", lambda task, entry: task)
        runs = run("depth", "filters", seeds=(7,), data=tiny)
        assert list(runs) == ["baseline", "three blocks", "narrow", "wide"]
        assert runs["wide"][0].config.filters == (32, 64, 128)
        widths = [sum(task.config.filters) for task in asked]
        assert widths == sorted(widths, reverse=True)  # so that none is left to the end
        asked.clear()
        assert run(data=tiny).keys() == configurations().keys()
        kinds = [type(task) for task in asked]
        assert kinds == [Training] * 2 * len(configurations()) + [Reading]

    def test_a_variant_may_bring_a_recipe_of_its_own(self, tiny, done):
        """The others are trained with that of the build, or with the one given; seeds may be given, too."""
        short, given = replace(RECIPE, epochs=1), replace(RECIPE, epochs=2)
        sweep = {"plain": SMALL, "short": (SMALL, short), "other": OTHER}
        runs = run(sweep, seeds=(0,), data=tiny)
        found = {name: (r.config, r.recipe) for name, (r,) in runs.items()}
        assert found == {
            "plain": (SMALL, RECIPE), "short": (SMALL, short), "other": (OTHER, RECIPE),
        }  # fmt: skip
        lengths = {name: len(r.history["loss"]) for name, (r,) in runs.items()}
        assert lengths == {"plain": 3, "short": 1, "other": 3}
        runs = run(sweep, recipe=given, seeds=(np.int64(0),), data=tiny)
        assert [r.recipe for (r,) in runs.values()] == [given, short, given]
        assert [task.recipe for task in done[3:]] == [given, given]

    def test_all_is_checked_before_any_training(self, tiny, done):
        """Other bad arguments are in `test_bad_input.py`."""
        sweep = {"fine": SMALL, "large": (SMALL, Recipe(images=301))}
        with pytest.raises(ValueError, match="images=301"):
            run(sweep, data=tiny)
        with pytest.raises(ValueError, match=r"seed=1\.5"):
            run({"fine": SMALL}, seeds=(0, 1.5), data=tiny)
        assert done == []


class TestWhatTheStoreHas:
    @pytest.fixture(autouse=True)
    def small_study(self, monkeypatch):
        variants = {"one": SMALL, "two": OTHER}
        search = Experiment("search", "size", "Which?", variants)
        monkeypatch.setitem(experiments.BEYOND, "search", search)

    def test_is_trained_tells_and_trains_nothing(self, tiny):
        assert not is_trained("search", data=tiny)
        assert not Store().folder.exists()
        run({"one": SMALL}, data=tiny)
        assert not is_trained("search", data=tiny)
        run("search", data=tiny)
        assert is_trained("search", data=tiny)
        assert not is_trained("search", data=tiny, seeds=(0, 1, 2))
        one, *_ = Store().folder.glob("*.npz")
        one.write_bytes(one.read_bytes()[:-100])
        with pytest.warns(UserWarning, match="damaged"):
            assert not is_trained("search", data=tiny)

    def test_the_reader_is_trained_once_by_the_budget_of_the_build(self, tiny, done):
        reader, again = (load_or_train_reader(data=tiny) for _ in range(2))
        assert done == [Reading(reader_recipe(RECIPE), 0)]
        assert np.array_equal(reader.read(tiny.x_test), again.read(tiny.x_test))
        assert again.history == reader.history


MEASURED = {
    "bce", "excess_bce", "mse", "psnr", "ssim", "sharpness", "read", "roughness",
    "last_gain", "epochs", "parameters", "all_parameters", "macs", "code_bytes", "seconds",
}  # fmt: skip


class TestMeasure:
    def test_all_that_its_docstring_names_one_value_a_seed(self, tiny):
        runs = run({"small": SMALL, "other": OTHER}, data=tiny)
        results = measure(runs, tiny)
        assert list(results) == ["small", "other"]
        for measured in results.values():
            assert set(measured) == MEASURED
            for values in measured.values():
                assert (values.shape, values.dtype) == ((2,), np.float64)
                assert np.isfinite(values).all()
        for name in MEASURED:
            assert f"`{name}`" in measure.__doc__

    def test_they_are_those_of_the_functions_on_the_test_images(self, tiny):
        (other,) = run({"other": OTHER}, seeds=(1,), data=tiny)["other"]
        reader = load_or_train_reader(data=tiny)
        found = measure({"other": [other]}, tiny)["other"]
        x_test, x_hat = tiny.x_test / np.float32(255), other.reconstruct(tiny.x_test)
        expected = {
            **quality(x_test, x_hat),
            **cost(OTHER),
            "sharpness": sharpness(x_test, x_hat),
            "read": np.mean(reader.read(x_hat) == tiny.y_test),
            "seconds": sum(other.history["seconds"]),
            "epochs": RECIPE.epochs,
        }
        assert MEASURED - set(expected) == {"roughness", "last_gain"}
        for name, value in expected.items():
            assert found[name][0] == pytest.approx(value, rel=1e-6), name

    def test_each_is_measured_once_and_again_on_other_images(self, tiny, done):
        runs = run({"small": SMALL}, data=tiny)
        first, kinds = measure(runs, tiny), [task.kind for task in done]
        assert sorted(kinds) == ["measures"] * 2 + ["reader"] + ["run"] * 2
        again = measure({"renamed": runs["small"]}, tiny)
        assert len(done) == len(kinds)
        for name in MEASURED:
            assert np.array_equal(first["small"][name], again["renamed"][name])
        inverted = measure(runs, replace(tiny, x_test=255 - tiny.x_test))["small"]
        assert (inverted["mse"] > first["small"]["mse"]).all()
        assert len(done) == len(kinds) + 2

    def test_on_the_validation_images_no_test_image_is_seen(self, tiny):
        runs = run({"one": SMALL}, data=tiny)
        tested = measure(runs, tiny)["one"]
        darker = replace(tiny, x_test=tiny.x_test // 2)
        found, again = (
            measure(runs, data, split="validation")["one"] for data in (tiny, darker)
        )
        as_test = replace(tiny, x_test=tiny.x_val, y_test=tiny.y_val)
        expected = measure(runs, as_test)["one"]
        for name in MEASURED:
            assert np.array_equal(found[name], expected[name])
            assert np.array_equal(found[name], again[name])
        assert not np.array_equal(found["bce"], tested["bce"])
        assert [row["bce"] for row in report(tiny)] == list(tested["bce"])


def test_without_data_it_is_mnist(tiny, monkeypatch):
    loaded = []
    monkeypatch.setattr(study, "load_mnist", lambda: loaded.append(1) or tiny)
    measure(run({"small": SMALL}, seeds=(0,)))
    assert len(loaded) >= 2


@pytest.mark.parametrize("seconds", [0, 4e9], ids=["1970", "2096"])
def test_dates_of_the_store_decide_nothing(tiny, done, seconds):
    """As after the clock was set back, or the store copied."""
    results = measure(run({"small": SMALL}, data=tiny), tiny)["small"]
    rows, before = report(tiny), len(done)
    for path in Store().folder.iterdir():
        os.utime(path, (seconds, seconds))
    again = measure(run({"small": SMALL}, data=tiny), tiny)["small"]
    assert all(np.array_equal(again[name], results[name]) for name in MEASURED)
    assert len(done) == before
    assert report(tiny) == rows
    assert rows[0]["bce"] is not None

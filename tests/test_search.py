"""The search: chosen on the validation images, and only the chosen sees the test images."""

from dataclasses import replace

import numpy as np
import pytest

from cae_keras import CAEConfig, Preset, Recipe, __main__, config, experiments
from cae_keras.__main__ import main
from cae_keras.compare.front import pca_errors
from cae_keras.experiments import Experiment
from cae_keras.study.report import report
from cae_keras.study.search import validate
from cae_keras.study.store import Store
from cae_keras.study.study import is_trained, measure, run

RECIPE = Recipe(images=64, epochs=3)
SMALL = CAEConfig(filters=(2, 2), latent_dim=2)
VARIANTS = {"one": SMALL, "two": replace(SMALL, latent_dim=3)}


@pytest.fixture(autouse=True)
def small_search(monkeypatch, tiny):
    monkeypatch.setitem(config.PRESETS, "full", Preset("full", RECIPE, (0, 1)))
    monkeypatch.setenv("CAE_WORKERS", "1")
    monkeypatch.setattr(__main__, "load_mnist", lambda: tiny)
    search = Experiment("search", "size", "Which?", VARIANTS)
    monkeypatch.setitem(experiments.BEYOND, "search", search)


def test_is_trained_tells_and_trains_nothing(tiny):
    assert not is_trained("search", data=tiny)
    assert not Store().folder.exists()
    run({"one": SMALL}, data=tiny)
    assert not is_trained("search", data=tiny)
    run("search", data=tiny)
    assert is_trained("search", data=tiny)
    assert not is_trained("search", data=tiny, seeds=(0, 1, 2))
    with pytest.raises(ValueError, match="experiment='serach'"):
        is_trained("serach", data=tiny)


def test_a_damaged_run_counts_as_missing(tiny):
    run("search", data=tiny)
    one, *_ = Store().folder.glob("*.npz")
    one.write_bytes(one.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="damaged"):
        assert not is_trained("search", data=tiny)


def test_validation_measures_what_the_test_would_on_the_other_images(tiny):
    runs = run({"one": SMALL}, data=tiny)
    darker = replace(tiny, x_test=tiny.x_test // 2)
    found = validate(runs, tiny)["one"]
    again = validate(runs, darker)["one"]
    on_validation = replace(tiny, x_test=tiny.x_val, y_test=tiny.y_val)
    expected = measure(runs, on_validation)["one"]
    assert set(found) == set(expected)
    for name in expected:
        assert np.array_equal(found[name], expected[name])
        assert np.array_equal(found[name], again[name])


def test_the_report_shows_test_figures_whatever_was_validated_later(tiny):
    runs = run({"one": SMALL}, data=tiny)
    measured = measure(runs, tiny)["one"]
    validate(runs, tiny)
    assert [row["bce"] for row in report(Store(), tiny)] == list(measured["bce"])


@pytest.mark.parametrize("chosen", ["two", None])
def test_the_command_measures_the_chosen_alone_on_test_images(
    capsys, monkeypatch, tiny, chosen
):
    seen = []

    def measured(runs, data):
        seen.extend(runs)
        return measure(runs, data)

    def floor(pca, images, configs):
        assert images is tiny.x_val
        return pca_errors(pca, images, configs)

    monkeypatch.setattr(__main__, "choose", lambda *_: chosen)
    monkeypatch.setattr(__main__, "pca_errors", floor)
    monkeypatch.setattr(__main__, "measure", measured)
    assert main(["train", "search"]) == 0
    out = capsys.readouterr().out
    assert seen == ([chosen] if chosen else [])
    assert out.count("validation BCE") == 1
    assert out.count("test BCE") == len(seen)
    if chosen is None:
        assert "none is chosen" in out
    else:
        assert "chosen on the validation images: two" in out

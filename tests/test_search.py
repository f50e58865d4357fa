"""The search of the command line: chosen on the validation images, and only the chosen sees the test images."""

from dataclasses import replace

import pytest

from cae_keras import CAEConfig, Recipe, __main__, config, experiments
from cae_keras.__main__ import main
from cae_keras.compare.front import pca_errors
from cae_keras.config import Preset
from cae_keras.experiments import Experiment
from cae_keras.study.study import measure

SMALL = CAEConfig(filters=(2, 2), latent_dim=2)
VARIANTS = {"one": SMALL, "two": replace(SMALL, latent_dim=3)}


@pytest.mark.parametrize("chosen", ["two", None])
def test_the_command_measures_the_chosen_alone_on_test_images(
    capsys, monkeypatch, tiny, chosen
):
    recipe, seen = Recipe(images=64, epochs=3), []
    monkeypatch.setitem(config.PRESETS, "full", Preset("full", recipe, (0, 1)))
    monkeypatch.setenv("CAE_WORKERS", "1")
    monkeypatch.setattr(__main__, "load_mnist", lambda: tiny)
    search = Experiment("search", "size", "Which?", VARIANTS)
    monkeypatch.setitem(experiments.BEYOND, "search", search)

    def measured(runs, data, **split):
        if split != {"split": "validation"}:
            seen.extend(runs)
        return measure(runs, data, **split)

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

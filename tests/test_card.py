"""The card says of a network what was measured, and of its files what they are."""

import re

import numpy as np
import pytest

from cae_keras.config import CAEConfig, Recipe
from cae_keras.deploy.card import save_model_card
from cae_keras.training import Run

HEADINGS = [  # of Mitchell et al. (2019); out-of-scope uses are theirs, under intended use
    "Model details", "Intended use", "Out-of-scope uses", "Factors", "Metrics", "Training data", "Evaluation data",
    "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip
MEASURED = {
    "mse": np.array([0.00782, 0.00766, 0.00765]), "excess_bce": np.array([0.02702, 0.0267, 0.0265]),
    "ssim": np.array([0.912, 0.9144, 0.915]), "read": np.array([0.9746, 0.975, 0.9745]),
}  # fmt: skip
FILES = {"a.keras": (280_205, 0.0851, 2.775), "a.onnx": (227_229, 0.0851, 0.046)}


@pytest.fixture
def card(tiny, tmp_path):
    config, recipe = CAEConfig((4, 6), latent_dim=3), Recipe(images=200, epochs=2)
    run = Run.untrained(config, recipe, seed=0)
    table = save_model_card(run, MEASURED, FILES, tiny, tmp_path / "card.md")
    return (tmp_path / "card.md").read_text("utf-8"), table


def test_it_has_the_usual_headings_each_with_something_to_say(card):
    text, table = card
    assert text.startswith("# Model card of a.keras, a.onnx\n")
    assert re.findall(r"^## (.*)$", text, re.M) == HEADINGS
    assert not re.search(r"[{}]|None|nan", text)
    assert [row[""] for row in table] == HEADINGS


def test_its_numbers_are_those_that_were_measured(card, tiny):
    text, _ = card
    for name, measure, digits, scale, unit in (
        ("MSE", "mse", 5, 1, ""), ("excess BCE", "excess_bce", 5, 1, ""), ("SSIM", "ssim", 4, 1, ""),
        ("accuracy", "read", 2, 100, "%"),
    ):  # fmt: skip
        found = scale * MEASURED[measure]
        mean, sd = f"{np.mean(found):.{digits}f}", f"{np.std(found, ddof=1):.{digits}f}"
        line = rf"^- {name}: {found[0]:.{digits}f}{unit} with seed 0.*\(n = 3\) {mean} ± {sd}{unit}\.$"
        assert re.search(line, text, re.M)
    assert f"{len(tiny.x_test):,} test images" in text
    assert "200 training images of MNIST, 2 epochs" in text


def test_it_names_each_file_with_its_size(card):
    text, _ = card
    for name, (size, bce, ms) in FILES.items():
        line = f"- {name}: {size:,} bytes, BCE {bce:.6f}, one image in {ms:.3g} ms."
        assert line in text


def test_the_table_says_what_the_file_says(card):
    text, table = card
    said = " ".join(" ".join(row.values()) for row in table)
    assert said.split() == re.sub(r"^# .*|^## |^- ", "", text, flags=re.M).split()

"""What other recipes gave: the book's keeps the rule by which it was chosen, and no other does."""

import re

import numpy as np

from cae_keras import Recipe, tried_recipes, turned
from cae_keras.compare.earlier import first_study
from cae_keras.experiments import EXPERIMENTS, configurations

NAMES = list(configurations(*EXPERIMENTS))


def keeps_the_rule(row):
    each = [row[name] for name in NAMES]
    if "" in each:
        return False
    return max(map(float, each)) <= 2 and float(row["all"]) <= 0 and float(row["time"]) <= 0.6  # fmt: skip


def test_one_recipe_of_those_that_were_tried_keeps_the_rule_and_it_is_the_books():
    (chosen,) = filter(keeps_the_rule, tried_recipes())
    recipe = Recipe()
    pattern = r"(\w+), (\d+) × ([\d.]+), (\d) seeds"
    optimizer, epochs, peak, seeds = re.fullmatch(pattern, chosen["recipe"]).groups()
    found = optimizer.lower(), int(epochs), float(peak)
    assert found == (recipe.optimizer, recipe.epochs, recipe.peak_learning_rate)
    assert int(seeds) >= 2


def test_the_first_study_has_all_that_was_measured_of_each_configuration():
    study = first_study()
    assert list(study) == NAMES
    assert {values.shape for each in study.values() for values in each.values()} == {(3,)}  # fmt: skip
    assert (study["baseline"]["epochs"] == 10).all()
    losses = [study[name]["excess_bce"].mean() for name in ("64 latents", "wide", "baseline", "2 latents")]  # fmt: skip
    assert losses == sorted(losses)


def test_a_verdict_that_turns_is_named_and_no_other():
    study = first_study()
    same = turned(study)
    assert re.fullmatch(
        r"By the first edition's recipe, ten epochs of Adam \(\d{4}-\d\d-\d\d\), the verdicts were the same\.",
        same,
    )
    noise = np.array([0.999, 1, 1.001])
    study["three blocks"]["excess_bce"] = 0.97 * noise * study["baseline"]["excess_bce"]
    assert turned(study, "depth").endswith(" claim 12 was undecided, here it holds.")
    assert turned(study, "filters").endswith(" the verdicts were the same.")

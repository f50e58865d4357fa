"""Sentences on results: their words follow from the interval, and turn when it does."""

import numpy as np
import pytest

from cae_keras import finding, say
from cae_keras.compare.comparison import QUANTITIES
from cae_keras.compare.statistics import Interval


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (6, 20, "rises:"),
        (1, 4.9, "rises, by less than 5 %:"),
        (-4.9, 4.9, "changes by less than 5 %, either way:"),
        (-5.1, 4.9, "may rise or fall:"),
        (-20, -6, "falls:"),
        (-4, -1, "falls, by less than 5 %:"),
        (-np.inf, np.inf, "may rise or fall:"),
        (0, 0, "stays as it is:"),
    ],
)
def test_the_words_are_those_of_the_interval(low, high, words):
    ends = np.log1p(np.clip([low, high], -99.9, np.inf) / 100)
    n = 3 if np.isfinite(high) else 1
    found = Interval(float(np.mean(ends)) if n > 1 else 0.0, *map(float, ends), n)
    assert finding(found, "It").startswith(f"It {words} ")


@pytest.mark.parametrize("measure", ["excess_bce", "ssim", "read", "psnr"])
def test_with_results_turned_round_the_sentence_turns(measure):
    of = {"baseline": np.array([0.5, 0.51, 0.49]), "wide": np.array([0.7, 0.71, 0.69])}
    results = {name: {measure: values} for name, values in of.items()}
    forth, back = (
        say(results, measure, "wide"),
        say(results, measure, "baseline", "wide"),
    )
    assert forth.startswith(
        f"From baseline to wide, {QUANTITIES[measure].label} rises: +"
    )
    assert back.startswith(
        f"From wide to baseline, {QUANTITIES[measure].label} falls: −"
    )

"""Tables say what was measured: mean ± standard deviation over seeds, in the form that fits the measure."""

import statistics

import numpy as np
import pytest

from cae_keras import COST, QUALITY, summary
from cae_keras.compare.comparison import QUANTITIES

MSE = (0.00341, 0.00337, 0.00345)


def row(measure, found):
    (only,) = summary({"baseline": {measure: np.array(found)}}, [measure])
    return only[QUANTITIES[measure].label]


def test_mean_and_sample_standard_deviation():
    mean, spread = statistics.mean(MSE), statistics.stdev(MSE)
    assert row("mse", MSE) == f"{mean:.5f} ± {spread:.5f}" == "0.00341 ± 0.00004"


@pytest.mark.parametrize(
    "measure, found, text",
    [
        ("read", [0.98, 0.99], "98.50 ± 0.71%"),
        ("psnr", [25.0, 26.0], "25.50 ± 0.71"),
        ("parameters", [137441, 137441], "137,441"),
        ("macs", [2461696.0], "2,461,696"),
        ("seconds", [251.4, 260.2], "256 ± 6"),
    ],
)
def test_each_measure_in_its_form(measure, found, text):
    assert row(measure, found) == text


def test_with_one_seed_there_is_no_spread():
    assert row("mse", MSE[:1]) == "0.00341"
    assert row("read", [0.5]) == "50.00%"


def test_one_row_a_configuration_in_the_order_of_the_results():
    results = {name: {"mse": [1.0], "ssim": [0.5]} for name in ("wide", "baseline")}
    rows = summary(results, ["ssim", "mse"])
    assert [list(found) for found in rows] == 2 * [["configuration", "SSIM", "MSE"]]
    assert [found["configuration"] for found in rows] == ["wide", "baseline"]


def test_the_two_choices_are_measures():
    assert {*QUALITY, *COST} <= QUANTITIES.keys()


def test_a_missing_measure_is_named():
    with pytest.raises(ValueError, match="measure='ssim'"):
        summary({"baseline": {"mse": [1.0]}}, ["ssim"])

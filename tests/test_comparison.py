"""Changes from the baseline: paired, in the right unit, and shown with the digits that are known."""

import math

import numpy as np
import pytest
from scipy import stats

from cae_keras.compare.comparison import (
    QUANTITIES,
    change,
    effects,
    estimate,
    values,
)
from cae_keras.compare.statistics import Interval
from cae_keras.compare.tables import differences
from cae_keras.compare.text import DECIBELS, PERCENT, PLAIN, POINTS, SHARE, TIMES, show


@pytest.fixture
def results():
    return {
        "narrow": {"mse": [4.4, 2.2, 1.1], "read": [0.90, 0.80, 0.70], "parameters": [50, 50, 50]},
        "baseline": {"mse": [4.0, 2.0, 1.0], "read": [0.95, 0.84, 0.75], "parameters": [100, 100, 100]},
        "wide": {"mse": [3.2, 1.7, 0.8], "read": [0.96, 0.86, 0.75], "parameters": [400, 400, 400]},
    }  # fmt: skip


class TestChange:
    def test_is_a_logarithm_of_a_ratio_or_a_difference(self, results):
        assert change(results, "mse", "narrow") == pytest.approx(3 * [math.log(1.1)])
        assert change(results, "read", "narrow") == pytest.approx([-0.05, -0.04, -0.05])
        assert change(results, "parameters", "wide", "narrow") == pytest.approx(
            3 * [math.log(8)]
        )

    @pytest.mark.parametrize("measure", ["mse", "read"])
    def test_effects_are_those_of_a_paired_t_test(self, results, measure):
        kept = (np.log if measure == "mse" else np.asarray)(results["wide"][measure])
        base = (np.log if measure == "mse" else np.asarray)(
            results["baseline"][measure]
        )
        expected = stats.ttest_rel(kept, base).confidence_interval()
        found = effects(results, measure)
        assert list(found) == ["narrow", "wide"]
        assert (found["wide"].low, found["wide"].high) == pytest.approx(tuple(expected))

    def test_effects_are_of_the_excess_bce(self):
        results = {
            "baseline": {"excess_bce": [1.0, 2.0]},
            "wide": {"excess_bce": [0.5, 1.0]},
        }
        assert effects(results)["wide"].mean == pytest.approx(-math.log(2))

    @pytest.mark.parametrize(
        "ask, message",
        [
            (("mse", "deep"), "configuration='deep'.*'narrow', 'baseline', 'wide'"),
            (("mse", "wide", "deep"), "configuration='deep'"),
            (("ssim", "wide"), "measure='ssim'.*'mse'"),
        ],
    )
    def test_names_what_is_missing(self, results, ask, message):
        with pytest.raises(ValueError, match=message):
            change(results, *ask)

    @pytest.mark.parametrize("measure", ["mse", "read"])
    def test_refuses_other_seeds(self, results, measure):
        results["wide"][measure] = results["wide"][measure][:1]
        with pytest.raises(ValueError, match="'wide' has 1 seeds, 'baseline' 3"):
            change(results, measure, "wide")

    def test_a_cost_must_not_depend_on_the_seed(self, results):
        results["wide"]["parameters"] = [400, 400, 401]
        with pytest.raises(ValueError, match=r"parameters of 'wide' is \[400"):
            values(results, "wide", "parameters")

    def test_every_measure_has_its_place(self):
        assert set(QUANTITIES) == {
            "bce", "excess_bce", "mse", "psnr", "ssim", "read", "sharpness", "roughness", "last_gain",
            "seconds", "parameters", "all_parameters", "macs", "code_bytes",
            "compression", "saved_bytes", "encode", "decode", "both", "throughput", "memory", "batch_memory",
        }  # fmt: skip
        assert {name for name, measure in QUANTITIES.items() if measure.exact} == {
            "parameters", "all_parameters", "macs", "code_bytes", "compression", "saved_bytes",
        }  # fmt: skip


def test_units():
    doubled = np.log([2.0, 2.0])
    for unit, values_, expected in (
        (PERCENT, doubled, 100), (TIMES, doubled, 2), (POINTS, [0.02, 0.02], 2), (SHARE, [0.02, 0.02], 2),
        (DECIBELS, [2.0, 2.0], 2), (PLAIN, [2.0, 2.0], 2),
    ):  # fmt: skip
        found = estimate(values_, unit)
        assert (found.mean, found.low, found.high) == pytest.approx(3 * (expected,))
    one = estimate(np.log([2.0]), PERCENT)
    assert (one.mean, one.low, one.high) == (pytest.approx(100), -100, math.inf)
    assert estimate([0.5], PLAIN, exact=True) == Interval(0.5, 0.5, 0.5, 1)


@pytest.mark.parametrize(
    "found, unit, text",
    [
        (Interval(-12.26, -14.02, -10.5, 3), PERCENT, "−12.3 % (−14.0 to −10.5)"),
        (Interval(0.123456, 0.11, 0.137, 3), PLAIN, "+0.123 (+0.110 to +0.137)"),
        (Interval(4567.8, -1234.5, 45678.9, 2), PERCENT, "+4,568 % (−1,234 to +45,679)"),
        (Interval(-0.04, -5.0, 4.92, 3), POINTS, "0.0 points (−5.0 to +4.9)"),
        (Interval(1.9985, 1.9985, 1.9985, 3), TIMES, "×2.00"),
        (Interval(0.2794, 0.2794, 0.2794, 1), PERCENT, "+0.28 %"),
        (Interval(0.0, 0.0, 0.0, 3), PERCENT, "0 %"),
        (Interval(0.52, 0.41, 0.63, 3), SHARE, "0.52 % (0.41 to 0.63)"),
        (Interval(-1.5, -math.inf, math.inf, 1), DECIBELS, "−1.50 dB (one seed: no interval)"),
        (Interval(50.0, -100.0, math.inf, 2), PERCENT, "+50.0 % (−100.0 to ∞)"),
    ],
)  # fmt: skip
def test_shown_with_the_digits_that_are_known(found, unit, text):
    assert show(found, unit) == text


def test_differences_are_the_rows_of_a_table(results):
    rows = differences(results, ["mse", "read", "parameters"])
    assert [row["variant"] for row in rows] == ["narrow", "wide"]
    assert list(rows[0]) == ["variant", "MSE", "read right", "parameters"]
    # −0.05, −0.04, −0.05: mean −4.667 points, t s / √3 = 4.3027 · 0.57735 / 1.73205 = 1.434
    assert rows[0]["read right"] == "−4.7 points (−6.1 to −3.2)"
    assert (rows[0]["parameters"], rows[1]["parameters"]) == ("−50.0 %", "+300 %")

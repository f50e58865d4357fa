"""Changes from the baseline: paired, in the right unit, and shown with the digits that are known."""

import math

import pytest

from cae_keras import PERCENT, TIMES, as_text, change, effects
from cae_keras.compare.statistics import Interval
from cae_keras.compare.text import DECIBELS, PLAIN, POINTS, SHARE


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
        assert list(effects(results, "mse")) == ["narrow", "wide"]

    @pytest.mark.parametrize("measure, found, message", [
        ("read", [0.9], "'wide' has 1 seeds, 'baseline' 3: they must have the same"),
        ("parameters", [400, 400, 401], r"parameters of 'wide' is \[400.* must not depend on the seed"),
    ])  # fmt: skip
    def test_refuses_other_seeds_and_a_cost_that_depends_on_them(self, results, measure, found, message):  # fmt: skip
        results["wide"][measure] = found
        with pytest.raises(ValueError, match=message):
            change(results, measure, "wide")


@pytest.mark.parametrize(
    "found, unit, text",
    [
        ((-12.26, -14.02, -10.5, 3), PERCENT, "−12.3 % (−14.0 to −10.5)"),
        ((0.123456, 0.11, 0.137, 3), PLAIN, "+0.123 (+0.110 to +0.137)"),
        ((4567.8, -1234.5, 45678.9, 2), PLAIN, "+4,568 (−1,234 to +45,679)"),
        ((-0.0004, -0.05, 0.0492, 3), POINTS, "0.0 points (−5.0 to +4.9)"),
        ((99.85, 99.85, 99.85, 3), TIMES, "×2.00"),
        ((0.2794, 0.2794, 0.2794, 1), PERCENT, "+0.28 %"),
        ((0.0, 0.0, 0.0, 3), PERCENT, "0 %"),
        ((0.0052, 0.0041, 0.0063, 3), SHARE, "0.52 % (0.41 to 0.63)"),
        ((-1.5, -math.inf, math.inf, 1), DECIBELS, "−1.50 dB (one seed: no interval)"),
        ((50.0, -100.0, math.inf, 2), PERCENT, "+50.0 % (−100.0 to ∞)"),
        ((39.0, -83.0, 4_070_096.0, 2), PERCENT, "+39 % (−83 to over +100,000)"),
    ],
)  # fmt: skip
def test_shown_with_the_digits_that_are_known(found, unit, text):
    *found, n = found
    if unit in (PERCENT, TIMES):
        found = [math.log1p(x / 100) if x > -100 else -math.inf for x in found]
    assert as_text(Interval(*found, n), unit) == text

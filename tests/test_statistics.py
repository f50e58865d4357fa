"""The statistics against scipy, a textbook's data, published tables and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from cae_keras import as_percent, interval, judge, smallest_detectable
from cae_keras.compare.statistics import Interval

# Student (1908): hours of sleep gained by ten patients with two drugs; `sleep` in R
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


class TestInterval:
    def test_is_that_of_students_sleep_data(self):
        """R: t.test(extra ~ group, data = sleep, paired = TRUE) prints these figures."""
        found = interval(SLEEP_1 - SLEEP_2)
        assert (found.mean, found.n) == (pytest.approx(-1.58), 10)
        assert found.low == pytest.approx(-2.4598858, abs=1e-7)
        assert found.high == pytest.approx(-0.7001142, abs=1e-7)

    @pytest.mark.parametrize("n", [2, 3, 5, 40])
    def test_is_that_of_scipys_paired_test(self, n):
        first, second = np.random.default_rng(n).normal(size=(2, n))
        expected = stats.ttest_rel(first, second).confidence_interval()
        found = interval(first - second)
        assert (found.low, found.high) == pytest.approx(tuple(expected))
        assert found.mean == pytest.approx(np.mean(first) - np.mean(second))

    def test_one_seed_has_none_and_seeds_that_agree_leave_a_point(self):
        assert interval([0.25]) == Interval(0.25, -math.inf, math.inf, 1)
        found = interval(np.float32([0.5, 0.5, 0.5]))
        assert found == Interval(0.5, 0.5, 0.5, 3)
        assert {type(x) for x in (found.mean, found.low)} == {float}  # can be glued


def test_in_percent():
    assert as_percent(np.log([2.0, 1.0, 0.5])) == pytest.approx([100, 0, -50])
    assert (as_percent(-math.inf), as_percent(math.inf)) == (-100, math.inf)
    assert as_percent(1e4) == math.inf  # and no warning
    assert type(as_percent(np.float64(0.1))) is float


class TestJudge:
    @pytest.mark.parametrize("low, high, word", [
        (-math.inf, 4, "holds"), (0, math.inf, "holds"), (0, 4, "holds"),
        (-math.inf, 0, "fails"), (4, math.inf, "fails"), (4, 9, "fails"),
        (-math.inf, 2, "undecided"), (2, math.inf, "undecided"),
        (1.5, 2.5, "undecided"),  # the interval is wider than the claim
        (3, math.inf, "fails"), (-math.inf, 1, "fails"),  # they touch at a bound, which the claim excludes
        (1, math.inf, "undecided"), (-math.inf, 3, "undecided"),
    ])  # fmt: skip
    def test_an_interval_from_1_to_3(self, low, high, word):
        assert judge(Interval(2.0, 1.0, 3.0, 3), low, high) == word

    @pytest.mark.parametrize("low, high, word", [(1, 3, "holds"), (2, 3, "fails"), (1, 2, "fails"), (3, 4, "fails")])  # fmt: skip
    def test_a_point_is_never_undecided(self, low, high, word):
        assert judge(Interval(2.0, 2.0, 2.0, 1), low, high) == word


class TestSmallestDetectable:
    def test_is_as_published(self):
        """G*Power 3.1 manual, matched pairs: dz = 0.5 and n = 34 have the power 0.8077775."""
        assert smallest_detectable(1, 34, power=0.8077775) == pytest.approx(
            0.5, abs=1e-6
        )

    @pytest.mark.parametrize("n", [2, 3, 5])
    def test_is_found_as_often_as_it_says(self, n):
        rng, true = np.random.default_rng(n), smallest_detectable(2.0, n, power=0.7)
        samples = rng.normal(true, 2.0, (20_000, n))
        found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
        assert found.mean() == pytest.approx(0.7, abs=0.015)

    def test_its_limits(self):
        assert smallest_detectable(1.0, 4, power=0.0501) < 0.05  # the power of chance
        assert smallest_detectable(3.0, 3) == pytest.approx(3 * smallest_detectable(1, 3))  # fmt: skip
        assert smallest_detectable(1.0, 1) == math.inf
        assert smallest_detectable(0.0, 3) == 0

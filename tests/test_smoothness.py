"""Curves whose roughness and last gain are known without a program."""

import math

import numpy as np
import pytest

from cae_keras.measurements.curves import last_gain, roughness

FLOOR = 0.058


def curve(logarithms):
    return [FLOOR + math.exp(value) for value in logarithms]


class TestRoughness:
    @pytest.mark.parametrize("rate", [0.5, 0.9, 1.0, 1.1])
    def test_a_constant_rate_is_smooth(self, rate):
        losses = [FLOOR + 0.1 * rate**epoch for epoch in range(10)]
        assert roughness(losses, FLOOR) == pytest.approx(0, abs=1e-9)

    def test_a_zigzag_has_four_times_its_height(self):
        """ln excess ± a in turn: each second difference is ± 4a."""
        losses = curve(0.05 * (-1) ** epoch for epoch in range(10))
        assert roughness(losses, FLOOR) == pytest.approx(0.2)

    def test_against_plain_loops(self):
        losses = [0.11, 0.09, 0.085, 0.087, 0.08]
        y = [math.log(loss - FLOOR) for loss in losses]
        squares = [(y[i] - 2 * y[i + 1] + y[i + 2]) ** 2 for i in range(3)]
        assert roughness(losses, FLOOR) == pytest.approx(math.sqrt(sum(squares) / 3))

    def test_it_measures_a_bend_too(self):
        """As its docstring warns: no jump, and yet it is not zero."""
        assert roughness(curve([0, -2, -2.1, -2.2, -2.3]), FLOOR) == pytest.approx(
            1.9 / math.sqrt(3)
        )

    def test_neither_unit_nor_trend_matters(self):
        y = np.random.default_rng(0).normal(size=10)
        tilted = 3 - 0.2 * np.arange(10) + y
        assert roughness(curve(tilted), FLOOR) == pytest.approx(
            roughness(curve(y), FLOOR)
        )

    def test_two_epochs_are_too_few(self):
        with pytest.raises(ValueError, match=r"losses has shape \(2,\).* at least 3"):
            roughness([0.2, 0.1], FLOOR)


class TestLastGain:
    def test_the_share_that_is_gone(self):
        assert last_gain([0.9, FLOOR + 0.04, FLOOR + 0.03], FLOOR) == pytest.approx(
            0.25
        )

    def test_a_rise_is_negative(self):
        assert last_gain([FLOOR + 0.04, FLOOR + 0.05], FLOOR) == pytest.approx(-0.25)

    def test_one_epoch_is_too_few(self):
        with pytest.raises(ValueError, match=r"losses has shape \(1,\).* at least 2"):
            last_gain([0.1], FLOOR)


@pytest.mark.parametrize("measure", [roughness, last_gain])
class TestBoth:
    @pytest.mark.parametrize("bad", [FLOOR, 0.01, math.nan, math.inf])
    def test_losses_must_lie_above_the_floor(self, measure, bad):
        with pytest.raises(ValueError, match=r"finite and above the floor, 0\.058"):
            measure([0.1, bad, 0.09], FLOOR)

    def test_one_curve_at_a_time(self, measure):
        with pytest.raises(ValueError, match=r"losses has shape \(3, 2\)"):
            measure(np.ones((3, 2)), FLOOR)

    def test_a_plain_float(self, measure):
        assert type(measure((0.2, 0.1, 0.09), FLOOR)) is float

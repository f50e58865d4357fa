"""Curves whose roughness and last gain are known without a program."""

import math

import numpy as np
import pytest

from cae_keras.measurements.curves import last_gain, roughness

FLOOR = 0.058


def curve(logarithms):
    return [FLOOR + math.exp(value) for value in logarithms]


class TestRoughness:
    @pytest.mark.parametrize("rate", [0.5, 1.0, 1.1])
    def test_a_constant_rate_is_smooth(self, rate):
        losses = [FLOOR + 0.1 * rate**epoch for epoch in range(10)]
        assert roughness(losses, FLOOR) == pytest.approx(0, abs=1e-9)

    def test_a_zigzag_has_four_times_its_height(self):
        """ln excess ± a in turn: each second difference is ± 4a."""
        losses = curve(0.05 * (-1) ** epoch for epoch in range(10))
        assert roughness(losses, FLOOR) == pytest.approx(0.2)

    def test_it_measures_a_bend_too(self):
        """As its docstring warns: no jump, and yet it is not zero."""
        losses = curve([0, -2, -2.1, -2.2, -2.3])
        assert roughness(losses, FLOOR) == pytest.approx(1.9 / math.sqrt(3))

    def test_neither_unit_nor_trend_matters(self):
        y = np.random.default_rng(0).normal(size=10)
        plain, tilted = curve(y), curve(3 - 0.2 * np.arange(10) + y)
        assert roughness(tilted, FLOOR) == pytest.approx(roughness(plain, FLOOR))


@pytest.mark.parametrize("last, gain", [(0.03, 0.25), (0.04, 0), (0.05, -0.25)])
def test_last_gain_is_the_share_that_is_gone_since_the_last_epoch_began(last, gain):
    losses = [0.9, FLOOR + 0.04, 0.8, FLOOR + last]
    assert last_gain(losses, FLOOR, [0.5, 1, 1.5, 2]) == pytest.approx(gain)
    halves = curve([-1, -2, -4, math.log(last)])
    share = 1 - last / math.exp(-3)  # the last epoch began between the second and third
    assert last_gain(halves, FLOOR, [0.2, 0.6, 0.8, 1.7]) == pytest.approx(share)
    whole = 1 - last * math.e  # there is no other epoch
    assert last_gain(halves, FLOOR, [0.7, 0.8, 0.9, 1]) == pytest.approx(whole)

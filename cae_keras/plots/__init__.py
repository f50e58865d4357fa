"""Curves, points and intervals of results: arrays in, a `Figure` out. Draws only."""

from cae_keras.plots.inside import kernels, latent_map
from cae_keras.plots.intervals import forest
from cae_keras.plots.lines import (
    bars,
    curves,
    error_by_size,
    latent_use,
    loss_curves,
    measured_and_expected,
)
from cae_keras.plots.points import quality_by_cost, sweep

__all__ = [
    "bars", "curves", "error_by_size", "forest", "kernels", "latent_map", "latent_use",
    "loss_curves", "measured_and_expected", "quality_by_cost", "sweep",
]  # fmt: skip

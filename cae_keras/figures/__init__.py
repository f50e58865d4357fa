"""Figures: arrays in, a `Figure` with its alternative text out. Draws only."""

from cae_keras.figures.inside import kernels, latent_map, opposing_pairs
from cae_keras.figures.intervals import forest, interaction_map
from cae_keras.figures.lines import (
    curves,
    error_by_size,
    latent_use,
    loss_curves,
)
from cae_keras.figures.pictures import card, digits, overview, reconstructions, rows
from cae_keras.figures.points import fronts, quality_by_cost, sweep

__all__ = [
    "card", "curves", "digits", "error_by_size", "forest", "fronts",
    "interaction_map", "kernels", "latent_map", "latent_use", "loss_curves",
    "opposing_pairs", "overview", "quality_by_cost", "reconstructions", "rows", "sweep",
]  # fmt: skip

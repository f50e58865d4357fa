"""Costs against formulas written out by hand, for every configuration of the study."""

import pytest

from cae_keras.experiments import configurations
from cae_keras.measurements.cost import cost

CHAIN = [(14, 4), (7, 4), (4, 3), (2, 4)]  # smaller side, kernel


def strided(config):
    """Yields (side of the smaller map, kernel, inputs, filters) of each strided convolution of the encoder."""
    inputs = 1
    for (side, kernel), filters in zip(CHAIN, config.filters, strict=False):
        yield side, kernel, inputs, filters
        inputs = filters


def parameters_by_hand(config):
    """Returns the weights of convolutions and dense layers, and the filters that batch normalisation works on."""
    convolutions = normalised = 0
    for _, kernel, inputs, filters in strided(config):
        weights = kernel**2 * inputs * filters
        convolutions += (weights + filters) + (weights + inputs)  # and its mirror image
        normalised += filters + (inputs if inputs > 1 else 0)  # all but the last one
    flat = CHAIN[config.depth][0] ** 2 * config.filters[-1]
    dense = (flat + 1) * config.latent_dim + (config.latent_dim + 1) * flat
    return convolutions + dense, normalised if config.batch_norm else 0


def macs_by_hand(config):
    """A convolution works once for each position of the smaller map, and its mirror image, a transposed one, too."""
    convolutions = sum(
        2 * side**2 * kernel**2 * inputs * filters
        for side, kernel, inputs, filters in strided(config)
    )
    flat = CHAIN[config.depth][0] ** 2 * config.filters[-1]
    return convolutions + 2 * flat * config.latent_dim


@pytest.mark.parametrize("name, config", configurations().items())
def test_against_the_formulas(name, config):
    weights, normalised = parameters_by_hand(config)
    costs = cost(config)
    assert costs == {
        "parameters": weights + 2 * normalised,  # γ and β
        "all_parameters": weights + 4 * normalised,  # and two moving statistics
        "macs": macs_by_hand(config),
        "code_bytes": 4 * config.latent_dim,
    }
    assert {type(value) for value in costs.values()} == {int}  # so that a page can glue

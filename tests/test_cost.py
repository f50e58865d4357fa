"""Costs against formulas written out by hand, for every configuration of the study."""

import math

import pytest
import torch

from cae_keras.config import CAEConfig
from cae_keras.measurements.cost import cost
from cae_keras.models import build_autoencoder

STUDY = {
    "baseline": CAEConfig(),
    "narrow": CAEConfig(filters=(16, 32, 32)),
    "wide": CAEConfig(filters=(32, 64, 128)),
    "2 latents": CAEConfig(latent_dim=2),
    "8 latents": CAEConfig(latent_dim=8),
    "64 latents": CAEConfig(latent_dim=64),
    "batch norm": CAEConfig(batch_norm=True),
    "Leaky ReLU": CAEConfig(activation="leaky_relu"),
    "three blocks": CAEConfig(filters=(32, 32, 64, 64)),
    "trade-off": CAEConfig(
        filters=(16, 32, 32), latent_dim=16, batch_norm=True, activation="leaky_relu"
    ),
}
CHAIN = [(28, 14, 4), (14, 7, 4), (7, 4, 3), (4, 2, 4)]  # larger side, smaller, kernel


def layers_of(config):
    """Yields (side of the smaller map, kernel, inputs, filters) of each strided convolution of the encoder."""
    inputs = 1
    for (_, smaller, kernel), filters in zip(CHAIN, config.filters, strict=False):
        yield smaller, kernel, inputs, filters
        inputs = filters


def parameters_by_hand(config):
    convolutions = normalised = 0
    for _, kernel, inputs, filters in layers_of(config):
        weights = kernel**2 * inputs * filters
        convolutions += (weights + filters) + (weights + inputs)  # and its mirror image
        normalised += filters + (inputs if inputs > 1 else 0)  # all but the last one
    flat = CHAIN[config.depth][1] ** 2 * config.filters[-1]
    dense = (flat + 1) * config.latent_dim + (config.latent_dim + 1) * flat
    return convolutions + dense, normalised if config.batch_norm else 0


def macs_by_hand(config):
    """A convolution works once for each position of the smaller map, and its mirror image, a transposed one, too."""
    convolutions = sum(
        2 * smaller**2 * kernel**2 * inputs * filters
        for smaller, kernel, inputs, filters in layers_of(config)
    )
    flat = CHAIN[config.depth][1] ** 2 * config.filters[-1]
    return convolutions + 2 * flat * config.latent_dim


@pytest.mark.parametrize("name", STUDY)
def test_against_the_formulas(name):
    weights, normalised = parameters_by_hand(STUDY[name])
    assert cost(STUDY[name]) == {
        "parameters": weights + 2 * normalised,  # γ and β
        "all_parameters": weights + 4 * normalised,  # and two moving statistics
        "macs": macs_by_hand(STUDY[name]),
        "code_bytes": 4 * STUDY[name].latent_dim,
    }


def test_as_published():
    assert cost(STUDY["baseline"])["parameters"] == 137_441
    assert cost(STUDY["baseline"])["all_parameters"] == 137_441
    assert cost(STUDY["narrow"])["parameters"] == 68_769


def test_batch_norm_adds_two_numbers_a_filter_that_learn_and_two_that_do_not():
    plain, normalised = cost(STUDY["baseline"]), cost(STUDY["batch norm"])
    assert normalised["parameters"] - plain["parameters"] == 384
    assert normalised["all_parameters"] - plain["all_parameters"] == 768
    assert normalised["macs"] == plain["macs"]  # it can be folded away


def test_multiplications_counted_one_by_one():
    """Every product of an output channel's transposed convolution, by the inputs' shapes as torch sees them."""
    seen = []

    def multiply_accumulates(function):
        def counted(inputs, weight, *arguments, **keywords):
            seen.append(math.prod(inputs.shape[2:]) * weight.numel())
            return function(inputs, weight, *arguments, **keywords)

        return counted

    config = CAEConfig(filters=(3, 5), latent_dim=2)
    decoder = build_autoencoder(config).get_layer("decoder")
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        name = "conv_transpose2d"
        patch.setattr(
            torch.nn.functional,
            name,
            multiply_accumulates(getattr(torch.nn.functional, name)),
        )
        decoder(torch.zeros((1, 2)), training=False)
    assert seen == [7**2 * 4**2 * 5 * 3]
    last = 14**2 * 3 * (4**2 * 1)  # a matrix product: positions × channels × painted
    dense = 2 * 7 * 7 * 5 * 2
    encoder = 14**2 * 4**2 * 1 * 3 + 7**2 * 4**2 * 3 * 5
    assert cost(config)["macs"] == encoder + dense + sum(seen) + last


def test_what_a_caller_does_to_the_answer_changes_no_other_answer():
    cost(STUDY["baseline"])["macs"] = 0
    assert cost(STUDY["baseline"])["macs"] > 0


def test_plain_integers():
    """A numpy integer would print an empty number where a page glues it."""
    assert {type(value) for value in cost(CAEConfig()).values()} == {int}

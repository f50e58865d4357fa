"""Each probe against another way to the same answer: gradients, filters killed on purpose, levels counted."""

import numpy as np
import pytest
import torch
from keras import layers

from cae_keras.config import CAEConfig
from cae_keras.measurements import probes
from cae_keras.measurements.probes import dead_units, quantise, receptive_field
from cae_keras.models import build_encoder
from cae_keras.training import Run

DEEPEST = CAEConfig(filters=(2, 2, 2, 2))


def pixels_seen(image, unit):
    """Returns the rows of an image `(height, width, 1)` that a unit has a gradient for."""
    gradient = torch.autograd.grad(unit, image, retain_graph=True)[0]
    return torch.nonzero(gradient.squeeze().sum(dim=1)).ravel().tolist()


class TestReceptiveField:
    def test_against_gradients(self):
        """The encoder's own kernels and strides, on an image large enough for two units in its middle."""
        x = image = torch.zeros((1, 1, 256, 256), requires_grad=True)
        convolutions = [
            layer
            for layer in build_encoder(DEEPEST).layers
            if isinstance(layer, layers.Conv2D)
        ]
        for layer, field in zip(convolutions, receptive_field(DEEPEST), strict=True):
            ones = torch.ones((1, 1, *layer.kernel_size))
            x = torch.nn.functional.conv2d(x, ones, stride=layer.strides)
            middle = x.shape[-1] // 2
            first, second = (
                pixels_seen(image, x[0, 0, middle + i, middle]) for i in (0, 1)
            )
            assert layer.name == field.layer
            assert len(first) == len(second) == field.side
            assert second[0] - first[0] == field.jump


class TestDeadUnits:
    @pytest.fixture(params=["relu", "leaky_relu"])
    def run(self, request):
        return Run.untrained(CAEConfig((4, 6, 3), 5, True, request.param))

    def test_every_activation_once_with_all_its_filters(self, run, tiny):
        kind = run.config.activation
        counted = dead_units(run, tiny.x_test)
        assert {name: filters for name, (_, filters) in counted.items()} == {
            f"conv0_{kind}": 4, f"conv1_{kind}": 6, f"conv2_{kind}": 3,
            f"conv2_transpose_{kind}": 6, f"conv1_transpose_{kind}": 4,
        }  # fmt: skip

    @pytest.mark.parametrize("name", ["conv1", "conv2_transpose"])
    def test_filters_killed_on_purpose_are_found(self, run, tiny, name):
        part = "decoder" if "transpose" in name else "encoder"
        norm = run.autoencoder.get_layer(part).get_layer(f"{name}_norm")
        gamma, beta, *moving = norm.get_weights()
        for dead, shift in ((0, 10), (2, 0.5)):  # by lines that are never positive
            gamma[:dead], beta[:dead] = 0, -1
            gamma[dead:], beta[dead:] = 1, shift
            norm.set_weights([gamma, beta, *moving])
            counted = dead_units(run, tiny.x_test)[f"{name}_{run.config.activation}"]
            assert counted == (dead, 6)

    @pytest.mark.parametrize("alive", [0, 4, 6])
    def test_one_image_in_any_block_brings_a_filter_to_life(self, monkeypatch, alive):
        run = Run.untrained(CAEConfig(filters=(4,), latent_dim=3))
        conv = run.autoencoder.get_layer("encoder").get_layer("conv0")
        conv.set_weights([np.ones((4, 4, 1, 4)), np.full(4, -0.5)])
        images = np.zeros((7, 28, 28, 1), np.uint8)
        monkeypatch.setattr(probes, "BLOCK", 3)
        assert dead_units(run, images) == {
            "conv0_relu": (4, 4)
        }  # and none in the decoder
        images[alive, 27, 0] = 255  # at the border
        assert dead_units(run, images) == {"conv0_relu": (0, 4)}


class TestQuantise:
    @pytest.fixture
    def latents(self):
        return np.random.default_rng(0).uniform(-1, [1, 10, 0], (500, 3))

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_as_many_even_levels_as_the_bits_can_name(self, latents, bits):
        quantised = quantise(latents, bits)
        for end in (np.min, np.max):
            assert end(quantised, axis=0) == pytest.approx(
                end(latents, axis=0), rel=1e-6
            )
        for column in quantised.T:
            levels = np.unique(column)
            assert len(levels) == 2**bits
            assert np.diff(levels) == pytest.approx(
                np.ptp(column) / (2**bits - 1), 1e-4
            )

    @pytest.mark.parametrize("bits", [1, 3, 8, 16])
    def test_nobody_moves_further_than_half_a_step(self, latents, bits):
        step = np.ptp(latents, axis=0) / (2**bits - 1)
        moved = np.abs(quantise(latents, bits) - latents).max(axis=0)
        assert (moved <= step / 2 + 1e-6).all()
        if bits < 8:  # else the images are too few to come near
            assert (moved > step / 3).all()

    def test_a_latent_that_never_changes_stays(self):
        assert (quantise(np.full((4, 2), 0.25), 1) == 0.25).all()

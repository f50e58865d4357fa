"""Each probe against another way to the same answer: gradients, filters killed on purpose, levels counted."""

import numpy as np
import pytest
import torch
from keras import layers

from cae_keras.config import CAEConfig
from cae_keras.images import to_float
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
    def test_by_hand(self):
        """Kernels 4, 4, 3, 4 with jumps 1, 2, 4, 8: 1 + 3·1, + 3·2, + 2·4, + 3·8."""
        assert receptive_field(DEEPEST) == (
            ("conv0", 4, 2), ("conv1", 10, 4), ("conv2", 18, 8), ("conv3", 42, 16),
        )  # fmt: skip

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

    @pytest.mark.parametrize("unit", [1, 2])
    def test_against_gradients_of_the_encoder_itself(self, unit):
        """The middle units of the last map of the baseline see 18 of the 28 pixels, and lie 8 apart."""
        encoder = build_encoder(CAEConfig())
        encoder.set_weights([np.abs(w) + 0.01 for w in encoder.get_weights()])
        x = image = torch.ones((1, 28, 28, 1), requires_grad=True)
        for layer in encoder.layers[1:7]:  # up to the last activation
            x = layer(x)
        assert x.shape[1:3] == (4, 4)
        field = receptive_field(CAEConfig())[-1]
        start = unit * field.jump - 7  # 1 + 2 + 4 pixels of padding before it
        assert pixels_seen(image, x[0, unit, unit, 0]) == list(
            range(start, start + field.side)
        )


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

    def test_against_what_a_relu_returns(self, tiny):
        """A dead filter is one whose maps are 0 everywhere; here by other means, layer by layer."""
        run = Run.untrained(CAEConfig(filters=(8, 8), latent_dim=3))
        encoder = run.autoencoder.get_layer("encoder")
        kernel, _ = encoder.get_layer("conv1").get_weights()
        encoder.get_layer("conv1").set_weights([kernel, np.linspace(-0.6, 0, 8)])
        x = torch.as_tensor(to_float(tiny.x_test))
        with torch.no_grad():
            for layer in encoder.layers[1:5]:
                x = layer(x)
        silent = sum(not x[..., i].any() for i in range(8))
        assert 0 < silent < 8
        assert dead_units(run, tiny.x_test)["conv1_relu"] == (silent, 8)

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

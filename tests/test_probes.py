"""Each probe against another way to the same answer: gradients, filters killed on purpose, levels counted."""

import numpy as np
import pytest
import torch
from keras import layers

from cae_keras.config import CAEConfig, Recipe
from cae_keras.images import to_float
from cae_keras.measurements import probes
from cae_keras.measurements.probes import dead_units, quantise, receptive_field
from cae_keras.models import build_autoencoder, build_encoder
from cae_keras.training import Run

DEEPEST = CAEConfig(filters=(2, 2, 2, 2))


def untrained(config):
    weights = tuple(build_autoencoder(config).get_weights())
    return Run(config, Recipe(images=100), 0, {}, weights)


class TestReceptiveField:
    def test_by_hand(self):
        """Kernels 4, 4, 3, 4 with jumps 1, 2, 4, 8: 1 + 3·1, + 3·2, + 2·4, + 3·8."""
        assert receptive_field(DEEPEST) == (
            ("conv0", 4, 2), ("conv1", 10, 4), ("conv2", 18, 8), ("conv3", 42, 16),
        )  # fmt: skip

    def test_names_are_those_of_the_encoder(self):
        encoder = build_encoder(DEEPEST)
        strided = [x.name for x in encoder.layers if isinstance(x, layers.Conv2D)]
        assert [field.layer for field in receptive_field(DEEPEST)] == strided

    def test_against_gradients(self):
        """The encoder's own kernels and strides, on an image large enough for two units in its middle."""
        x = image = torch.zeros((1, 1, 256, 256), requires_grad=True)
        strided = [
            layer
            for layer in build_encoder(DEEPEST).layers
            if isinstance(layer, layers.Conv2D)
        ]
        for layer, field in zip(strided, receptive_field(DEEPEST), strict=True):
            ones = torch.ones((1, 1, *layer.kernel_size))
            x = torch.nn.functional.conv2d(x, ones, stride=layer.strides)
            middle = x.shape[-1] // 2
            first, second = (pixels_seen(image, x, middle + i) for i in (0, 1))
            assert len(first) == len(second) == field.side
            assert second[0] - first[0] == field.jump

    @pytest.mark.parametrize("unit", [1, 2])
    def test_against_gradients_of_the_encoder_itself(self, unit):
        """The middle units of the last map of the baseline see 18 of the 28 pixels, and lie 8 apart."""
        encoder = build_encoder(CAEConfig())
        encoder.set_weights([np.abs(w) + 0.01 for w in encoder.get_weights()])
        image = torch.ones((1, 28, 28, 1), requires_grad=True)
        x = image
        for layer in encoder.layers[1:7]:  # up to the last activation
            x = layer(x)
        assert x.shape[1:3] == (4, 4)
        field = receptive_field(CAEConfig())[-1]
        gradient = torch.autograd.grad(x[0, unit, unit, 0], image)[0][0, ..., 0]
        seen = torch.nonzero(gradient.sum(dim=1)).ravel().tolist()
        start = unit * field.jump - 7  # 1 + 2 + 4 pixels of padding before it
        assert seen == list(range(start, start + field.side))


def pixels_seen(image, x, unit):
    gradient = torch.autograd.grad(x[0, 0, unit, unit], image, retain_graph=True)[0]
    return torch.nonzero(gradient[0, 0].sum(dim=0)).ravel().tolist()


class TestDeadUnits:
    @pytest.fixture(params=["relu", "leaky_relu"])
    def run(self, request):
        config = CAEConfig(
            filters=(4, 6, 3), latent_dim=5, batch_norm=True, activation=request.param
        )
        return untrained(config)

    def test_every_activation_once_with_all_its_filters(self, run, tiny):
        counted = dead_units(run, tiny.x_test)
        kind = run.config.activation
        totals = [
            ("conv0", 4), ("conv1", 6), ("conv2", 3),
            ("conv2_transpose", 6), ("conv1_transpose", 4),
        ]  # fmt: skip
        assert [(name, total) for name, (_, total) in counted.items()] == [
            (f"{name}_{kind}", filters) for name, filters in totals
        ]

    @pytest.mark.parametrize("name", ["conv1", "conv2_transpose"])
    def test_filters_killed_on_purpose_are_found(self, run, tiny, name):
        before = dead_units(run, tiny.x_test)
        for part in ("encoder", "decoder"):
            for layer in run.autoencoder.get_layer(part).layers:
                if layer.name == f"{name}_norm":
                    gamma, beta, *moving = layer.get_weights()
                    gamma[:2], beta[:2] = 0, -1  # a line that is never positive
                    gamma[2:], beta[2:] = 1, 0.5
                    layer.set_weights([gamma, beta, *moving])
        key = f"{name}_{run.config.activation}"
        assert dead_units(run, tiny.x_test)[key] == (2, 6)
        assert before[key][0] < 2

    def test_against_what_a_relu_returns(self, tiny):
        """A dead filter is one whose maps are 0 everywhere; here by other means, layer by layer."""
        run = untrained(CAEConfig(filters=(8, 8), latent_dim=3))
        encoder = run.autoencoder.get_layer("encoder")
        kernel, bias = encoder.get_layer("conv1").get_weights()
        kernel[..., ::2] = -np.abs(kernel[..., ::2])  # inputs are never negative
        encoder.get_layer("conv1").set_weights([kernel, bias])
        x = torch.from_numpy(to_float(tiny.x_test))
        for name in ("conv0", "conv0_relu", "conv1", "conv1_relu"):
            x = encoder.get_layer(name)(x)
        silent = int((x.amax(dim=(0, 1, 2)) == 0).sum())
        assert silent >= 4
        assert dead_units(run, tiny.x_test)["conv1_relu"] == (silent, 8)

    def test_one_image_in_any_block_brings_a_filter_to_life(self, tiny, monkeypatch):
        run = untrained(CAEConfig(filters=(4,), latent_dim=3))
        conv = run.autoencoder.get_layer("encoder").get_layer("conv0")
        conv.set_weights([np.ones((4, 4, 1, 4)), np.full(4, -0.5)])
        black = np.zeros((7, 28, 28, 1), np.uint8)
        monkeypatch.setattr(probes, "BLOCK", 3)
        assert dead_units(run, black)["conv0_relu"] == (4, 4)
        for i in (0, 4, 6):
            images = black.copy()
            images[i, 27, 0] = 255  # at the border
            assert dead_units(run, images)["conv0_relu"] == (0, 4)

    def test_a_decoder_without_activation_has_none_to_count(self, tiny):
        run = untrained(CAEConfig(filters=(4,), latent_dim=3))
        assert list(dead_units(run, tiny.x_test)) == ["conv0_relu"]

    def test_what_is_no_image_is_refused(self):
        with pytest.raises(ValueError, match="images has shape"):
            dead_units(untrained(CAEConfig(filters=(4,))), np.zeros((0, 28, 28, 1)))


class TestQuantise:
    @pytest.fixture
    def latents(self):
        return np.random.default_rng(0).uniform(-1, [1, 10, 0], (500, 3))

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_as_many_levels_as_the_bits_can_name(self, latents, bits):
        for column in quantise(latents, bits).T:
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

    def test_both_ends_stay(self, latents):
        quantised = quantise(latents, 2)
        assert quantised.min(axis=0) == pytest.approx(latents.min(axis=0), rel=1e-6)
        assert quantised.max(axis=0) == pytest.approx(latents.max(axis=0), rel=1e-6)

    def test_a_latent_that_never_changes_stays(self):
        assert (quantise(np.full((4, 2), 0.25), 1) == 0.25).all()

    @pytest.mark.parametrize("bits", [0, 17, 2.0, True, "8"])
    def test_bits_are_counted(self, latents, bits):
        with pytest.raises(ValueError, match=r"bits=.*from 1 to 16"):
            quantise(latents, bits)

    @pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0)])
    def test_latents_are_a_table(self, shape):
        with pytest.raises(ValueError, match="latents has shape"):
            quantise(np.zeros(shape), 2)

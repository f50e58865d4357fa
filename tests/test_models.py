"""The networks are the published ones: counted by formula, and computed once more in plain PyTorch."""

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cae_keras.config import CAEConfig
from cae_keras.models import (
    build_autoencoder,
    build_decoder,
    build_encoder,
    kernel_size,
)

SIDES = (28, 14, 7, 4, 2, 1)
KERNELS = (4, 4, 3, 4, 4)  # between two sides
FILTERS = (6, 5, 4, 3, 2)

BASELINE = CAEConfig()
LEAKY = CAEConfig(activation="leaky_relu", negative_slope=0.2)
NORM = CAEConfig(batch_norm=True)
THREE_BLOCKS = CAEConfig(filters=(32, 32, 64, 64))
TRADEOFF = CAEConfig((16, 32, 32), 16, True, "leaky_relu", 0.1)
STEM_ONLY = CAEConfig(filters=(8,), latent_dim=2)
ONE_PIXEL = CAEConfig(filters=FILTERS, latent_dim=3)
ALL_KINDS = [BASELINE, LEAKY, NORM, THREE_BLOCKS, TRADEOFF, STEM_ONLY, ONE_PIXEL]


def count_parameters(config):
    """Counts weights and biases layer by layer, from the formulas."""
    filters = (1, *config.filters)
    flat = SIDES[config.depth + 1] ** 2 * filters[-1]
    total = (
        flat * config.latent_dim + config.latent_dim + config.latent_dim * flat + flat
    )
    for i in range(config.depth + 1):
        kernel = KERNELS[i] ** 2 * filters[i] * filters[i + 1]
        total += kernel + filters[i + 1] + kernel + filters[i]
    if config.batch_norm:
        total += 4 * (sum(config.filters) + sum(config.filters[:-1]))
    return total


def randomise(model, seed=0):
    """Gives biases and statistics values that show, where Keras starts with zeros and ones."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            w + rng.uniform(-0.4, 0.4, w.shape) * (w.ndim == 1)
            for w in model.get_weights()
        ]
    )
    return model


def in_plain_torch(config, images, weights):
    """Returns latents and reconstructions; takes the weights one after the other, in the order of `get_weights`."""
    weights = (torch.from_numpy(array) for array in weights)

    def norm_and_activate(x):
        if config.batch_norm:
            gamma, beta, mean, variance = (
                next(weights)[:, None, None] for _ in range(4)
            )
            x = gamma * (x - mean) / torch.sqrt(variance + 1e-3) + beta
        slope = config.negative_slope if config.activation == "leaky_relu" else 0
        return torch.where(x > 0, x, slope * x)

    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    for _ in config.filters:
        kernel, bias = next(weights), next(weights)
        x = norm_and_activate(
            F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, stride=2, padding=1)
        )
    shape = x.shape
    kernel, bias = next(weights), next(weights)
    latents = x.permute(0, 2, 3, 1).flatten(1) @ kernel + bias
    kernel, bias = next(weights), next(weights)
    x = (
        (latents @ kernel + bias)
        .reshape(shape[0], shape[2], shape[3], shape[1])
        .permute(0, 3, 1, 2)
    )
    for i in range(len(config.filters)):
        kernel, bias = next(weights), next(weights)
        x = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), bias, stride=2, padding=1)
        x = norm_and_activate(x) if i < config.depth else torch.sigmoid(x)
    assert next(weights, None) is None
    return latents.numpy(), x.permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def images(tiny):
    return tiny.x_test[:8] / np.float32(255)


@pytest.mark.parametrize(
    "config, published",
    [
        (BASELINE, 137_441),
        (CAEConfig((16, 32, 32)), 68_769),
        (CAEConfig((32, 32), latent_dim=16), 85_649),
    ],
)
def test_parameters_are_as_published(config, published):
    assert build_autoencoder(config).count_params() == published


@pytest.mark.parametrize("config", [*ALL_KINDS, CAEConfig((64,) * 4, 64, True)])
def test_parameters_follow_the_formula(config):
    assert build_autoencoder(config).count_params() == count_parameters(config)


def test_batch_norm_adds_384_trainable_parameters():
    def trainable(model):
        return sum(np.prod(variable.shape) for variable in model.trainable_variables)

    plain, norm = build_autoencoder(BASELINE), build_autoencoder(NORM)
    assert trainable(norm) - trainable(plain) == 384
    assert norm.count_params() - plain.count_params() == 768


def test_kernel_divides_by_the_stride_where_it_can():
    assert tuple(kernel_size(side) for side in SIDES[:-1]) == KERNELS


@pytest.mark.parametrize("entries", [1, 2, 3, 4, 5])
def test_shapes_of_every_depth(entries):
    encoder, decoder = (
        build(CAEConfig(FILTERS[:entries], 3))
        for build in (build_encoder, build_decoder)
    )
    assert encoder.input_shape == decoder.output_shape == (None, 28, 28, 1)
    assert encoder.output_shape == decoder.input_shape == (None, 3)
    for i in range(entries):
        smaller = (None, SIDES[i + 1], SIDES[i + 1], FILTERS[i])
        larger = (None, SIDES[i], SIDES[i], FILTERS[i - 1] if i else 1)
        conv, transpose = (
            encoder.get_layer(f"conv{i}"),
            decoder.get_layer(f"conv{i}_transpose"),
        )
        assert conv.output.shape == transpose.input.shape == smaller
        assert conv.kernel_size == transpose.kernel_size == (KERNELS[i],) * 2
        assert transpose.output.shape == larger


def test_layers_are_named_in_their_order():
    autoencoder = build_autoencoder(TRADEOFF)
    encoder, decoder = (
        autoencoder.get_layer("encoder"),
        autoencoder.get_layer("decoder"),
    )
    assert autoencoder.name == "autoencoder"
    assert [layer.name for layer in autoencoder.layers] == [
        "images",
        "encoder",
        "decoder",
    ]
    assert [layer.name for layer in encoder.layers] == [
        "images", "conv0", "conv0_norm", "conv0_leaky_relu", "conv1", "conv1_norm", "conv1_leaky_relu",
        "conv2", "conv2_norm", "conv2_leaky_relu", "flatten", "latents",
    ]  # fmt: skip
    assert [layer.name for layer in decoder.layers] == [
        "latents", "unflatten", "reshape", "conv2_transpose", "conv2_transpose_norm", "conv2_transpose_leaky_relu",
        "conv1_transpose", "conv1_transpose_norm", "conv1_transpose_leaky_relu", "conv0_transpose", "reconstructions",
    ]  # fmt: skip


@pytest.mark.parametrize("config", ALL_KINDS)
def test_no_layer_name_comes_twice(config):
    for model in (build_encoder(config), build_decoder(config)):
        names = [layer.name for layer in model.layers]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("config", [BASELINE, TRADEOFF])
def test_weights_come_encoder_first_and_layer_by_layer(config):
    autoencoder = randomise(build_autoencoder(config))
    parts = [autoencoder.get_layer(name) for name in ("encoder", "decoder")]
    expected = [
        w for part in parts for layer in part.layers for w in layer.get_weights()
    ]
    weights = autoencoder.get_weights()
    assert len(weights) == len(expected)
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("config", ALL_KINDS)
def test_plain_torch_gives_the_same(config, images):
    autoencoder = randomise(build_autoencoder(config))
    latents, reconstructions = in_plain_torch(config, images, autoencoder.get_weights())
    encoder, decoder = (
        autoencoder.get_layer("encoder"),
        autoencoder.get_layer("decoder"),
    )
    np.testing.assert_allclose(encoder.predict(images, verbose=0), latents, atol=1e-5)
    np.testing.assert_allclose(
        decoder.predict(latents, verbose=0), reconstructions, atol=1e-5
    )
    np.testing.assert_allclose(
        autoencoder.predict(images, verbose=0), reconstructions, atol=1e-5
    )


def test_batch_norm_uses_the_batch_while_it_trains(images):
    """With the others in the batch an image changes, and only in training mode."""
    autoencoder = build_autoencoder(NORM)
    alone, together = images[:1], images
    infer = [
        autoencoder(x, training=False)[0].detach().cpu().numpy()
        for x in (alone, together)
    ]
    train = [
        autoencoder(x, training=True)[0].detach().cpu().numpy()
        for x in (alone, together)
    ]
    np.testing.assert_allclose(*infer, atol=1e-5)
    assert np.abs(train[0] - train[1]).max() > 1e-3


def test_the_activation_and_its_slope_are_used(images):
    def reconstruct(activation, slope):
        model = build_autoencoder(
            CAEConfig(activation=activation, negative_slope=slope)
        )
        model.set_weights(weights)
        return model.predict(images, verbose=0)

    weights = randomise(build_autoencoder()).get_weights()
    relu = reconstruct("relu", 0.1)
    np.testing.assert_array_equal(reconstruct("relu", 0.3), relu)
    np.testing.assert_allclose(reconstruct("leaky_relu", 0.0), relu, atol=1e-6)
    a_little, more = reconstruct("leaky_relu", 0.1), reconstruct("leaky_relu", 0.3)
    for one, other in ((a_little, relu), (more, relu), (a_little, more)):
        assert np.abs(one - other).max() > 1e-3


@pytest.mark.parametrize("config", [BASELINE, TRADEOFF])
def test_reconstructions_are_images_whatever_the_latents(config):
    latents = (
        np.random.default_rng(0)
        .normal(scale=100, size=(16, config.latent_dim))
        .astype("float32")
    )
    reconstructions = randomise(build_decoder(config)).predict(latents, verbose=0)
    assert reconstructions.dtype == np.float32
    assert reconstructions.shape == (16, 28, 28, 1)
    assert 0 <= reconstructions.min() < reconstructions.max() <= 1


@pytest.mark.parametrize("config", [BASELINE, TRADEOFF, ONE_PIXEL])
def test_a_saved_model_comes_back(config, images, tmp_path):
    autoencoder = randomise(build_autoencoder(config))
    autoencoder.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), autoencoder.predict(images, verbose=0)
    )
    assert [layer.name for layer in loaded.layers] == [
        layer.name for layer in autoencoder.layers
    ]


def test_two_models_share_nothing():
    keras.utils.set_random_seed(0)
    one, other = build_autoencoder(STEM_ONLY), build_autoencoder(STEM_ONLY)
    before = other.get_weights()
    one.set_weights([w + 1 for w in one.get_weights()])
    for found, wanted in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)

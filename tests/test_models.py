"""The networks are the published ones: counted by formula, and computed once more in plain PyTorch."""

import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cae_keras.config import CAEConfig
from cae_keras.models import build_autoencoder, build_decoder, kernel_size

SIDES = (28, 14, 7, 4, 2, 1)
KERNELS = (4, 4, 3, 4, 4)  # between two sides
FILTERS = (6, 5, 4, 3, 2)

BASELINE = CAEConfig()
TRADEOFF = CAEConfig((16, 32, 32), 16, True, "leaky_relu", 0.1)
ALL_KINDS = [
    CAEConfig(FILTERS[:entries], 3, batch_norm, activation, 0.2)
    for entries in (1, 2, 3, 4, 5)
    for batch_norm in (False, True)
    for activation in ("relu", "leaky_relu")
]

NAME = r"images|flatten|latents|unflatten|reshape|reconstructions|conv\d(_transpose)?(_norm|_(leaky_)?relu)?"

LOAD_WITHOUT_THE_PACKAGE = """
import os, pathlib, sys
os.environ["KERAS_BACKEND"] = "torch"
sys.modules["cae_keras"] = None  # whoever imports it meets an ImportError
import keras
import numpy as np

folder = pathlib.Path(sys.argv[1])
x = np.load(folder / "x.npy")
for file in folder.glob("*.keras"):
    np.save(file.with_suffix(".npy"), keras.models.load_model(file).predict(x, verbose=0))
"""


def count_parameters(config):
    """Counts weights and biases layer by layer, from the formulas."""
    filters = (1, *config.filters)
    flat = SIDES[config.depth + 1] ** 2 * filters[-1]
    total = 2 * flat * config.latent_dim + config.latent_dim + flat
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

    def dense(x):
        return x @ next(weights) + next(weights)

    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    for _ in config.filters:
        kernel, bias = next(weights).permute(3, 2, 0, 1), next(weights)
        x = norm_and_activate(F.conv2d(x, kernel, bias, stride=2, padding=1))
    n, filters, *sides = x.shape
    latents = dense(x.permute(0, 2, 3, 1).flatten(1))
    x = dense(latents).reshape(n, *sides, filters).permute(0, 3, 1, 2)
    for i in range(len(config.filters)):
        kernel, bias = next(weights).permute(3, 2, 0, 1), next(weights)
        x = F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)
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


@pytest.mark.parametrize("config", ALL_KINDS, ids=str)
def test_plain_torch_gives_the_same(config, images):
    autoencoder = randomise(build_autoencoder(config))
    assert autoencoder.count_params() == count_parameters(config)
    latents, reconstructions = in_plain_torch(config, images, autoencoder.get_weights())
    encoder, decoder = map(autoencoder.get_layer, ("encoder", "decoder"))
    for model, x, wanted in (
        (encoder, images, latents),
        (decoder, latents, reconstructions),
        (autoencoder, images, reconstructions),
    ):
        assert model.output_shape == (None, *wanted.shape[1:])
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_kernel_divides_by_the_stride_where_it_can():
    assert tuple(kernel_size(side) for side in SIDES[:-1]) == KERNELS


def test_layers_are_named_in_their_order():
    autoencoder = build_autoencoder(TRADEOFF)
    encoder, decoder = map(autoencoder.get_layer, ("encoder", "decoder"))
    assert autoencoder.name == "autoencoder"
    assert [[layer.name for layer in model.layers] for model in (autoencoder, encoder, decoder)] == [
        ["images", "encoder", "decoder"],
        [
            "images", "conv0", "conv0_norm", "conv0_leaky_relu", "conv1", "conv1_norm", "conv1_leaky_relu",
            "conv2", "conv2_norm", "conv2_leaky_relu", "flatten", "latents",
        ],
        [
            "latents", "unflatten", "reshape", "conv2_transpose", "conv2_transpose_norm", "conv2_transpose_leaky_relu",
            "conv1_transpose", "conv1_transpose_norm", "conv1_transpose_leaky_relu", "conv0_transpose", "reconstructions",
        ],
    ]  # fmt: skip


@pytest.mark.parametrize("config", ALL_KINDS, ids=str)
def test_every_layer_is_keras_own_and_named(config):
    autoencoder = build_autoencoder(config)
    parts = [autoencoder.get_layer(name) for name in ("encoder", "decoder")]
    plain = type(keras.Model(autoencoder.inputs, autoencoder.outputs))
    assert {type(model) for model in (autoencoder, *parts)} == {plain}
    for model in parts:
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)
        for layer in model.layers:
            kind = type(layer)
            assert kind.__module__.startswith("keras.src.layers."), layer
            assert getattr(keras.layers, kind.__name__) is kind, layer
            assert re.fullmatch(NAME, layer.name), layer


def test_reconstructions_are_images_whatever_the_latents():
    latents = np.random.default_rng(0).normal(scale=100, size=(16, 16)).astype("f4")
    found = randomise(build_decoder(TRADEOFF)).predict(latents, verbose=0)
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() <= 1


def test_a_saved_model_loads_where_the_package_is_not(images, tmp_path):
    np.save(tmp_path / "x.npy", images)
    expected = {}
    for i, config in enumerate([*ALL_KINDS, BASELINE, TRADEOFF]):
        autoencoder = randomise(build_autoencoder(config), seed=i)
        autoencoder.save(tmp_path / f"{i}.keras")
        expected[tmp_path / f"{i}.npy"] = autoencoder.predict(images, verbose=0)
    command = [sys.executable, "-c", LOAD_WITHOUT_THE_PACKAGE, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for file, wanted in expected.items():
        np.testing.assert_allclose(np.load(file), wanted, atol=1e-6)

"""The networks are the published ones, and give what plain PyTorch gives."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cae_keras.config import CAEConfig
from cae_keras.models import build_autoencoder

FILTERS = (6, 5, 4, 3, 2)

BASELINE = CAEConfig()
TRADEOFF = CAEConfig((16, 32, 32), 16, True, "leaky_relu", 0.1)
ALL_KINDS = [
    CAEConfig(FILTERS[:entries], 3, batch_norm, activation, 0.2)
    for entries in (1, 2, 3, 4, 5)
    for batch_norm in (False, True)
    for activation in ("relu", "leaky_relu")
]

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


def randomise(model, seed=0):
    """Gives biases and statistics values that show, where Keras starts with zeros and ones."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.ndim == 1:
            weight.assign_add(rng.uniform(-0.4, 0.4, weight.shape))
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


@pytest.mark.parametrize("config", ALL_KINDS, ids=str)
def test_every_layer_is_keras_own_and_named(config):
    parts = ["", *["_norm"] * config.batch_norm, f"_{config.activation}"]
    blocks = [f"conv{i}" for i in range(config.depth + 1)]
    up = [f"{block}_transpose" for block in blocks]
    names = {
        "autoencoder": ["images", "encoder", "decoder"],
        "encoder": ["images", *(b + p for b in blocks for p in parts), "flatten", "latents"],
        "decoder": [
            "latents", "unflatten", "reshape", *(b + p for b in up[:0:-1] for p in parts), up[0], "reconstructions",
        ],
    }  # fmt: skip
    autoencoder = build_autoencoder(config)
    plain = type(keras.Model(autoencoder.inputs, autoencoder.outputs))
    for model in (autoencoder, *autoencoder.layers[1:]):
        assert type(model) is plain
        assert [layer.name for layer in model.layers] == names.pop(model.name)
        for kind in {type(layer) for layer in model.layers} - {plain}:
            assert kind.__module__.startswith("keras.src.layers.")
            assert getattr(keras.layers, kind.__name__) is kind
    assert not names


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

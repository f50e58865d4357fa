"""The baseline, 137,441 parameters, as those build it who do not have this package."""

import keras
from keras import layers
from torch import nn


def stock_autoencoder() -> keras.Model:
    """Returns the baseline as one chain, not two nested models, which take longer.

    Input and output have the shape `(n, 28, 28, 1)`.

    Example:
        >>> stock_autoencoder().count_params()
        137441
    """
    half = {"strides": 2, "padding": "same", "activation": "relu"}
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 4, **half),  # 28 → 14
        layers.Conv2D(32, 4, **half),  # → 7
        layers.Conv2D(64, 3, **half),  # → 4
        layers.Flatten(),
        layers.Dense(32),
        layers.Dense(4 * 4 * 64),
        layers.Reshape((4, 4, 64)),
        layers.Conv2DTranspose(32, 3, output_padding=0, **half),  # 4 → 7
        layers.Conv2DTranspose(32, 4, **half),  # → 14
        layers.Conv2DTranspose(1, 4, **{**half, "activation": "sigmoid"}),  # → 28
    ])  # fmt: skip


def torch_autoencoder() -> nn.Sequential:
    """Returns the baseline in plain PyTorch, up to the logits of the pixels.

    Input and output have the shape `(n, 1, 28, 28)`.

    Example:
        >>> sum(weight.numel() for weight in torch_autoencoder().parameters())
        137441
    """
    half = {"stride": 2, "padding": 1}
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, **half), nn.ReLU(),  # 28 → 14
        nn.Conv2d(32, 32, 4, **half), nn.ReLU(),  # → 7
        nn.Conv2d(32, 64, 3, **half), nn.ReLU(),  # → 4
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 32),
        nn.Linear(32, 64 * 4 * 4),
        nn.Unflatten(1, (64, 4, 4)),
        nn.ConvTranspose2d(64, 32, 3, **half), nn.ReLU(),  # 4 → 7
        nn.ConvTranspose2d(32, 32, 4, **half), nn.ReLU(),  # → 14
        nn.ConvTranspose2d(32, 1, 4, **half),  # → 28
    )  # fmt: skip

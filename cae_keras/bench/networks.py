"""The baseline, 137,441 parameters, as those build it who do not have this package."""

import keras
import torch
from keras import layers
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode


def stock_autoencoder() -> keras.Model:
    """Returns the baseline as one chain, not two nested models, which take longer."""
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
    """Returns the baseline in plain PyTorch, `(n, 1, 28, 28)` to the pixels' logits."""
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


def flops_per_image() -> int:
    """Counts the operations of convolutions and dense layers in a step for one image.

    Three times the forward pass; but the first layer's inputs need no gradient.

    Example:
        >>> flops_per_image()  # 6 × 2,461,696 MACs − 2 × 14² × 4² × 32
        14569472
    """
    network, image = torch_autoencoder(), torch.zeros((1, 1, 28, 28))
    with FlopCounterMode(display=False) as counter:
        functional.binary_cross_entropy_with_logits(network(image), image).backward()
    return counter.get_total_flops()

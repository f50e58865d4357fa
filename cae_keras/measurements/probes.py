"""What happens inside a network: what its units see, which filters are dead, and how
many bits a latent needs."""

from typing import NamedTuple

import keras
import numpy as np
import torch
from keras import layers

from cae_keras.config import IMAGE_SIDE, CAEConfig, is_int
from cae_keras.fast import chain
from cae_keras.images import to_float
from cae_keras.models import kernel_size
from cae_keras.training import Run, check_input

BLOCK = 500  # images at a time: their feature maps take far more memory than they do


class ReceptiveField(NamedTuple):
    """The square of pixels that one unit of a layer sees."""

    layer: str
    side: int  # in pixels; the square may reach beyond the image
    jump: int  # from the square of one unit to that of the next, in pixels


def receptive_field(config: CAEConfig) -> tuple[ReceptiveField, ...]:
    """Returns what a unit of each strided convolution of the encoder sees.

    A kernel of size k, on a map whose units lie j pixels apart, adds k − 1 of these
    steps to the side: r ← r + (k − 1) j. Its stride s sets the units further apart:
    j ← j s. The fields come from the image inwards.

    References:
        Araujo, Norris & Sim, Computing Receptive Fields of Convolutional Neural
        Networks, Distill (2019), doi:10.23915/distill.00021

    Example:
        >>> [field.side for field in receptive_field(CAEConfig())]
        [4, 10, 18]
    """
    fields, side, jump, map_side = [], 1, 1, IMAGE_SIDE
    for i, (smaller, _) in enumerate(config.feature_maps):
        side += (kernel_size(map_side) - 1) * jump
        jump *= 2
        fields.append(ReceptiveField(f"conv{i}", side, jump))
        map_side = smaller
    return tuple(fields)


def dead_units(run: Run, images: np.ndarray) -> dict[str, tuple[int, int]]:
    """Counts the filters whose activation function never sees a positive number.

    A ReLU there returns 0 for every image, so the filter is useless, and no gradient
    reaches it any more. A Leaky ReLU there is always in its lower half: the filter
    still works and learns, as a linear one.

    Args:
        images: `(n, 28, 28, 1)`. More of them find fewer dead filters.

    Returns:
        For each ReLU or Leaky ReLU, encoder first, by the name of the layer: how many
        filters are positive at no position of any image, and how many there are.

    References:
        Maas, Hannun & Ng, Rectifier nonlinearities improve neural network acoustic
        models (2013)

    Example:
        >>> run = Run.untrained(CAEConfig(filters=(4,), latent_dim=2))
        >>> dead_units(run, np.zeros((1, 28, 28, 1)))  # black, and the bias is 0
        {'conv0_relu': (4, 4)}
    """
    images, alive = to_float(images), {}
    check_input(run.autoencoder, images)
    for block in np.split(images, range(BLOCK, len(images), BLOCK)):
        x = keras.ops.convert_to_tensor(block)
        for layer, *_ in chain(run.autoencoder):
            if isinstance(layer, layers.ReLU | layers.LeakyReLU):
                positive = (x > 0).any(dim=(0, 1, 2)).numpy(force=True)
                alive[layer.name] = alive.get(layer.name, False) | positive
            with torch.no_grad():
                x = layer(x, training=False)
    return {name: (int((~each).sum()), each.size) for name, each in alive.items()}


def quantise(latents: np.ndarray, bits: int) -> np.ndarray:
    """Returns latents rounded to 2**bits evenly spaced levels.

    The levels of a latent reach from its smallest to its largest value among these
    images. Who decodes must know both, too: two numbers for each latent, whatever the
    number of images.

    Args:
        latents: `(n, latent_dim)`.
        bits: Bits for each latent, 1 to 16.

    Raises:
        ValueError: If `bits` or the latents' shape is another, or one is not finite.

    Example:
        >>> quantise(np.array([[0.0], [0.2], [0.9], [1.0]]), bits=1).ravel()
        array([0., 0., 1., 1.], dtype=float32)
    """
    if not is_int(bits) or not 1 <= bits <= 16:
        raise ValueError(f"bits={bits!r}: it must be an integer from 1 to 16")
    latents = np.asarray(latents, np.float64)
    if latents.ndim != 2 or 0 in latents.shape:
        raise ValueError(
            f"latents has shape {latents.shape}: it must be (n, latent_dim)"
        )
    if not np.isfinite(latents).all():
        raise ValueError("latents holds NaN or infinity: all must be finite")
    low = latents.min(axis=0)
    step = (latents.max(axis=0) - low) / (2**bits - 1)
    step[step == 0] = 1  # a latent that is the same for all images keeps its value
    return (low + step * np.round((latents - low) / step)).astype(np.float32)

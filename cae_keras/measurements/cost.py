"""What a configuration costs, whatever it has learnt: parameters, MACs, bytes."""

import functools
import math

import torch
from torch.utils.flop_counter import FlopCounterMode

from cae_keras.config import IMAGE_SHAPE, CAEConfig
from cae_keras.models import build_autoencoder

BYTES_PER_LATENT = 4  # float32


def cost(config: CAEConfig) -> dict[str, int]:
    """Returns what a configuration costs; training changes none of it.

    Args:
        config: The network.

    Returns:
        `parameters`, those that training changes; `all_parameters`, with the moving
        statistics of batch normalisation; `macs`, the multiply-accumulates of one image
        through encoder and decoder; `code_bytes`, the size of its latents as float32.

        MACs are those of the dense layers and the convolutions, multiplications with
        the zeros of the padding included. Biases, activations and batch normalisation
        count for nothing: they are small, and the last can be folded into the
        convolutions.

    References:
        `torch.utils.flop_counter` counts two operations for each multiply-accumulate.

    Example:
        >>> cost(CAEConfig())["macs"]
        2461696
    """
    trainable, everything, macs = _count(config)
    return {
        "parameters": trainable,
        "all_parameters": everything,
        "macs": macs,
        "code_bytes": BYTES_PER_LATENT * config.latent_dim,
    }


@functools.cache
def _count(config: CAEConfig) -> tuple[int, int, int]:
    autoencoder = build_autoencoder(config)
    trainable = sum(math.prod(weight.shape) for weight in autoencoder.trainable_weights)
    image = torch.zeros((1, *IMAGE_SHAPE))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        autoencoder(image, training=False)
    return trainable, autoencoder.count_params(), counter.get_total_flops() // 2

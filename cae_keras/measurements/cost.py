"""What a configuration costs, whatever it has learnt: parameters, MACs, bytes."""

import math

import torch
from torch.utils.flop_counter import FlopCounterMode

from cae_keras.config import IMAGE_SHAPE, CAEConfig
from cae_keras.models import build_autoencoder


def cost(config: CAEConfig) -> dict[str, int]:
    """Returns what a configuration costs; training changes none of it.

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
    autoencoder = build_autoencoder(config)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        autoencoder(torch.zeros((1, *IMAGE_SHAPE)), training=False)
    return {
        "parameters": sum(math.prod(w.shape) for w in autoencoder.trainable_weights),
        "all_parameters": autoencoder.count_params(),
        "macs": counter.get_total_flops() // 2,
        "code_bytes": 4 * config.latent_dim,
    }

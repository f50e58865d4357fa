"""Convolutional autoencoders on MNIST, one factor at a time.

Importing it selects the PyTorch backend of Keras, so import it before Keras.
"""

import os
import sys

if "keras" in sys.modules and sys.modules["keras"].config.backend() != "torch":
    raise ImportError(
        f"Keras already runs on {sys.modules['keras'].config.backend()!r}: import "
        "cae_keras before keras, in a fresh process"
    )
os.environ["KERAS_BACKEND"] = "torch"

from cae_keras.baselines import PCA, fit_pca, mean_image
from cae_keras.config import CAEConfig, Preset, Recipe, get_preset
from cae_keras.data import DataError, Mnist, first_of_each_class, load_mnist
from cae_keras.images import to_float
from cae_keras.metrics import bce, bce_floor, excess_bce, mse, psnr, quality, ssim
from cae_keras.models import (
    build_autoencoder,
    build_decoder,
    build_encoder,
    kernel_size,
)
from cae_keras.store import load_or_train
from cae_keras.training import Run, one_cycle, train

__all__ = [
    "bce", "bce_floor", "build_autoencoder", "build_decoder", "build_encoder",
    "CAEConfig", "DataError", "excess_bce", "first_of_each_class", "fit_pca",
    "get_preset", "kernel_size", "load_mnist", "load_or_train", "mean_image",
    "Mnist", "mse", "one_cycle", "PCA", "Preset", "psnr", "quality", "Recipe",
    "Run", "ssim", "to_float", "train",
]  # fmt: skip

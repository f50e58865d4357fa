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

import torch

if not torch.cuda.is_available():  # or Keras would take Apple's GPU
    os.environ.setdefault("KERAS_TORCH_DEVICE", "cpu")

from cae_keras.baselines import PCA, fit_pca, mean_image
from cae_keras.batch_norm import (
    batch_coupling,
    fold_batch_norm,
    reconstruct_among,
    reconstruct_in_batches,
)
from cae_keras.claims import CLAIMS, Claim
from cae_keras.comparison import change, effects
from cae_keras.config import CAEConfig, Preset, Recipe, get_preset
from cae_keras.cost import cost
from cae_keras.data import DataError, Mnist, first_of_each_class, load_mnist
from cae_keras.experiments import EXPERIMENTS, Experiment, configurations
from cae_keras.images import to_float
from cae_keras.metrics import (
    bce,
    bce_floor,
    excess_bce,
    mse,
    psnr,
    quality,
    sharpness,
    ssim,
)
from cae_keras.models import (
    build_autoencoder,
    build_decoder,
    build_encoder,
    kernel_size,
)
from cae_keras.probes import dead_units, quantise, receptive_field
from cae_keras.reader import Reader, build_reader, reader_recipe, train_reader
from cae_keras.runs import Run
from cae_keras.smoothness import last_gain, roughness
from cae_keras.statistics import (
    Interval,
    as_percent,
    interval,
    judge,
    relative_change,
    smallest_detectable,
)
from cae_keras.study import load_or_train_reader, measure, run
from cae_keras.tables import COST, QUALITY, differences, summary
from cae_keras.training import one_cycle, train
from cae_keras.units import PERCENT, TIMES, as_text
from cae_keras.verdicts import Verdict, judge_claims, verdict_table

__all__ = [
    "as_percent", "as_text", "batch_coupling", "bce", "bce_floor", "build_autoencoder",
    "build_decoder", "build_encoder", "build_reader", "CAEConfig", "change", "Claim",
    "CLAIMS", "configurations", "cost", "COST", "DataError", "dead_units",
    "differences", "effects", "excess_bce", "Experiment", "EXPERIMENTS",
    "first_of_each_class", "fit_pca", "fold_batch_norm", "get_preset", "Interval",
    "interval", "judge", "judge_claims", "kernel_size", "last_gain", "load_mnist",
    "load_or_train_reader", "mean_image", "measure", "Mnist", "mse", "one_cycle",
    "PCA", "PERCENT", "Preset", "psnr", "quality", "QUALITY", "quantise", "Reader",
    "reader_recipe", "receptive_field", "Recipe", "reconstruct_among",
    "reconstruct_in_batches", "relative_change", "roughness", "Run", "run", "sharpness",
    "smallest_detectable", "ssim", "summary", "TIMES", "to_float", "train",
    "train_reader", "Verdict", "verdict_table",
]  # fmt: skip

"""Convolutional autoencoders on MNIST, one factor at a time.

Importing it selects the PyTorch backend of Keras, so import it before Keras.
"""

import logging
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
    # Nor is a CUDA toolkit of use, of which torch would speak in the middle of a page
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)

from cae_keras.compare.additivity import (
    missed_by,
    predicted_changes,
    whether_it_adds_up,
)
from cae_keras.compare.comparison import change, cost_of, effects
from cae_keras.compare.earlier import tried_recipes, turned
from cae_keras.compare.findings import finding, listed, say
from cae_keras.compare.front import (
    QUALITY_FLOOR,
    RULE,
    choose,
    dominators,
    meets_quality_floor,
    pca_errors,
    quality_floor_table,
)
from cae_keras.compare.interactions import holm, interactions, p_value
from cae_keras.compare.ledger import judge_claims
from cae_keras.compare.reach import reach
from cae_keras.compare.statistics import (
    as_percent,
    interval,
    judge,
    relative_change,
    smallest_detectable,
)
from cae_keras.compare.tables import Table, cost_table, differences, summary
from cae_keras.compare.text import PERCENT, TIMES, as_text
from cae_keras.config import CAEConfig, Recipe, get_preset
from cae_keras.data import first_of_each_class, load_fashion, load_idx, load_mnist
from cae_keras.deploy.benchmark import benchmark
from cae_keras.deploy.card import save_model_card
from cae_keras.deploy.export import load_onnx, save_int8, save_keras, save_onnx
from cae_keras.deploy.latency import latency
from cae_keras.deploy.machine import machine
from cae_keras.deploy.memory import saved_bytes
from cae_keras.experiments import EXPERIMENTS
from cae_keras.images import to_float
from cae_keras.measurements.baselines import fit_pca, mean_image
from cae_keras.measurements.batch_norm import (
    batch_coupling,
    fold_batch_norm,
    reconstruct_among,
)
from cae_keras.measurements.cost import cost
from cae_keras.measurements.probes import dead_units, quantise, receptive_field
from cae_keras.measurements.sharpness import sharpness
from cae_keras.metrics import bce, bce_floor, excess_bce, mse, quality
from cae_keras.mnist.digit import digit_steps, load_digit
from cae_keras.models import (
    build_autoencoder,
    build_decoder,
    build_encoder,
    kernel_size,
)
from cae_keras.optimisers import orthogonalise
from cae_keras.study.budgets import budget_table, recipe_for
from cae_keras.study.provenance import provenance
from cae_keras.study.study import (
    is_trained,
    load_or_train_reader,
    measure,
    run,
    try_all,
)
from cae_keras.training import OneCycle

__all__ = [
    "as_percent", "as_text", "batch_coupling", "bce", "bce_floor", "benchmark",
    "budget_table", "build_autoencoder", "build_decoder", "build_encoder", "CAEConfig",
    "change", "choose", "cost", "cost_of", "cost_table", "dead_units", "differences",
    "digit_steps", "dominators", "effects", "excess_bce", "EXPERIMENTS", "finding",
    "first_of_each_class", "fit_pca", "fold_batch_norm", "get_preset",
    "holm", "interactions", "interval", "is_trained", "judge", "judge_claims",
    "kernel_size", "latency", "listed", "load_digit", "load_fashion", "load_idx",
    "load_mnist", "load_onnx", "load_or_train_reader", "machine", "mean_image",
    "measure", "meets_quality_floor", "missed_by", "mse", "OneCycle", "orthogonalise",
    "p_value", "pca_errors", "PERCENT", "predicted_changes", "provenance", "quality",
    "QUALITY_FLOOR", "quality_floor_table", "quantise", "reach", "receptive_field",
    "Recipe", "recipe_for", "reconstruct_among", "relative_change", "RULE", "run",
    "save_int8", "save_keras", "save_model_card", "save_onnx", "saved_bytes", "say",
    "sharpness", "smallest_detectable", "summary", "Table", "TIMES", "to_float",
    "tried_recipes", "try_all", "turned", "whether_it_adds_up",
]  # fmt: skip

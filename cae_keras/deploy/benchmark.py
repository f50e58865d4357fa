"""What trained networks cost on the machine at hand: measured now, never kept."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import torch

from cae_keras.config import IMAGE_SHAPE, IMAGE_SIDE
from cae_keras.deploy.latency import latency
from cae_keras.deploy.memory import peak_memory, saved_bytes
from cae_keras.measurements.cost import cost
from cae_keras.training import Run

BATCH = 256  # images, for the throughput
PIXELS = IMAGE_SIDE**2  # bytes, at one a pixel
BATCH_ROUNDS = 5


def benchmark(
    runs: Mapping[str, Sequence[Run]], rounds: int = 15
) -> dict[str, dict[str, np.ndarray]]:
    """Measures what networks cost where this runs, all side by side.

    Args:
        runs: Runs by names, as `run` returns them. Of each name the first is measured,
            as weights change no cost; of `seconds`, all.
        rounds: Measurements of each latency.

    Returns:
        For each name and measure one value a repeat. Counted: `parameters`
        (trainable), `macs`, `code_bytes`, `compression` (784 bytes over those of a
        code), `saved_bytes` of the `.keras` file. Measured, on one thread: `encode`,
        `decode` and `both` (milliseconds for one image, a call of the Keras model),
        `throughput` (images a second, in batches of 256), `memory` and `batch_memory`
        (megabytes at the peak, for one image and for a batch, beyond the libraries),
        and `seconds` to train, when that was done.
    """
    first = {name: several[0] for name, several in runs.items()}
    stages = latency(_calls(first), rounds)
    images = torch.rand((BATCH, *IMAGE_SHAPE))
    batches = {name: _call(run.autoencoder, images) for name, run in first.items()}
    seconds = latency(batches, min(rounds, BATCH_ROUNDS))
    memory = peak_memory({name: run.config for name, run in first.items()}, (1, BATCH))
    return {
        name: {
            **_counted(first[name]),
            **{s: 1e3 * stages[f"{name}: {s}"] for s in ("encode", "decode", "both")},
            "throughput": BATCH / seconds[name],
            "memory": memory[name][:, 0] / 1e6,
            "batch_memory": memory[name][:, 1] / 1e6,
            "seconds": np.array([sum(run.history["seconds"]) for run in several]),
        }
        for name, several in runs.items()
    }


def _counted(run: Run) -> dict[str, np.ndarray]:
    counted = cost(run.config)
    values = {name: counted[name] for name in ("parameters", "macs", "code_bytes")}
    values["compression"] = PIXELS / counted["code_bytes"]
    values["saved_bytes"] = saved_bytes(run.autoencoder)
    return {name: np.array([value], float) for name, value in values.items()}


def _calls(runs: Mapping[str, Run]) -> dict[str, Callable]:
    """Returns encoding, decoding and both, of one image, for each network."""
    image, calls = torch.rand((1, *IMAGE_SHAPE)), {}
    for name, run in runs.items():
        latents = torch.zeros((1, run.config.latent_dim))
        calls[f"{name}: encode"] = _call(run.autoencoder.get_layer("encoder"), image)
        calls[f"{name}: decode"] = _call(run.autoencoder.get_layer("decoder"), latents)
        calls[f"{name}: both"] = _call(run.autoencoder, image)
    return calls


def _call(model: keras.Model, inputs: torch.Tensor) -> Callable:
    return lambda: model(inputs, training=False)

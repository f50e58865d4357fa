"""How much room a network takes: bytes of its file, and of memory while it works."""

import multiprocessing
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import keras
import loky
import numpy as np
import torch

from cae_keras.config import IMAGE_SHAPE, CAEConfig
from cae_keras.models import build_autoencoder
from cae_keras.training import pinned

REPEATS = 2  # to see that they agree
# glibc gives what is freed back at once; else the heap's layout adds up to a half.
RETURN_FREED = {"MALLOC_MMAP_THRESHOLD_": str(2**17)}


def saved_bytes(model: keras.Model) -> int:
    """Returns the size of a model's `.keras` file: its weights and how to build it.

    Example:
        >>> model = build_autoencoder(CAEConfig(filters=(4,), latent_dim=2))
        >>> saved_bytes(model) > 4 * model.count_params()  # float32, and the rest
        True
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.stat().st_size


def peak_memory(
    configs: Mapping[str, CAEConfig], batches: Sequence[int] = (1, 256)
) -> dict[str, np.ndarray]:
    """Returns the bytes that networks take to reconstruct, `(REPEATS, batches)` each.

    A process of its own, which has loaded the libraries and run a network of one
    filter, notes the most memory it has held so far, builds the network, reconstructs
    one batch after the other on one thread, and notes the most memory after each. The
    growth holds weights, feature maps, scratch space and what Keras keeps about the
    model. Training changes none of it, so the weights are random. Batches must ascend,
    as a smaller one after a larger takes no more. NaN but on Linux: Windows cannot
    fork a process, and on macOS a fork may crash.
    """
    unknown = {name: np.full((REPEATS, len(batches)), np.nan) for name in configs}
    if sys.platform != "linux":
        return unknown
    asked = _growths, [*configs.values()], batches
    try:
        with loky.ProcessPoolExecutor(1, env=RETURN_FREED) as fresh:
            found = fresh.submit(*asked).result()
    except OSError:  # no process can start: /dev/shm is read-only
        return unknown
    return {name: np.array(b, float) for name, b in zip(configs, found, strict=True)}


def _growths(configs: Sequence[CAEConfig], batches: Sequence[int]) -> list:
    """Measures each in a fork: it starts with the libraries, and nothing of another."""
    return [[_in_a_fork(c, batches) for _ in range(REPEATS)] for c in configs]


def _in_a_fork(config: CAEConfig, batches: Sequence[int]) -> list[int]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as child:
        return child.submit(_growth, config, batches).result()


def _growth(config: CAEConfig, batches: Sequence[int]) -> list[int]:
    with pinned(), torch.no_grad(), keras.device("cpu"):  # no GPU survives a fork
        tiny = CAEConfig(filters=(1,) * len(config.filters), latent_dim=1)
        build_autoencoder(tiny)(torch.zeros((1, *IMAGE_SHAPE)), training=False)
        before, growth = _most_memory(), []
        autoencoder = build_autoencoder(config)
        for images in batches:
            autoencoder(torch.zeros((images, *IMAGE_SHAPE)), training=False)
            growth.append(_most_memory() - before)
    return growth


def _most_memory() -> int:
    """Returns the most bytes that this process has held in memory so far."""
    import resource  # not on Windows

    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

"""How much room a network takes: bytes of its file, and of memory while it works."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import torch

from cae_keras.config import IMAGE_SHAPE, CAEConfig, positive_int
from cae_keras.models import build_autoencoder


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
    configs: Mapping[str, CAEConfig],
    batches: Sequence[int] = (1, 256),
    repeats: int = 2,
) -> dict[str, np.ndarray]:
    """Returns the memory that a network takes to reconstruct, beyond its libraries.

    A process of its own, which has loaded the libraries and run a network of one
    filter, notes the most memory it has held so far, builds the network, reconstructs
    one batch after the other on one thread, and notes the most memory after each. The
    growth holds weights, feature maps, scratch space and what Keras keeps about the
    model. Training changes none of it, so the weights are random.

    Args:
        configs: Networks by names.
        batches: How many images are reconstructed at once; ascending, since a smaller
            batch after a larger one takes no more.
        repeats: How many such processes for each network.

    Returns:
        For each name the bytes, `(repeats, batches)`; not a number where the system
        cannot fork (Windows).

    Raises:
        ValueError: If a number is no positive integer, or the batches do not ascend.
        RuntimeError: If a process failed.

    References:
        `getrusage(2)`: "the maximum resident set size used"
    """
    batches = [positive_int("batches", images) for images in batches]
    if batches != sorted(batches):
        raise ValueError(f"batches={batches!r}: they must ascend")
    repeats = positive_int("repeats", repeats)
    if not hasattr(os, "fork"):
        return {name: np.full((repeats, len(batches)), np.nan) for name in configs}
    asked = [asdict(config) for config in configs.values()]
    path = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", f"import {__name__} as f; f._measure_all()"],
        input=json.dumps([asked, batches, repeats]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"measuring memory failed: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: np.array(b, float) for name, b in zip(configs, found, strict=True)}


def _measure_all():
    """Reads what is asked; each measurement has a process of its own, a fork of this.

    A fork starts with the libraries loaded and with nothing that another has left.
    """
    asked, batches, repeats = json.loads(sys.stdin.read())
    torch.set_num_threads(1)
    configs = [CAEConfig(**{**one, "filters": tuple(one["filters"])}) for one in asked]
    found = [[_in_a_fork(c, batches) for _ in range(repeats)] for c in configs]
    print(json.dumps(found))


def _in_a_fork(config: CAEConfig, batches: Sequence[int]) -> list[int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(_growth(config, batches)).encode())
        finally:
            os._exit(0)  # without the parent's buffers
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    if not said:
        raise RuntimeError(f"{config}: its process died")
    return json.loads(said)


def _growth(config: CAEConfig, batches: Sequence[int]) -> list[int]:
    with torch.no_grad():
        tiny = CAEConfig(filters=(1,) * len(config.filters), latent_dim=1)
        build_autoencoder(tiny)(_images(1), training=False)
        before, growth = _most_memory(), []
        autoencoder = build_autoencoder(config)
        for images in batches:
            autoencoder(_images(images), training=False)
            growth.append(_most_memory() - before)
    return growth


def _images(n: int) -> torch.Tensor:
    return torch.zeros((n, *IMAGE_SHAPE))


def _most_memory() -> int:
    """Returns the most bytes that this process has held in memory so far."""
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

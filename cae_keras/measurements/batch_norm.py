"""What batch normalisation does to a trained network: it ties the images of a batch
together while training, and can be folded away afterwards."""

from dataclasses import replace

import keras
import numpy as np
from keras import layers

from cae_keras.config import is_int, positive_int
from cae_keras.fast import chain
from cae_keras.images import to_float
from cae_keras.models import build_autoencoder
from cae_keras.training import Run, pinned


def reconstruct_among(
    run: Run,
    images: np.ndarray,
    mates: np.ndarray,
    batches: int = 20,
    training: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """Returns the reconstructions of the same images in batches of different company.

    Each image is put into a batch of the size it was trained with, the other places
    filled with mates. In training mode batch normalisation takes mean and variance from
    that batch. Nothing is learnt here: weights and moving statistics stay as they are.

    Args:
        images: The few images to watch, `(n, 28, 28, 1)`.
        mates: Where their company is drawn from, `(m, 28, 28, 1)`, at least a batch.
        batches: How many companies; all images meet the same ones.
        seed: It decides who the mates are.

    Output shape:
        `(batches, n, 28, 28, 1)`.

    Raises:
        ValueError: If there are fewer mates than a batch has free places, they are of
            another size, or the seed is negative.
    """
    images, size = to_float(images), run.recipe.batch_size
    if len(mates) < size - 1:
        raise ValueError(
            f"mates has {len(mates)} images: it must be at least {size - 1}, to fill a "
            "batch"
        )
    if np.shape(mates)[1:] != images.shape[1:]:
        raise ValueError(
            f"mates has shape {np.shape(mates)}: they must be as large as the images, "
            f"{images.shape[1:]}"
        )
    if not is_int(seed) or seed < 0:
        raise ValueError(f"seed={seed!r}: it must be an integer of at least 0")
    rng, among = np.random.default_rng(seed), []
    for _ in range(positive_int("batches", batches)):
        drawn = np.sort(rng.choice(len(mates), size - 1, replace=False))
        company = to_float(mates[drawn], "mates")
        in_a_row = np.concatenate([[image, *company] for image in images])
        with pinned():  # on any number of cores the same
            among.append(run.reconstruct(in_a_row, size, training)[::size])
    return np.stack(among)


def batch_coupling(
    run: Run, images: np.ndarray, mates: np.ndarray, batches: int = 20, seed: int = 0
) -> dict[str, float]:
    """Returns how much the reconstruction of an image depends on its batch-mates.

    Args:
        run, images, mates, batches, seed: As `reconstruct_among` takes them; at least
            two batches.

    Returns:
        For the modes `training` and `inference`: the standard deviation of a pixel over
        the batches (root mean square over pixels and images), where 1 is the distance
        from black to white. Without batch normalisation, and in inference mode, it is 0
        but for rounding.

    References:
        Ioffe & Szegedy, Batch Normalization (2015), arXiv:1502.03167, section 3.4: "no
        longer producing deterministic values for a given training example"

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> config = CAEConfig(filters=(4,), latent_dim=2, batch_norm=True)
        >>> run = Run.untrained(config, Recipe(batch_size=8))
        >>> x = np.random.default_rng(0).random((20, 28, 28, 1))
        >>> coupling = batch_coupling(run, images=x[:1], mates=x[1:], batches=3)
        >>> coupling["training"] > coupling["inference"]
        True
    """
    if not is_int(batches) or batches < 2:
        raise ValueError(f"batches={batches!r}: it must be an integer of at least 2")
    spread = {}
    for mode, training in {"training": True, "inference": False}.items():
        among = reconstruct_among(run, images, mates, batches, training, seed)
        variance = among.var(axis=0, ddof=1, dtype=np.float64)
        spread[mode] = float(np.sqrt(variance.mean()))
    return spread


def fold_batch_norm(run: Run) -> keras.Model:
    """Returns the same autoencoder without batch normalisation layers.

    In inference mode the normalisation of a filter is a fixed line, y = a x + b with
    a = γ / √(variance + ε) and b = β − a · mean. The convolution before it can do that
    too: its kernel is multiplied by a, its bias becomes a · bias + b.

    Without batch normalisation the network is copied as it is.

    References:
        Jacob et al., Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference (2018), arXiv:1712.05877, section 3.2

    Example:
        >>> from cae_keras.config import CAEConfig
        >>> run = Run.untrained(CAEConfig(filters=(4,), latent_dim=2, batch_norm=True))
        >>> len(run.weights), len(fold_batch_norm(run).get_weights())
        (12, 8)
    """
    folded = build_autoencoder(replace(run.config, batch_norm=False))
    trained = {layer.name: layer for layer, *_ in chain(run.autoencoder)}
    for layer, *_ in chain(folded):
        weights, norm = trained[layer.name].get_weights(), f"{layer.name}_norm"
        if norm in trained:
            gamma, beta, mean, variance = np.float64(trained[norm].get_weights())
            a = gamma / np.sqrt(variance + trained[norm].epsilon)
            b = beta - a * mean
            kernel, bias = weights
            transposed = isinstance(layer, layers.Conv2DTranspose)
            of_filter = a[:, None] if transposed else a  # kernel: (…, filters, inputs)
            weights = [of_filter * kernel, a * bias + b]
        layer.set_weights(weights)
    return folded

"""What batch normalisation does to a trained network: it ties the images of a batch
together while training, and can be folded away afterwards."""

from dataclasses import replace

import keras
import numpy as np
import torch
from keras import layers

from cae_keras.config import is_int, positive_int
from cae_keras.images import to_float
from cae_keras.models import build_autoencoder
from cae_keras.training import Run, one_thread


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
        run: The trained network.
        images: The few images to watch, `(n, 28, 28, 1)`.
        mates: Where their company is drawn from, `(m, 28, 28, 1)`, at least a batch.
        batches: How many companies; all images meet the same ones.
        training: Whether in training mode, else in inference mode.
        seed: It decides who the mates are.

    Output shape:
        `(batches, n, 28, 28, 1)`.

    Raises:
        ValueError: If there are fewer mates than a batch has free places, they are of
            another size, or the seed is negative.
    """
    images = to_float(images)
    company = run.recipe.batch_size - 1
    if len(mates) < company:
        raise ValueError(
            f"mates has {len(mates)} images: it must be at least {company}, to fill a "
            "batch"
        )
    if np.shape(mates)[1:] != images.shape[1:]:
        raise ValueError(
            f"mates has shape {np.shape(mates)}: they must be as large as the images, "
            f"{images.shape[1:]}"
        )
    if not is_int(seed) or seed < 0:
        raise ValueError(f"seed={seed!r}: it must be an integer of at least 0")
    rng = np.random.default_rng(seed)
    reconstructions = np.empty((positive_int("batches", batches), *images.shape), "f4")
    for i in range(batches):
        drawn = np.sort(rng.choice(len(mates), company, replace=False))
        others = to_float(mates[drawn], "mates")
        for j, image in enumerate(images):
            batch = np.concatenate([image[None], others])
            reconstructions[i, j] = _call(run.autoencoder, batch, training)[0]
    return reconstructions


def reconstruct_in_batches(
    run: Run, images: np.ndarray, batch_size: int = 64, training: bool = True
) -> np.ndarray:
    """Returns the reconstructions of images that are each other's company.

    They pass in their order, a batch at a time; the last batch may be smaller. In
    training mode batch normalisation takes mean and variance from each batch. Nothing
    is learnt here: weights and moving statistics stay as they are.

    Args:
        run: The trained network.
        images: `(n, 28, 28, 1)`.
        batch_size: How many share a batch.
        training: Whether in training mode, else in inference mode.

    Output shape:
        That of the images.

    Raises:
        ValueError: If the batch size is no positive integer.

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> config = CAEConfig(filters=(4,), latent_dim=2, batch_norm=True)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(), seed=0, history={}, weights=weights)
        >>> x = np.random.default_rng(0).random((20, 28, 28, 1))
        >>> calm = reconstruct_in_batches(run, x, batch_size=8, training=False)
        >>> np.allclose(calm, run.reconstruct(x), atol=1e-5)
        True
    """
    images, size = to_float(images), positive_int("batch_size", batch_size)
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([_call(run.autoencoder, x, training) for x in batches])


def _call(model: keras.Model, x: np.ndarray, training: bool) -> np.ndarray:
    """Calls a model without a trace: what it updates is returned, not assigned."""
    with one_thread(), torch.no_grad():  # one thread: on any number of cores the same
        outputs, _ = model.stateless_call(
            model.trainable_variables,
            model.non_trainable_variables,
            x,
            training=training,
        )
    return outputs.cpu().numpy()


def batch_coupling(
    run: Run, images: np.ndarray, mates: np.ndarray, batches: int = 20, seed: int = 0
) -> dict[str, float]:
    """Returns how much the reconstruction of an image depends on its batch-mates.

    Args:
        run: The trained network.
        images: The few images to watch, `(n, 28, 28, 1)`.
        mates: Where their company is drawn from, `(m, 28, 28, 1)`.
        batches: How many companies, at least 2.
        seed: It decides who the mates are.

    Returns:
        For the modes `training` and `inference`: the standard deviation of a pixel over
        the batches (root mean square over pixels and images), where 1 is the distance
        from black to white. Without batch normalisation, and in inference mode, it is 0
        but for rounding.

    Raises:
        ValueError: If there are fewer than two batches, or too few mates for one.

    References:
        Ioffe & Szegedy, Batch Normalization (2015), arXiv:1502.03167, section 3.4: "no
        longer producing deterministic values for a given training example"

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> config = CAEConfig(filters=(4,), latent_dim=2, batch_norm=True)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(batch_size=8), seed=0, history={}, weights=weights)
        >>> x = np.random.default_rng(0).random((20, 28, 28, 1))
        >>> coupling = batch_coupling(run, images=x[:1], mates=x[1:], batches=3)
        >>> coupling["training"] > coupling["inference"]
        True
    """
    if not is_int(batches) or batches < 2:
        raise ValueError(f"batches={batches!r}: it must be an integer of at least 2")
    modes = {"training": True, "inference": False}
    return {
        name: _spread(reconstruct_among(run, images, mates, batches, training, seed))
        for name, training in modes.items()
    }


def _spread(reconstructions: np.ndarray) -> float:
    variance = reconstructions.var(axis=0, ddof=1, dtype=np.float64)
    return float(np.sqrt(variance.mean()))


def fold_batch_norm(run: Run) -> keras.Model:
    """Returns the same autoencoder without batch normalisation layers.

    In inference mode the normalisation of a filter is a fixed line, y = a x + b with
    a = γ / √(variance + ε) and b = β − a · mean. The convolution before it can do that
    too: its kernel is multiplied by a, its bias becomes a · bias + b.

    Args:
        run: The trained network; without batch normalisation it is copied as it is.

    Returns:
        A `keras.Model` named `autoencoder`, as `build_autoencoder` makes it.

    References:
        Jacob et al., Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference (2018), arXiv:1712.05877, section 3.2

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> config = CAEConfig(filters=(4,), latent_dim=2, batch_norm=True)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(batch_size=8), seed=0, history={}, weights=weights)
        >>> len(weights), len(fold_batch_norm(run).get_weights())
        (12, 8)
    """
    folded = build_autoencoder(replace(run.config, batch_norm=False))
    for part in ("encoder", "decoder"):
        trained = {
            layer.name: layer for layer in run.autoencoder.get_layer(part).layers
        }
        for layer in folded.get_layer(part).layers:
            weights = trained[layer.name].get_weights()
            if f"{layer.name}_norm" in trained:
                factor, shift = _line(trained[f"{layer.name}_norm"])
                if isinstance(layer, layers.Conv2DTranspose):
                    per_filter = factor[:, None]  # its kernel: (…, filters, inputs)
                else:
                    per_filter = factor  # (…, inputs, filters)
                kernel, bias = weights
                weights = [per_filter * kernel, factor * bias + shift]
            layer.set_weights(weights)
    return folded


def _line(norm: layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Returns factor and shift of a batch normalisation in inference mode."""
    gamma, beta, mean, variance = (
        weight.astype(float) for weight in norm.get_weights()
    )
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return factor, beta - factor * mean

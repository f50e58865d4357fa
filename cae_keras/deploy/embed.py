"""A trained network as text that a page can hold: its layers, and rounded weights."""

import base64
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from cae_keras.images import to_float
from cae_keras.measurements.batch_norm import fold_batch_norm
from cae_keras.training import BATCH, Run

PARTS = ("encoder", "decoder")


def rounded(run: Run) -> keras.Model:
    """Returns the trained autoencoder as a page holds it.

    Batch normalisation is folded into the convolutions, and each weight is rounded to
    a float16. The arithmetic stays float32.

    Args:
        run: The trained network.

    Returns:
        A `keras.Model` named `autoencoder`, as `build_autoencoder` makes it.

    Raises:
        ValueError: If a weight is too large for a float16.

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> from cae_keras.models import build_autoencoder
        >>> config = CAEConfig(filters=(4,), latent_dim=2)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(), seed=0, history={}, weights=weights)
        >>> kernel = rounded(run).get_weights()[0]
        >>> bool((kernel == kernel.astype("float16")).all())
        True
    """
    model = fold_batch_norm(run)
    model.set_weights([half(w).astype("float32") for w in model.get_weights()])
    return model


def half(values: np.ndarray) -> np.ndarray:
    """Returns values as little-endian float16.

    Raises:
        ValueError: If one of them is too large for that, or no number.

    Example:
        >>> half(np.array([0.1])).astype(float)
        array([0.09997559])
    """
    with np.errstate(over="ignore"):
        halves = np.asarray(values).astype("<f2")
    if not np.isfinite(halves).all():
        worst = np.asarray(values)[~np.isfinite(halves)].flat[0]
        raise ValueError(f"{worst:g}: a float16 must lie within ±65504")
    return halves


def as_text(values: np.ndarray) -> str:
    """Returns the bytes of an array in base64, four letters for three bytes.

    Example:
        >>> as_text(np.array([1, 2, 3], "uint8"))
        'AQID'
    """
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def embedded(run: Run, parts: Sequence[str] = PARTS) -> dict:
    """Returns a trained network as plain values, as `book/_static/network.js` reads it.

    Args:
        run: The trained network.
        parts: Those of it that the page needs, out of `encoder` and `decoder`.

    Returns:
        `seed`, `latent_dim`, `count` (of weights), the layers of each part, as
        `layers_of` describes them, and `weights`: kernel and bias of each layer in this
        order, as float16 in base64.

    Raises:
        ValueError: If a weight is too large for a float16.

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> from cae_keras.models import build_autoencoder
        >>> config = CAEConfig(filters=(4,), latent_dim=2)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(), seed=0, history={}, weights=weights)
        >>> [layer["kind"] for layer in embedded(run)["encoder"]]
        ['conv', 'relu', 'reshape', 'dense']
    """
    model = rounded(run)
    models = {part: model.get_layer(part) for part in parts}
    weights = [
        half(weight).ravel()
        for model in models.values()
        for layer in model.layers
        for weight in layer.get_weights()
    ]
    packed = np.concatenate(weights)
    return {
        "seed": run.seed,
        "latent_dim": run.config.latent_dim,
        "count": len(packed),
        **{part: layers_of(model) for part, model in models.items()},
        "weights": as_text(packed),
    }


def layers_of(model: keras.Model) -> list[dict]:
    """Describes the layers of an encoder or decoder without batch normalisation.

    Args:
        model: One layer after the other, the first an input layer.

    Returns:
        For each layer its `kind`, the shapes of its `input` and `output` for one image,
        and what it needs to know besides: `size` of its kernel, `stride`, `slope` below
        zero.

    Raises:
        ValueError: If a layer is of a kind that the page cannot compute.

    Example:
        >>> images = keras.Input((28, 28, 1))
        >>> layers_of(keras.Model(images, layers.Flatten()(images)))
        [{'kind': 'reshape', 'input': [28, 28, 1], 'output': [784]}]
    """
    described, shape = [], model.input_shape
    for layer in model.layers[1:]:
        after = layer.compute_output_shape(shape)
        described.append(
            {**_kind(layer), "input": list(shape[1:]), "output": list(after[1:])}
        )
        shape = after
    return described


def _kind(layer: layers.Layer) -> dict:
    if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
        transposed = isinstance(layer, layers.Conv2DTranspose)
        kind = "conv_transpose" if transposed else "conv"
        return {"kind": kind, "size": layer.kernel_size[0], "stride": layer.strides[0]}
    if isinstance(layer, layers.Dense):
        return {"kind": "dense"}
    if isinstance(layer, layers.Flatten | layers.Reshape):
        return {"kind": "reshape"}
    if isinstance(layer, layers.ReLU):
        return {"kind": "relu"}
    if isinstance(layer, layers.LeakyReLU):
        return {"kind": "leaky_relu", "slope": float(layer.negative_slope)}
    if getattr(layer, "activation", None) is keras.activations.sigmoid:
        return {"kind": "sigmoid"}
    raise ValueError(
        f"layer {layer.name!r} is a {type(layer).__name__}: network.js has none"
    )


def moved_by_rounding(run: Run, images: np.ndarray) -> float:
    """Returns the largest change of a pixel that rounding the weights makes.

    Args:
        run: The trained network.
        images: `(n, 28, 28, 1)`.

    Returns:
        A difference of intensities, where 1 is the distance from black to white.

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> from cae_keras.models import build_autoencoder
        >>> config = CAEConfig(filters=(4,), latent_dim=2)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(), seed=0, history={}, weights=weights)
        >>> 0 < moved_by_rounding(run, np.ones((1, 28, 28, 1))) < 0.01
        True
    """
    images = to_float(images)
    after = rounded(run).predict(images, batch_size=BATCH, verbose=0)
    return float(abs(after - run.reconstruct(images)).max())

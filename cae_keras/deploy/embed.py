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
KINDS = {  # what `network.js` calls the layers that it has
    layers.Conv2D: "conv", layers.Conv2DTranspose: "conv_transpose",
    layers.Dense: "dense", layers.Flatten: "reshape", layers.Reshape: "reshape",
    layers.ReLU: "relu", layers.LeakyReLU: "leaky_relu",
}  # fmt: skip


def rounded(run: Run) -> keras.Model:
    """Returns the trained autoencoder as a page holds it.

    Batch normalisation is folded into the convolutions, and each weight is rounded to
    a float16. The arithmetic stays float32.

    Example:
        >>> from cae_keras.config import CAEConfig
        >>> run = Run.untrained(CAEConfig(filters=(4,), latent_dim=2))
        >>> kernel = rounded(run).get_weights()[0]
        >>> bool((kernel == kernel.astype("float16")).all())
        True
    """
    model = fold_batch_norm(run)
    model.set_weights([half(w).astype("float32") for w in model.get_weights()])
    return model


def moved_by_rounding(run: Run, images: np.ndarray) -> float:
    """Returns the largest change of a pixel in [0, 1] that rounding the weights makes.

    Example:
        >>> from cae_keras.config import CAEConfig
        >>> run = Run.untrained(CAEConfig(filters=(4,), latent_dim=2))
        >>> 0 < moved_by_rounding(run, np.ones((1, 28, 28, 1))) < 0.01
        True
    """
    images = to_float(images)
    after = rounded(run).predict(images, batch_size=BATCH, verbose=0)
    return float(abs(after - run.reconstruct(images)).max())


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


def base64_of(values: np.ndarray | bytes) -> str:
    """Returns the bytes of an array in base64, four letters for three bytes.

    Example:
        >>> base64_of(np.array([1, 2, 3], "uint8"))
        'AQID'
    """
    return base64.b64encode(bytes(values)).decode()


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
        >>> from cae_keras.config import CAEConfig
        >>> run = Run.untrained(CAEConfig(filters=(4,), latent_dim=2))
        >>> [layer["kind"] for layer in embedded(run)["encoder"]]
        ['conv', 'relu', 'reshape', 'dense']
    """
    model = rounded(run)
    models = {part: model.get_layer(part) for part in parts}
    weights = [weight for part in models.values() for weight in part.get_weights()]
    packed = np.concatenate([half(weight).ravel() for weight in weights])
    return {
        "seed": run.seed,
        "latent_dim": run.config.latent_dim,
        "count": len(packed),
        **{part: layers_of(model) for part, model in models.items()},
        "weights": base64_of(packed),
    }


def layers_of(model: keras.Model) -> list[dict]:
    """Describes the layers of an encoder or decoder without batch normalisation.

    Of each its `kind`, the shapes of its `input` and `output` for one image, and what
    the page needs to know besides: `size` of its kernel, `stride`, `slope` below zero.

    Raises:
        ValueError: If a layer is of a kind that the page cannot compute.
    """
    return [_described(layer) for layer in model.layers[1:]]


def _described(layer: layers.Layer) -> dict:
    kind = KINDS.get(type(layer))
    if getattr(layer, "activation", None) is keras.activations.sigmoid:
        kind = "sigmoid"
    if kind is None:
        raise ValueError(
            f"layer {layer.name!r} is a {type(layer).__name__}: network.js has none"
        )
    before, after = (list(x.shape[1:]) for x in (layer.input, layer.output))
    about = {"kind": kind, "input": before, "output": after}
    if kind in ("conv", "conv_transpose"):
        about |= {"size": layer.kernel_size[0], "stride": layer.strides[0]}
    if kind == "leaky_relu":
        about["slope"] = float(layer.negative_slope)
    return about

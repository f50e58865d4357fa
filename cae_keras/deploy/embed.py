"""A trained network, or PCA, as text that a page can hold: rounded to float16."""

import base64
from collections.abc import Collection, Sequence

import keras
import numpy as np
from keras import layers

from cae_keras.images import to_float
from cae_keras.measurements.baselines import PCA
from cae_keras.measurements.batch_norm import fold_batch_norm
from cae_keras.training import BATCH, Run

PARTS = ("encoder", "decoder")
KINDS = {  # what `network.js` calls the layers that it has
    layers.Conv2D: "conv", layers.Conv2DTranspose: "conv_transpose",
    layers.Dense: "dense", layers.Flatten: "reshape", layers.Reshape: "reshape",
    layers.ReLU: "relu", layers.LeakyReLU: "leaky_relu",
}  # fmt: skip


def rounded(run: Run) -> keras.Model:
    """Returns the autoencoder that a page holds: folded, each weight a float16.

    The arithmetic stays float32.
    """
    model = fold_batch_norm(run)
    model.set_weights([half(w).astype("float32") for w in model.get_weights()])
    return model


def moved_by_rounding(run: Run, images: np.ndarray) -> float:
    """Returns by how much, in [0, 1], rounding the weights moves a pixel at most."""
    images = to_float(images)
    after = rounded(run).predict(images, batch_size=BATCH, verbose=0)
    return float(abs(after - run.reconstruct(images)).max())


def half(values: np.ndarray) -> np.ndarray:
    """Returns values as little-endian float16; none may be too large, or no number."""
    with np.errstate(over="ignore"):
        halves = np.asarray(values).astype("<f2")
    if not np.isfinite(halves).all():
        worst = np.asarray(values)[~np.isfinite(halves)].flat[0]
        raise ValueError(f"{worst:g}: a float16 must lie within ±65504")
    return halves


def base64_of(values: np.ndarray | bytes) -> str:
    """Returns the bytes of an array in base64, four letters for three bytes."""
    return base64.b64encode(bytes(values)).decode()


def embedded(run: Run, parts: Sequence[str] = PARTS) -> dict:
    """Returns a trained network as plain values, as `book/_static/network.js` reads it.

    `weights` holds kernel and bias of each layer, in the order of the layers.
    """
    model = rounded(run)
    models = {part: model.get_layer(part) for part in parts}
    weights = [weight for part in models.values() for weight in part.get_weights()]
    packed = np.concatenate([half(weight).ravel() for weight in weights])
    return {
        "seed": run.seed,
        "latent_dim": run.config.latent_dim,
        "count": len(packed),
        **{p: [described(x) for x in m.layers[1:]] for p, m in models.items()},
        "weights": base64_of(packed),
    }


def embedded_pca(pca: PCA, lengths: Collection[int], images: np.ndarray) -> dict:
    """Returns as much of PCA as the longest code needs, as `network.js` reads it.

    `reach` holds 99 % of the numbers in the shortest codes of images, which are the
    largest: components come in that order.
    """
    codes = pca.encode(images, min(lengths))
    return {
        "mean": base64_of(half(pca.mean)),
        "components": base64_of(half(pca.components[: max(lengths)])),
        "reach": float(np.quantile(abs(codes), 0.99)),
    }


def described(layer: layers.Layer) -> dict:
    """Returns what the page needs to know of a layer, for one image."""
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

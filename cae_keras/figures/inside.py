"""Pictures of what is inside a network: its first kernels, its latents."""

from collections.abc import Mapping

import numpy as np
from matplotlib.patheffects import withStroke

from cae_keras.figures.style import Figure, bare, styled

CLASS_COLORS = (  # Tol's muted scheme (personal.sron.nl/~pault), the light ones darker
    "#332288", "#CC6677", "#117733", "#AA4499", "#4FA3D1",
    "#999933", "#882255", "#3A9A8A", "#777777", "#B8901F",
)  # fmt: skip
MOST_POINTS, MOST_KERNELS = 4000, 32


@styled
def latent_map(latents: np.ndarray, labels: np.ndarray) -> Figure:
    """Draws images at their two latents, coloured and named by class.

    Of more than 4,000 images every second, third and so on is drawn; the names stand
    at the medians of all, or a little beside them where two would touch.

    Args:
        latents: `(n, 2)`.
        labels: `(n,)`, the class of each.

    Raises:
        ValueError: If there are not two latents, or a label for each.

    Example:
        >>> latents = np.array([[0.0, 0.0], [3.0, 4.0], [9.0, 9.0]])
        >>> latent_map(latents, np.array([0, 1, 7])).alt.split(". ")[1]
        'The medians of 0 and 1 are closest, those of 0 and 7 farthest apart.'
    """
    if latents.ndim != 2 or latents.shape[1] != 2:
        raise ValueError(f"latents has shape {latents.shape}: it must be (n, 2)")
    if np.shape(labels) != latents.shape[:1]:
        raise ValueError(
            f"labels has shape {np.shape(labels)}: it must be ({len(latents)},)"
        )
    classes = np.unique(labels)
    medians = np.array([np.median(latents[labels == c], axis=0) for c in classes])
    figure = Figure(5.6, _say_medians(len(latents), classes, medians))
    axis = figure.subplots()
    some = slice(None, None, -(-len(latents) // MOST_POINTS))
    colors = [CLASS_COLORS[label % 10] for label in labels[some]]
    axis.scatter(*latents[some].T, s=6, c=colors, lw=0)
    look = {"ha": "center", "va": "center", "size": 18, "weight": "bold"}
    look["path_effects"] = [withStroke(linewidth=4, foreground="white")]
    for name, place in zip(classes, _apart(medians, latents), strict=True):
        axis.text(*place, str(name), **look)
    axis.set(xlabel="first latent", ylabel="second latent")
    return figure


@styled
def kernels(by_model: Mapping[str, np.ndarray]) -> Figure:
    """Draws the kernels of first layers, the strongest first, all on one scale.

    A model has `(height, width, 1, filters)`; of more than 32 the strongest are drawn.

    Example:
        >>> ramp = np.arange(32.0).reshape(4, 4, 1, 2)
        >>> kernels({"narrow": ramp}).alt
        'Kernels of the first layer, between -31 and 31: narrow 2 of 2.'
    """
    top = max(np.abs(weights).max() for weights in by_model.values())
    mosaics = [_mosaic(weights) for weights in by_model.values()]
    counts = {name: weights.shape[-1] for name, weights in by_model.items()}
    said = [f"{name} {min(n, MOST_KERNELS)} of {n}" for name, n in counts.items()]
    alt = f"Kernels of the first layer, between {-top:.3g} and {top:.3g}: "
    heights = [len(mosaic) for mosaic in mosaics]
    inches = sum(heights) * 4.7 / max(mosaic.shape[1] for mosaic in mosaics)
    figure = Figure(inches + 0.2 * len(heights), alt + ", ".join(said) + ".")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, words, mosaic in zip(axes, said, mosaics, strict=True):
        image = axis.imshow(mosaic, cmap="PuOr", vmin=-top, vmax=top)
        bare(axis)
        axis.set(anchor="W", facecolor="#808080")
        axis.set_ylabel(words, rotation=0, ha="right", va="center", labelpad=6)
    figure.colorbar(image, ax=list(axes), label="weight", aspect=15)
    return figure


def _mosaic(weights: np.ndarray) -> np.ndarray:
    """Lays 16 kernels in a row, the largest norm first, with a thin gap between."""
    kernels = np.moveaxis(weights[:, :, 0], -1, 0)
    strongest = np.argsort(-np.linalg.norm(kernels, axis=(1, 2)), kind="stable")
    kernels = kernels[strongest[:MOST_KERNELS]].repeat(3, axis=1).repeat(3, axis=2)
    empty = -len(kernels) % 16  # fills the last row
    tiles = np.pad(kernels, ((0, empty), (0, 1), (0, 1)), constant_values=np.nan)
    rows = tiles.reshape(-1, 16, *tiles.shape[1:])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def _apart(points: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """Moves points apart until 4.5 % of the map of `cloud` lie between any two."""
    size = np.maximum(np.ptp(cloud, axis=0), 1e-9)
    points = points / size
    for _ in range(100):
        gaps = points[:, None] - points
        far = np.linalg.norm(gaps, axis=-1, keepdims=True) + 1e-9
        points = points + (gaps / far * np.clip(0.045 - far, 0, None) / 4).sum(axis=1)
    return points * size


def _say_medians(n: int, classes: np.ndarray, medians: np.ndarray) -> str:
    """Says which classes lie closest and which farthest apart."""
    alt = f"{n:,} images at their two latents, by class. "
    if len(classes) < 2:
        return alt.strip()
    one, other = np.triu_indices(len(classes), 1)
    apart = np.linalg.norm(medians[one] - medians[other], axis=-1)
    ends = [apart.argmin(), apart.argmax()]
    (a, b), (c, d) = zip(classes[one[ends]], classes[other[ends]], strict=True)
    return (
        f"{alt}The medians of {a} and {b} are closest, those of {c} and {d} farthest "
        "apart."
    )

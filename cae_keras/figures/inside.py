"""Pictures of what is inside a network: its first kernels, its latents."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from matplotlib.patheffects import withStroke

from cae_keras.figures.style import Figure, bare, pictured, styled

CLASS_COLORS = (  # Tol's muted scheme (personal.sron.nl/~pault), the light ones darker
    "#332288", "#CC6677", "#117733", "#AA4499", "#4FA3D1",
    "#999933", "#882255", "#3A9A8A", "#777777", "#B8901F",
)  # fmt: skip
MOST_POINTS = 4000


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
    for name, place in named_places(latents, labels).items():
        axis.text(*place, str(name), **look)
    axis.set(xlabel="first latent", ylabel="second latent")
    return figure


@pictured
def kernels(by_model: Mapping[str, np.ndarray]) -> Figure:
    """Draws the kernels of first layers in opposing pairs, with the cosine of each.

    A model has `(height, width, 1, filters)`, at least two filters; of more than eight
    pairs the most opposed are drawn. Each kernel fills the scale of colours.

    Example:
        >>> ramp = np.arange(16.0).reshape(4, 4, 1, 1)
        >>> kernels({"narrow": np.concatenate([ramp, -ramp], axis=-1)}).alt
        'Pairs of first kernels, the most opposed first. Their cosines: narrow −1.00.'
    """
    pairs = {name: opposing_pairs(weights) for name, weights in by_model.items()}
    pairs = {name: dict([*found.items()][:8]) for name, found in pairs.items()}
    counts = [-(-len(found) // 4) for found in pairs.values()]  # rows of four pairs
    figure, said = Figure(0.95 * sum(counts)), []
    parts = np.atleast_1d(figure.subfigures(len(pairs), 1, height_ratios=counts))
    for part, count, (name, found) in zip(parts, counts, pairs.items(), strict=True):
        axes = [*part.subplots(count, 4, squeeze=False).flat]
        part.supylabel(name, fontsize="medium")
        for axis in axes:
            bare(axis)
        cosines = [f"{cosine:.2f}".replace("-", "−") for cosine in found.values()]
        for axis, pair, cosine in zip(axes, found, cosines, strict=False):
            two = [by_model[name][:, :, 0, i] for i in pair]
            two = [kernel / max(np.abs(kernel).max(), 1e-12) for kernel in two]
            two = [kernel.repeat(4, axis=0).repeat(4, axis=1) for kernel in two]
            gap = np.full((len(two[0]), 1), np.nan)
            axis.imshow(np.hstack([two[0], gap, two[1]]), cmap="PuOr", vmin=-1, vmax=1)
            axis.set_xlabel(cosine, labelpad=2)
        said.append(f"{name} {', '.join(cosines)}")
    alt = "Pairs of first kernels, the most opposed first. Their cosines: "
    figure.alt = f"{alt}{'; '.join(said)}."
    return figure


def opposing_pairs(weights: np.ndarray) -> dict[tuple[int, int], float]:
    """Pairs kernels off: the two most opposed, then of the others, and so on.

    Args:
        weights: `(..., filters)`.

    Returns:
        For each pair, by the indices of its filters, the cosine of the angle between
        them: −1 if one is the other times a negative number.

    Example:
        >>> opposing_pairs(np.array([[1.0, 1.0, -2.0], [0.0, 1.0, 0.0]]))
        {(0, 2): -1.0}
    """
    arrows = weights.reshape(-1, weights.shape[-1])
    arrows = arrows / np.maximum(np.linalg.norm(arrows, axis=0), 1e-12)
    cosines = arrows.T @ arrows
    pairs, free = {}, set(range(len(cosines)))
    for pair in sorted(combinations(free, 2), key=lambda pair: cosines[pair]):
        if free.issuperset(pair):
            pairs[pair] = float(cosines[pair])
            free -= set(pair)
    return pairs


def named_places(latents: np.ndarray, labels: np.ndarray) -> dict[int, np.ndarray]:
    """Returns where to name each class: at its median, or where no two names touch."""
    classes = np.unique(labels).tolist()
    medians = np.array([np.median(latents[labels == c], axis=0) for c in classes])
    return dict(zip(classes, _apart(medians, latents), strict=True))


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

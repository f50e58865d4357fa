"""Pictures of digits and of what becomes of them."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import FancyArrowPatch

from cae_keras.config import positive_int
from cae_keras.figures.style import MIDDLE, WIDTH, Figure, bare, pictured

INK = {"cmap": "gray", "vmin": 0, "vmax": 1}  # white on black
LOST, ADDED = ("#ffd3a0", "#e8871e"), ("#8d76d6", "#ddd3ff")  # orange and purple
LOST_ADDED = LinearSegmentedColormap.from_list(  # black as paper is: no glare at night
    "ink", [*zip((0, 0.3, 0.5, 0.7, 1), (*LOST, "black", *ADDED), strict=True)]
)
ERROR = {"cmap": LOST_ADDED, "vmin": -1, "vmax": 1}


@pictured
def digits(
    images: np.ndarray,
    titles: Sequence[str] = (),
    columns: int = 10,
    alt: str = "",
    **limits,
) -> Figure:
    """Draws images side by side, white ink on black as they are stored.

    Args:
        images: `(n, height, width, 1)`.
        titles: A short text above each image.
        **limits: `cmap`, `vmin`, `vmax`, if they are no grey pictures in [0, 1].

    Raises:
        ValueError: If `columns` is no positive integer.

    Example:
        >>> digits(np.zeros((3, 28, 28, 1))).alt
        '3 images of handwritten digits.'
    """
    rows = -(-len(images) // positive_int("columns", columns))
    height = WIDTH / columns * (1.3 if titles else 1.05) * rows
    figure = Figure(height, alt or f"{len(images)} images of handwritten digits.")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, image in zip(axes, images, strict=False):
        axis.imshow(image[..., 0], **INK | limits)
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title, fontsize=8.5 if columns > 6 else 10)
    return figure


@pictured
def reconstructions(
    originals: np.ndarray, by_model: Mapping[str, np.ndarray]
) -> Figure:
    """Draws digits, what each model makes of them, and where it errs, on one scale.

    Args:
        originals: `(n, 28, 28, 1)`, floats in [0, 1].
        by_model: For each model reconstructions, of the same shape.

    Raises:
        ValueError: If there is no model, or shapes differ.

    Example:
        >>> x = np.ones((1, 28, 28, 1))
        >>> reconstructions(x, {"half": x / 2}).alt.split("half: ")[1]
        'mean squared error 0.2500, the worst 0.2500.'
    """
    if not by_model:
        raise ValueError("by_model is empty: it must name at least one model")
    for name, x_hat in by_model.items():
        if x_hat.shape != originals.shape:
            raise ValueError(
                f"{name} has shape {x_hat.shape}: it must be {originals.shape}, that "
                "of the originals"
            )
    drawn, errors = [("original", originals, INK)], []
    for name, x_hat in by_model.items():
        drawn += [(name, x_hat, INK), ("error", x_hat - originals, ERROR)]
        errors.append(((x_hat - originals) ** 2).mean(axis=(1, 2, 3)))
    said = "; ".join(
        f"{name}: mean squared error {e.mean():.4f}, the worst {e.max():.4f}"
        for name, e in zip(by_model, errors, strict=True)
    )
    n = len(originals)
    height = (WIDTH - 2) / n * len(drawn) * 1.06 + 0.22 * len(by_model)
    alt = f"{n} images and their reconstructions. {said}."
    figure, axes = _picture_table(drawn, height, alt)
    for axis, error in zip(axes[2::2].flat, np.ravel(errors), strict=True):
        axis.set_xlabel(f"{error:.4f}", fontsize=8.5, labelpad=2)
    bar = figure.colorbar(
        axes[2, 0].images[0], ax=axes, shrink=0.5, aspect=20, fraction=0.04, pad=0.01,
        ticks=(-1, 0, 1),
    )  # fmt: skip
    bar.set_ticklabels(["ink\nlost", "0", "ink\nadded"], fontsize=8.5)
    return figure


@pictured
def rows(
    by_label: Mapping[str, np.ndarray],
    titles: Sequence[str] = (),
    alt: str = "",
    differences: Collection[str] = (),
) -> Figure:
    """Draws rows of images, such as two ways from one digit to another.

    A row has a label and `(n, height, width, 1)`, a column may have a title. Values lie
    in [0, 1]; those of the rows that are `differences` in [−1, 1], drawn as errors are.

    Example:
        >>> rows({"pixels": np.zeros((8, 28, 28, 1))}).alt
        'Rows of 8 images: pixels.'
    """
    n = max(map(len, by_label.values()))
    height = WIDTH / (n + 1.2) * len(by_label) * 1.06 + (0.35 if titles else 0.1)
    alt = alt or f"Rows of {n} images: {', '.join(by_label)}."
    drawn = [
        (label, images, ERROR if label in differences else INK)
        for label, images in by_label.items()
    ]
    figure, axes = _picture_table(drawn, height, alt)
    for axis, title in zip(axes[0], titles, strict=False):
        axis.set_title(title, fontsize=9)
    return figure


def _picture_table(
    drawn: Sequence[tuple], height: float, alt: str
) -> tuple[Figure, np.ndarray]:
    """Draws rows of images, each row with its label and the limits of `imshow`."""
    figure = Figure(height, alt)
    figure.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    n = max(len(images) for _, images, _ in drawn)
    axes = figure.subplots(len(drawn), n, squeeze=False)
    for row, (label, images, limits) in zip(axes, drawn, strict=True):
        for axis, image in zip(row, images, strict=False):
            axis.imshow(image[..., 0], **limits)
            bare(axis)
        for axis in row[len(images) :]:
            axis.set_axis_off()
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    return figure, axes


@pictured
def overview(
    image: np.ndarray,
    encoded: Sequence[np.ndarray],
    latents: np.ndarray,
    decoded: Sequence[np.ndarray],
    x_hat: np.ndarray,
) -> Figure:
    """Draws one digit on its way through an autoencoder, layer by layer.

    Args:
        image: `(28, 28, 1)`, as `x_hat`.
        encoded: What each layer of the encoder makes of it, `(side, side, filters)`.
        latents: `(latent_dim,)`.
        decoded: What each layer of the decoder makes of them.

    Example:
        >>> x, maps, latents = np.ones((28, 28, 1)), [np.ones((14, 14, 8))], np.ones(4)
        >>> overview(x, maps, latents, maps, x).alt[:46]
        'A digit goes 28×28×1 → 14×14×8 → 4 numbers, an'
    """
    sizes = " → ".join("×".join(map(str, m.shape)) for m in (image, *encoded))
    alt = (
        f"A digit goes {sizes} → {len(latents)} numbers, and back to an image; mean "
        f"squared error {((image - x_hat) ** 2).mean():.4f}."
    )
    figure = Figure(2.3, alt, width=WIDTH * 1.3)
    figure.set_layout_engine("none")
    maps = [image, *encoded, None, *decoded, x_hat]  # None: the latents
    step = 1 / len(maps)
    for i, feature_map in enumerate(maps):
        centre = (i + 0.5) * step
        if feature_map is None:
            _strip(figure, latents, centre)
            label = f"{len(latents)}\nlatents"
        else:
            side, _, filters = feature_map.shape
            _stack(figure, feature_map, centre, step * (0.3 + 0.6 * side / 28))
            label = f"{side}×{side}" + (f"\n× {filters}" if filters > 1 else "\n")
        figure.text(centre, 0.02, label, ha="center", va="bottom", fontsize=9)
    middle = (len(encoded) + 1.5) * step
    _arrow(figure, 0.01, middle - 0.03, "encoder")
    _arrow(figure, middle + 0.03, 0.99, "decoder")
    return figure


def _strip(figure: Figure, latents: np.ndarray, centre: float):
    """Draws latents as a column of colours."""
    axis = figure.add_axes((centre - 0.012, 0.16, 0.024, 0.68))
    top = abs(latents).max()
    axis.imshow(latents[:, None], cmap="PuOr", aspect="auto", vmin=-top, vmax=top)
    axis.set_axis_off()


def _arrow(figure: Figure, start: float, end: float, name: str):
    """Draws an arrow along the upper edge, with a name on it."""
    arrow = FancyArrowPatch(
        (start, 0.9), (end, 0.9), arrowstyle="-|>", mutation_scale=12, color=MIDDLE
    )
    figure.add_artist(arrow)
    figure.text((start + end) / 2, 0.915, name, ha="center", va="bottom")


def _stack(figure: Figure, feature_map: np.ndarray, centre: float, width: float):
    """Draws up to three of a layer's most active feature maps, one behind the other."""
    strongest = feature_map.std(axis=(0, 1)).argsort()[::-1][:3]
    aspect = figure.get_figwidth() / figure.get_figheight()
    shift = width * 0.16 if len(strongest) > 1 else 0
    for depth, channel in reversed(list(enumerate(strongest))):
        offset = shift * (depth - (len(strongest) - 1) / 2) - width / 2
        place = (centre + offset, 0.52 + offset * aspect, width, width * aspect)
        axis = figure.add_axes(place)
        axis.imshow(feature_map[..., channel], cmap="gray")
        bare(axis)
        axis.spines[:].set(visible=True, color=MIDDLE, lw=1)


def card(title: str, rows: Mapping[str, np.ndarray]) -> Figure:
    """Draws the picture that stands for the book where a link to it is shown.

    It is 1,200 × 630 pixels when saved with 100 dots an inch.

    Example:
        >>> card("A book", {"original": np.zeros((3, 28, 28, 1))}).alt
        'A book. Digits, row by row: original.'
    """
    alt = f"{title}. Digits, row by row: {', '.join(rows)}."
    figure = Figure(6.3, alt, width=12)
    figure.set_layout_engine("none")
    figure.set_facecolor("black")
    figure.text(0.04, 0.93, title, color="white", fontsize=27, va="top")
    height = 0.78 / len(rows)
    for i, (label, images) in enumerate(rows.items()):
        bottom = 0.78 - (i + 1) * height + 0.03
        figure.text(0.04, bottom + height / 2, label, color="white", fontsize=19)
        strip = np.concatenate(list(images[..., 0]), axis=1)
        axis = figure.add_axes((0.24, bottom, 0.74, height))
        axis.imshow(strip, **INK, interpolation="nearest")
        axis.set_axis_off()
    return figure

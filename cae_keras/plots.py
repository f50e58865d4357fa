"""The figures of the book: arrays in, a `Figure` out. Draws only."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import LogLocator, StrMethodFormatter

from cae_keras.figure import BASELINE, FLOOR, PALETTE, WIDTH, Figure, styled


@styled
def digits(images: np.ndarray, titles: Sequence[str] = (), columns: int = 10, alt: str = "", **limits) -> Figure:
    """Draws images side by side, white ink on black as they are stored.

    Args:
        images: `(n, height, width, 1)`.
        titles: A short text above each image.
        columns: Images in a row.
        alt: What is to be seen.
        **limits: `cmap`, `vmin`, `vmax`, where the images are no grey pictures in [0, 1].
    """
    rows = -(-len(images) // columns)
    height = WIDTH / columns * (1.3 if titles else 1.05) * rows
    figure = Figure(WIDTH, height, alt or f"{len(images)} images of handwritten digits.")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image[..., 0], **{"cmap": "gray", "vmin": 0, "vmax": 1, **limits})
        if titles:
            axis.set_title(titles[i], fontsize=8.5 if columns > 6 else 10)
    return figure


@styled
def reconstructions(originals: np.ndarray, by_model: Mapping[str, np.ndarray]) -> Figure:
    """Draws digits, and below them what each model makes of them and where it errs; all error maps share one scale.

    Args:
        originals: `(n, 28, 28, 1)`, floats in [0, 1].
        by_model: A name, and reconstructions of the same shape, for each model.
    """
    errors = {name: ((x_hat - originals) ** 2).mean(axis=(1, 2, 3)) for name, x_hat in by_model.items()}
    said = "; ".join(
        f"{name}: mean squared error {e.mean():.4f}, the worst {e.max():.4f}" for name, e in errors.items()
    )
    n, rows = len(originals), 1 + 2 * len(by_model)
    figure = Figure(WIDTH, WIDTH / (n + 1.2) * rows * 1.16 + 0.15, f"{n} digits and their reconstructions. {said}.")
    figure.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    axes = figure.subplots(rows, n, squeeze=False)
    _picture_row(axes[0], originals, "original")
    for i, (name, x_hat) in enumerate(by_model.items()):
        _picture_row(axes[1 + 2 * i], x_hat, name)
        shown = _picture_row(axes[2 + 2 * i], x_hat - originals, "error", cmap="PuOr", vmin=-1)
        for axis, error in zip(axes[2 + 2 * i], errors[name], strict=True):
            axis.set_xlabel(f"{error:.4f}", fontsize=8, labelpad=2)
    figure.colorbar(shown, ax=axes[2::2], shrink=0.9, aspect=18, ticks=(-1, 0, 1)).set_ticklabels(
        ["ink lost", "0", "ink added"], fontsize=8
    )
    return figure


@styled
def loss_curves(histories: Mapping[str, Sequence[Mapping]], floor: float) -> Figure:
    """Draws training and validation BCE an epoch: the mean over seeds, with a band from the least to the largest.

    Args:
        histories: For each model a name and the histories of its runs, one a seed.
        floor: The BCE that no model can pass, drawn as a line.
    """
    said = []
    figure = Figure(WIDTH, 3.6, "")
    axis = figure.subplots()
    for name, color in zip(histories, _colors(histories), strict=True):
        for kind, line in (("val_loss", "-"), ("loss", ":")):
            values = np.array([history[kind] for history in histories[name]])
            epochs = np.arange(1, values.shape[1] + 1)
            label = f"{name}, {'validation' if kind == 'val_loss' else 'training'}"
            axis.plot(epochs, values.mean(axis=0), line, color=color, label=label, marker="o", markersize=3.5)
            if len(values) > 1:
                axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, lw=0)
            if kind == "val_loss":
                first, last = values.mean(axis=0)[[0, -1]]
                said.append(f"{name} goes from {first:.4f} after the first epoch to {last:.4f} after the last")
    axis.axhline(floor, color=FLOOR, ls="--", lw=1.2, label=f"floor, BCE(x, x) = {floor:.4f}")
    axis.set(xlabel="epoch", ylabel="binary cross-entropy per pixel (nats)", xticks=epochs)
    axis.legend()
    figure.alt = f"Validation loss over {len(epochs)} epochs: {'; '.join(said)}. The floor is {floor:.4f}."
    return figure


@styled
def curves(x: np.ndarray, by_label: Mapping[str, np.ndarray], xlabel: str, ylabel: str, alt: str, **settings) -> Figure:
    """Draws lines over a common axis; `settings` are those of matplotlib's `Axes.set`."""
    figure = Figure(WIDTH, 3.3, alt)
    axis = figure.subplots()
    styles = ("-", "--", "-.", ":")
    for i, ((label, y), color) in enumerate(zip(by_label.items(), _colors(by_label), strict=True)):
        axis.plot(x, y, styles[i % 4], color=color, label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel, **settings)
    if len(by_label) > 1:
        axis.legend()
    return figure


@styled
def error_by_size(sizes: Sequence[int], by_label: Mapping[str, Sequence[float]], points: Mapping[str, tuple]) -> Figure:
    """Draws mean squared error against the number of values in a code, both on log axes.

    Args:
        sizes: How many numbers each code has.
        by_label: A name, and an error for each size.
        points: Single models: a name, and its (size, error).
    """
    said = [f"{label} goes from {y[0]:.4f} to {y[-1]:.4f}" for label, y in by_label.items()]
    said += [f"{label} with {size} numbers is at {error:.4f}" for label, (size, error) in points.items()]
    figure = Figure(WIDTH, 3.5, f"Mean squared error from {sizes[0]} to {sizes[-1]} numbers: {'; '.join(said)}.")
    axis = figure.subplots()
    for (label, y), color in zip(by_label.items(), PALETTE, strict=False):
        axis.plot(sizes, y, marker="o", markersize=4, color=color, label=label)
    for label, (size, error) in points.items():
        axis.plot(size, error, "D", markersize=8, color=BASELINE, ls="none", label=label)
    axis.set(xscale="log", yscale="log", xlabel="numbers kept of each image", ylabel="mean squared error per pixel")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.minorticks_off()
    axis.legend()
    return figure


@styled
def bars(labels: Sequence[str], values: np.ndarray, xlabel: str, ylabel: str) -> Figure:
    """Draws one bar a label, and the mean as a line."""
    values = np.asarray(values)
    low, high = labels[int(values.argmin())], labels[int(values.argmax())]
    alt = f"{ylabel} by {xlabel}: least for {low} ({values.min():.4f}), largest for {high} ({values.max():.4f})."
    figure = Figure(WIDTH, 2.9, alt)
    axis = figure.subplots()
    axis.bar(labels, values, color=PALETTE[0], width=0.7)
    axis.axhline(values.mean(), color=BASELINE, ls="--", lw=1.2, label=f"mean {values.mean():.4f}")
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(axis="x", visible=False)
    axis.legend()
    return figure


@styled
def latent_use(latents: np.ndarray) -> Figure:
    """Draws how latents are used: the standard deviation of each, largest first, and how they correlate.

    Args:
        latents: `(n, latent_dim)`.
    """
    spread = latents.std(axis=0)
    order = spread.argsort()[::-1]
    correlation = np.corrcoef(latents[:, order], rowvar=False)
    off = np.abs(correlation[~np.eye(len(order), dtype=bool)])
    alt = (
        f"Left: the standard deviations of the {len(order)} latents lie between {spread.min():.2f} "
        f"and {spread.max():.2f}. Right: their correlations are {off.mean():.2f} in size on average, {off.max():.2f} at most."
    )
    figure = Figure(WIDTH, 3.1, alt)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    left.bar(range(len(order)), spread[order], color=PALETTE[0])
    left.set(xlabel="latent, by its spread", ylabel="standard deviation", ylim=(0, None))
    shown = right.imshow(correlation, cmap="PuOr", vmin=-1, vmax=1)
    right.set(xlabel="latent", ylabel="latent")
    right.grid(visible=False)
    figure.colorbar(shown, ax=right, label="correlation", shrink=0.9)
    return figure


@styled
def overview(image: np.ndarray, encoded: Sequence[np.ndarray], latents: np.ndarray, decoded: Sequence[np.ndarray],
             x_hat: np.ndarray) -> Figure:  # fmt: skip
    """Draws one digit on its way through an autoencoder: image, feature maps, latents, feature maps, reconstruction.

    Args:
        image: `(28, 28, 1)`.
        encoded: What each layer of the encoder makes of it, `(side, side, filters)`.
        latents: `(latent_dim,)`.
        decoded: The same for the decoder.
        x_hat: `(28, 28, 1)`.
    """
    error = ((image - x_hat) ** 2).mean()
    sizes = " → ".join(f"{m.shape[0]}×{m.shape[1]}×{m.shape[2]}" for m in (image, *encoded))
    alt = f"A digit goes {sizes} → {len(latents)} numbers, and back to an image; mean squared error {error:.4f}."
    figure = Figure(WIDTH * 1.3, 2.3, alt)
    figure.set_layout_engine("none")
    maps = [image, *encoded, None, *decoded, x_hat]
    step = 1 / len(maps)
    for i, feature_map in enumerate(maps):
        centre = (i + 0.5) * step
        if feature_map is None:
            axis = figure.add_axes((centre - 0.012, 0.16, 0.024, 0.68))
            axis.imshow(latents[:, None], cmap="PuOr", aspect="auto", vmin=-abs(latents).max(), vmax=abs(latents).max())
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set_visible(False)
            label = f"{len(latents)}\nlatents"
        else:
            side, _, filters = feature_map.shape
            _stack(figure, feature_map, centre, step * (0.3 + 0.6 * side / 28))
            label = f"{side}×{side}" + (f"\n× {filters}" if filters > 1 else "\n")
        figure.text(centre, 0.02, label, ha="center", va="bottom", fontsize=9, linespacing=1.1)
    middle = (len(encoded) + 1.5) * step
    for start, end, name in ((0.01, middle - 0.03, "encoder"), (middle + 0.03, 0.99, "decoder")):
        figure.add_artist(FancyArrowPatch((start, 0.94), (end, 0.94), arrowstyle="-|>", mutation_scale=12, color=FLOOR))
        figure.text((start + end) / 2, 0.94, name, ha="center", va="center", backgroundcolor="white")
    return figure


def _stack(figure: Figure, feature_map: np.ndarray, centre: float, width: float):
    """Draws up to three of a layer's most active feature maps, one behind the other."""
    strongest = feature_map.std(axis=(0, 1)).argsort()[::-1][:3]
    aspect = figure.get_figwidth() / figure.get_figheight()
    shift = width * 0.16 if len(strongest) > 1 else 0
    for depth, channel in reversed(list(enumerate(strongest))):
        offset = shift * (depth - (len(strongest) - 1) / 2)
        axis = figure.add_axes(
            (centre - width / 2 + offset, 0.52 + (offset - width / 2) * aspect, width, width * aspect)
        )
        axis.imshow(feature_map[..., channel], cmap="gray")
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        axis.spines[:].set(visible=True, color="white", lw=1)


def _picture_row(axes, images: np.ndarray, label: str, cmap: str = "gray", vmin: float = 0):
    """Fills one row of a picture table; returns the last image, for a colour bar."""
    for axis, image in zip(axes, images, strict=True):
        shown = axis.imshow(image[..., 0], cmap=cmap, vmin=vmin, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
    axes[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    return shown


def _colors(names) -> list[str]:
    """The baseline in its grey, all others in their order."""
    others = iter(PALETTE * 3)
    return [BASELINE if name == "baseline" else next(others) for name in names]

"""Curves, bars and matrices of results: arrays in, a `Figure` out. Draws only."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import LogLocator, StrMethodFormatter

from cae_keras.figure import BASELINE, FLOOR, PALETTE, WIDTH, Figure, styled


@styled
def loss_curves(histories: Mapping[str, Sequence[Mapping]], floor: float) -> Figure:
    """Draws training and validation BCE an epoch: mean over seeds, band over all.

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
            axis.plot(
                epochs,
                values.mean(axis=0),
                line,
                color=color,
                label=label,
                marker="o",
                markersize=3.5,
            )
            if len(values) > 1:
                axis.fill_between(
                    epochs,
                    values.min(axis=0),
                    values.max(axis=0),
                    color=color,
                    alpha=0.2,
                    lw=0,
                )
            if kind == "val_loss":
                first, last = values.mean(axis=0)[[0, -1]]
                said.append(
                    f"{name} goes from {first:.4f} after the first epoch to {last:.4f} "
                    "after the last"
                )
    axis.axhline(
        floor, color=FLOOR, ls="--", lw=1.2, label=f"floor, BCE(x, x) = {floor:.4f}"
    )
    axis.set(
        xlabel="epoch", ylabel="binary cross-entropy per pixel (nats)", xticks=epochs
    )
    axis.legend()
    figure.alt = (
        f"Validation loss over {len(epochs)} epochs: {'; '.join(said)}. "
        f"The floor is {floor:.4f}."
    )
    return figure


@styled
def curves(
    x: np.ndarray,
    by_label: Mapping[str, np.ndarray],
    xlabel: str,
    ylabel: str,
    alt: str,
    **settings,
) -> Figure:
    """Draws lines over a common axis; `settings` are those of `Axes.set`."""
    figure = Figure(WIDTH, 3.3, alt)
    axis = figure.subplots()
    styles = ("-", "--", "-.", ":")
    for i, ((label, y), color) in enumerate(
        zip(by_label.items(), _colors(by_label), strict=True)
    ):
        axis.plot(x, y, styles[i % 4], color=color, label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel, **settings)
    if len(by_label) > 1:
        axis.legend()
    return figure


@styled
def error_by_size(
    sizes: Sequence[int],
    by_label: Mapping[str, Sequence[float]],
    points: Mapping[str, tuple],
) -> Figure:
    """Draws mean squared error against the size of a code, on log axes.

    Args:
        sizes: How many numbers each code has.
        by_label: A name, and an error for each size.
        points: Single models: a name, and its (size, error).
    """
    said = [
        f"{label} goes from {y[0]:.4f} to {y[-1]:.4f}" for label, y in by_label.items()
    ]
    said += [
        f"{label} with {size} numbers is at {error:.4f}"
        for label, (size, error) in points.items()
    ]
    figure = Figure(
        WIDTH,
        3.5,
        f"Mean squared error from {sizes[0]} to {sizes[-1]} numbers: "
        f"{'; '.join(said)}.",
    )
    axis = figure.subplots()
    for (label, y), color in zip(by_label.items(), PALETTE, strict=False):
        axis.plot(sizes, y, marker="o", markersize=4, color=color, label=label)
    for label, (size, error) in points.items():
        axis.plot(
            size, error, "D", markersize=8, color=BASELINE, ls="none", label=label
        )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="numbers kept of each image",
        ylabel="mean squared error per pixel",
    )
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
    alt = (
        f"{ylabel} by {xlabel}: least for {low} ({values.min():.4f}), "
        f"largest for {high} ({values.max():.4f})."
    )
    figure = Figure(WIDTH, 2.9, alt)
    axis = figure.subplots()
    axis.bar(labels, values, color=PALETTE[0], width=0.7)
    axis.axhline(
        values.mean(),
        color=BASELINE,
        ls="--",
        lw=1.2,
        label=f"mean {values.mean():.4f}",
    )
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(axis="x", visible=False)
    axis.legend()
    return figure


@styled
def latent_use(latents: np.ndarray) -> Figure:
    """Draws how latents are used: the spread of each, and how they correlate.

    Args:
        latents: `(n, latent_dim)`.
    """
    spread = latents.std(axis=0)
    order = spread.argsort()[::-1]
    correlation = np.corrcoef(latents[:, order], rowvar=False)
    off = np.abs(correlation[~np.eye(len(order), dtype=bool)])
    alt = (
        f"Left: the standard deviations of the {len(order)} latents lie between "
        f"{spread.min():.2f} "
        f"and {spread.max():.2f}. Right: their correlations are {off.mean():.2f} in "
        f"size on average, {off.max():.2f} at most."
    )
    figure = Figure(WIDTH, 3.1, alt)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    left.bar(range(len(order)), spread[order], color=PALETTE[0])
    left.set(
        xlabel="latent, by its spread", ylabel="standard deviation", ylim=(0, None)
    )
    shown = right.imshow(correlation, cmap="PuOr", vmin=-1, vmax=1)
    right.set(xlabel="latent", ylabel="latent")
    right.grid(visible=False)
    figure.colorbar(shown, ax=right, label="correlation", shrink=0.9)
    return figure


def _colors(names) -> list[str]:
    """The baseline in its grey, all others in their order."""
    others = iter(PALETTE * 3)
    return [BASELINE if name == "baseline" else next(others) for name in names]

"""Curves and matrices of results."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D

from cae_keras.figures.style import (
    GREY,
    PALETTE,
    Figure,
    colors_of,
    legend_below,
    mean_and_range,
    plain_log_ticks,
    styled,
    with_looks,
)


@styled
def loss_curves(histories: Mapping[str, Sequence[Mapping]], floor: float) -> Figure:
    """Draws BCE by epoch, and what is above its floor: mean over seeds, band over all.

    Args:
        histories: For each model the histories of its runs, one a seed, each with
            `epoch`, `loss` and `val_loss`.
        floor: BCE(x, x) of the validation images, which no model can pass.

    Raises:
        ValueError: If there is no model, or one has no run.

    Example:
        >>> losses = {"loss": (0.3, 0.2), "val_loss": (0.25, 0.15)}
        >>> history = {"epoch": (0.5, 1.0)} | losses
        >>> loss_curves({"baseline": [history]}, floor=0.1).alt.split(": ")[1]
        'baseline goes from 0.2500 to 0.1500. The floor is 0.1000.'
    """
    if not histories or not all(histories.values()):
        raise ValueError(f"histories={histories!r}: each model must have a run")
    figure = Figure(3.5)
    left, right = figure.subplots(1, 2)
    handles, said, last = {}, [], 0
    for name, runs, look in with_looks(histories):
        training = np.mean([run["loss"] for run in runs], axis=0)
        validation = np.array([run["val_loss"] for run in runs])
        epochs = runs[0]["epoch"]
        last = max(last, epochs[-1])
        left.plot(epochs, training, ":", color=look["color"], lw=1.2)
        handles[name] = _line_and_band(left, epochs, validation, look)
        _line_and_band(right, epochs, validation - floor, look)
        before, after = validation.mean(axis=0)[[0, -1]]
        said.append(f"{name} goes from {before:.4f} to {after:.4f}")
    handles["training"] = Line2D([], [], color=GREY, ls=":", lw=1.5)
    handles[f"floor {floor:.4f}"] = left.axhline(floor, color=GREY, ls="--", lw=1.2)
    ticks = np.arange(0, last + 0.5) if last >= 2 else np.linspace(0, last, 6)
    left.set(xlabel="epoch", ylabel="BCE per pixel (nats)", xticks=ticks)
    right.set(xlabel="epoch", ylabel="validation BCE above the floor", xticks=ticks)
    right.set_yscale("log")
    plain_log_ticks(right.yaxis)
    legend_below(figure, handles)
    figure.alt = (
        f"Validation BCE from the first to the last tenth of {last:g} epochs: "
        f"{'; '.join(said)}. The floor is {floor:.4f}."
    )
    return figure


def _line_and_band(axis, epochs, values: np.ndarray, look: dict) -> Line2D:
    """Draws the mean of `(runs, epochs)`, and a band over all if there are several."""
    (line,) = axis.plot(epochs, values.mean(axis=0), **look, markersize=4)
    if len(values) > 1:
        low, high = values.min(axis=0), values.max(axis=0)
        axis.fill_between(epochs, low, high, color=look["color"], alpha=0.2, lw=0)
    return line


@styled
def curves(
    x: np.ndarray,
    by_label: Mapping[str, np.ndarray],
    xlabel: str,
    ylabel: str,
    alt: str,
    **settings,
) -> Figure:
    """Draws lines over a common axis; `settings` are those of `Axes.set`.

    Example:
        >>> curves([0, 1], {"a line": [0, 1]}, "x", "y", alt="A line.").alt
        'A line.'
    """
    figure = Figure(3.3, alt)
    axis = figure.subplots()
    for i, (label, color) in enumerate(zip(by_label, colors_of(by_label), strict=True)):
        style = ("-", "--", "-.", ":")[i % 4]
        axis.plot(x, by_label[label], style, color=color, label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel, **settings)
    if axis.get_yscale() == "log":
        plain_log_ticks(axis.yaxis)
    if len(by_label) > 1:
        axis.legend()
    return figure


@styled
def error_by_size(
    sizes: Sequence[int], by_label: Mapping[str, Sequence | Mapping]
) -> Figure:
    """Draws mean squared error against the size of a code, on log axes.

    Args:
        sizes: How many numbers each code has; the ticks of the axis.
        by_label: For each line an error for each size; or a mapping from sizes of its
            own to the errors of several runs: their mean is drawn, and their range.

    Example:
        >>> by_label = {"PCA": [0.2, 0.1], "autoencoder": {4: [0.05, 0.07]}}
        >>> error_by_size([2, 4], by_label).alt.split(": ")[1]
        'PCA goes from 0.2000 at 2 to 0.1000 at 4; autoencoder has 0.0600 at 4.'
    """
    figure = Figure(3.5)
    axis = figure.subplots()
    said = []
    for label, errors, look in with_looks(by_label):
        if not isinstance(errors, Mapping):
            errors = dict(zip(sizes, errors, strict=True))
        mean_and_range(axis, errors, **look, markersize=5, label=label)
        ends = [f"{np.mean(e):.4f} at {size}" for size, e in errors.items()]
        change = f"goes from {ends[0]} to {ends[-1]}" if ends[1:] else f"has {ends[0]}"
        said.append(f"{label} {change}")
    axis.set(xlabel="numbers kept of each image", ylabel="mean squared error per pixel")
    axis.set(xscale="log", yscale="log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.xaxis.minorticks_off()
    plain_log_ticks(axis.yaxis)
    axis.legend()
    figure.alt = f"Mean squared error by numbers kept: {'; '.join(said)}."
    return figure


@styled
def latent_use(latents: np.ndarray) -> Figure:
    """Draws the spread of each of `(n, latent_dim)` latents, and how they correlate.

    Example:
        >>> latent_use(np.array([[0.0, 2.0], [2.0, 0.0]])).alt.split("Right: ")[1]
        'their correlations are 1.00 in size on average, 1.00 at most.'
    """
    spread = latents.std(axis=0)
    order = spread.argsort()[::-1]
    correlation = np.corrcoef(latents[:, order], rowvar=False)
    off = np.abs(correlation[~np.eye(len(order), dtype=bool)])
    figure = Figure(3.1)
    figure.alt = (
        f"Left: the standard deviations of the {len(order)} latents lie between "
        f"{spread.min():.2f} and {spread.max():.2f}. Right: their correlations are "
        f"{off.mean():.2f} in size on average, {off.max():.2f} at most."
    )
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    left.bar(range(len(order)), spread[order], color=PALETTE[0])
    left.set(xlabel="latent, by its spread", ylabel="standard deviation")
    shown = right.imshow(correlation, cmap="PuOr", vmin=-1, vmax=1)
    right.set(xlabel="latent", ylabel="latent")
    right.grid(visible=False)
    figure.colorbar(shown, ax=right, label="correlation", shrink=0.9)
    return figure

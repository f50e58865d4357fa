"""Figures that hold configurations against each other, over a cost or a setting."""

from collections.abc import Mapping

import numpy as np
from matplotlib.lines import Line2D

from cae_keras.compare.front import dominators
from cae_keras.figures.labels import place_names
from cae_keras.figures.style import (
    GREY,
    Figure,
    colors_of,
    legend_below,
    mean_and_range,
    plain_log_ticks,
    styled,
    with_looks,
)

DOT = {"marker": "o", "markersize": 7, "markeredgecolor": "white"}
LINE = {"color": GREY, "lw": 1.4, "zorder": 1}


@styled
def quality_by_cost(
    results: Mapping[str, Mapping[str, np.ndarray]],
    cost: str,
    measure: str,
    xlabel: str,
    ylabel: str,
    fit: bool = False,
    front: bool = False,
) -> Figure:
    """Draws what each configuration costs and how well it does, on log axes.

    Args:
        results: For each configuration its measures, `{measure: (runs,)}`.
        cost: The measure along x: its median, and a bar from quartile to quartile.
        measure: The measure along y, of which less is better; a bar goes from the
            least to the largest run.
        fit: Whether to draw the least-squares line through the means; its slope is the
            exponent of a power law.
        front: Whether to draw the Pareto front: all that no other dominates.

    Raises:
        ValueError: If a line is asked for, and all costs are the same.

    Example:
        >>> results = {"a": {"n": [100], "mse": [0.4]}, "b": {"n": [400], "mse": [0.2]}}
        >>> quality_by_cost(results, "n", "mse", "weights", "error", fit=True).alt
        'error by weights: a 0.4 at 100; b 0.2 at 400. The slope is -0.50.'
    """
    figure = Figure(4.0)
    axis = figure.subplots()
    axis.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axis.margins(0.12)
    said, points = [], []
    for name, color in zip(results, colors_of(results), strict=True):
        costs, values = results[name][cost], results[name][measure]
        x, y = np.median(costs), np.mean(values)
        mean_and_range(axis, {x: values}, color=color, **DOT)
        axis.plot(np.percentile(costs, (25, 75)), [y, y], color=color)
        said.append(f"{name} {y:.3g} at {x:{',.0f' if x >= 100 else '.3g'}}")
        points.append((x, y))
    x, y = np.transpose(points)
    figure.alt = f"{ylabel} by {xlabel}: {'; '.join(said)}."
    if fit:
        figure.alt += f" The slope is {_draw_fit(axis, x, y, cost):.2f}."
    if front:
        best = _draw_front(axis, x, y, dominators(results, cost, measure))
        figure.alt += f" On the Pareto front: {', '.join(best)}."
    if fit or front:
        axis.legend()
    plain_log_ticks(axis.xaxis, axis.yaxis)
    place_names(axis, list(results), x, y)
    return figure


@styled
def sweep(
    by_label: Mapping[str, Mapping[float, np.ndarray]],
    xlabel: str,
    ylabel: str,
    cap: float = np.inf,
) -> Figure:
    """Draws a measure against a setting that was swept, such as the learning rate.

    Args:
        by_label: For each line, and each of its settings, the values of the runs.
        cap: A run above this, or without a finite value, has diverged. It is no part
            of the mean, and counted at the upper edge instead.

    Example:
        >>> by_rate = {0.001: [0.2, 0.4], 0.1: [0.1, np.nan]}
        >>> sweep({"baseline": by_rate}, "rate", "error").alt
        'error by rate: baseline is least at 0.1 (0.1); diverged: 1 of 2 at 0.1.'
    """
    figure = Figure(3.7)
    axis = figure.subplots()
    axis.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axis.margins(y=0.1 + 0.06 * len(by_label))
    edge = {"transform": axis.get_xaxis_transform(), "ha": "center", "va": "top"}
    handles, said = {}, []
    for i, (label, by_setting, look) in enumerate(with_looks(by_label)):
        kept, diverged = _split(by_setting, cap)
        handles[label] = mean_and_range(axis, kept, **look, markersize=5)
        for x, count in diverged.items():
            place = (x, 0.99 - 0.08 * i)
            axis.text(*place, f"↑ {count}", fontsize=9, color=look["color"], **edge)
        said.append(f"{label} {_words(kept, diverged)}")
    if axis.texts:
        handles["↑ diverged"] = Line2D([], [], ls="")
    plain_log_ticks(axis.xaxis, axis.yaxis)
    legend_below(figure, handles)
    figure.alt = f"{ylabel} by {xlabel}: {'. '.join(said)}."
    return figure


def _draw_fit(axis, x: np.ndarray, y: np.ndarray, cost: str) -> float:
    """Draws the least-squares line of the logarithms; returns its slope."""
    if np.ptp(x) == 0:
        raise ValueError(f"cost={cost!r}: a line needs costs that differ")
    slope, offset = np.polyfit(np.log(x), np.log(y), 1)
    ends = np.array([x.min(), x.max()])
    label = f"slope {slope:.2f}".replace("-", "−")
    axis.plot(ends, np.exp(offset) * ends**slope, "--", label=label, **LINE)
    return slope


def _draw_front(axis, x: np.ndarray, y: np.ndarray, dominated_by: dict) -> list[str]:
    """Draws the Pareto front as steps; returns who is on it, the cheapest first."""
    names = list(dominated_by)
    best = [i for i in np.argsort(x) if not dominated_by[names[i]]]
    steps = np.column_stack([np.repeat(x[best], 2)[1:], np.repeat(y[best], 2)[:-1]])
    axis.plot(*steps.T, label="Pareto front", **LINE)
    return [names[i] for i in best]


def _split(by_setting: Mapping, cap: float) -> tuple[dict, dict]:
    """Splits runs into those that held, and words on how many diverged."""
    kept, diverged = {}, {}
    for setting, runs in sorted(by_setting.items()):
        runs = np.atleast_1d(runs)
        held = runs[np.isfinite(runs) & (runs <= cap)]
        if len(held):
            kept[setting] = held
        if len(held) < len(runs):
            diverged[setting] = f"{len(runs) - len(held)} of {len(runs)}"
    return kept, diverged


def _words(kept: Mapping, diverged: Mapping) -> str:
    """Says where the mean is least, and where runs diverged."""
    words = "has no run that held"
    if kept:
        best = min(kept, key=lambda setting: np.mean(kept[setting]))
        words = f"is least at {best:g} ({np.mean(kept[best]):.4g})"
    where = ", ".join(f"{count} at {setting:g}" for setting, count in diverged.items())
    return f"{words}; diverged: {where}" if where else words

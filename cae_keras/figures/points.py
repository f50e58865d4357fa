"""Figures that hold configurations against each other, over a cost or a setting."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cae_keras.compare.comparison import cost_of
from cae_keras.compare.front import dominators
from cae_keras.figures.labels import place_names
from cae_keras.figures.style import (
    COLORS,
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
BAND = {"color": GREY, "alpha": 0.3, "lw": 0}


@styled
def quality_by_cost(
    results: Mapping[str, Mapping[str, np.ndarray]],
    cost: str,
    measure: str,
    xlabel: str,
    ylabel: str,
    fit: bool = False,
) -> Figure:
    """Draws what each configuration costs and how well it does, on log axes.

    Args:
        results: For each configuration its measures, `{measure: (runs,)}`.
        cost: The measure along x: its lower quartile.
        measure: The measure along y, of which less is better; a bar goes from the
            least to the largest run.
        fit: Whether to draw the least-squares line through the means; its slope is the
            exponent of a power law.

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
    points = _draw_points(axis, results, cost, measure)
    said = [
        f"{name} {y:.3g} at {x:{',.0f' if x >= 100 else '.3g'}}"
        for name, (x, y) in points.items()
    ]
    figure.alt = f"{ylabel} by {xlabel}: {'; '.join(said)}."
    if fit:
        x, y = np.transpose([*points.values()])
        figure.alt += f" The slope is {_draw_fit(axis, x, y, cost):.2f}."
        axis.legend()
    plain_log_ticks(axis.xaxis, axis.yaxis)
    place_names(axis, points, dict(zip(results, colors_of(results), strict=True)))
    return figure


@styled
def fronts(
    results: Mapping[str, Mapping[str, np.ndarray]],
    costs: Mapping[str, str],
    measure: str,
    ylabel: str,
    margins: Mapping[str, float] = MappingProxyType({}),
) -> Figure:
    """Draws a panel for each cost: all configurations, and the Pareto front.

    Who is dominated has a hollow point.

    Args:
        results: For each configuration its measures, `{measure: (runs,)}`.
        costs: The measures along x, and the label of each.
        measure: The measure along y, of which less is better.
        margins: For a cost that was measured, the `margin` of `dominators`. A band as
            wide as that stands beside the front: who lies in it is not dominated.

    Example:
        >>> results = {"a": {"ms": [2], "mse": [0.4]}, "b": {"ms": [4], "mse": [0.5]}}
        >>> fronts(results, {"ms": "time"}, "mse", "error").alt
        'Pareto fronts of error. By time a.'
    """
    rows = -(-len(costs) // 2)
    figure, said, named = Figure(1.2 + 2.7 * rows), [], {}
    axes = figure.subplots(rows, 2, sharey=True, squeeze=False).flat
    for axis, (cost, xlabel) in zip(axes, costs.items(), strict=False):
        axis.set(xscale="log", yscale="log", xlabel=xlabel)
        axis.margins(0.12)
        margin = margins.get(cost, 1.0)
        beaten_by = dominators(results, cost, measure, margin)
        hollow = [name for name, others in beaten_by.items() if others]
        points = _draw_points(axis, results, cost, measure, hollow)
        best = _draw_front(axis, points, dominators(results, cost, measure), margin)
        plain_log_ticks(axis.xaxis, axis.yaxis, few=True)
        named[axis] = {name: points[name] for name in points if name not in hollow}
        near = [name for name in named[axis] if name not in best]
        within = f"; within {100 * (margin - 1):.1f} % of it {', '.join(near)}"
        said.append(f"By {xlabel} {', '.join(best)}{within if near else ''}.")
    figure.supylabel(ylabel, fontsize="medium")
    colors = dict(zip(results, colors_of(results), strict=True))
    legend_below(figure, _handles(colors, margins))
    for axis, points in named.items():  # when nothing moves the axes any more
        place_names(axis, points, colors, fontsize=9)
    figure.alt = f"Pareto fronts of {ylabel}. {' '.join(said)}"
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
        axis.margins(y=0.1 + 0.06 * len(by_label))
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


def _draw_points(
    axis, results: Mapping, cost: str, measure: str, hollow: Sequence[str] = ()
) -> dict[str, tuple[float, float]]:
    """Draws each configuration at its cost and its mean error; returns both."""
    points = {}
    for name, color in zip(results, colors_of(results), strict=True):
        x, values = cost_of(results, name, cost), results[name][measure]
        empty = {"markerfacecolor": "white", "markeredgecolor": color}
        look = _dot(name) | (empty if name in hollow else {})
        mean_and_range(axis, {x: values}, color=color, **look)
        points[name] = x, float(np.mean(values))
    return points


def _draw_front(
    axis, points: Mapping, dominated_by: Mapping, margin: float = 1.0
) -> list[str]:
    """Draws the Pareto front as steps; returns who is on it, the cheapest first."""
    best = [name for name, others in dominated_by.items() if not others]
    best.sort(key=lambda name: points[name][0])
    x, y = np.transpose([points[name] for name in best])
    x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    axis.plot(x, y, label="Pareto front", **LINE)
    if margin > 1:
        x, y = np.append(x[0], x), np.append(max(y for _, y in points.values()), y)
        axis.fill_betweenx(y, x, margin * x, **BAND)
    return best


def _dot(name: str) -> dict:
    """Returns the look of a point: what is added to the study is a square."""
    return DOT if name in COLORS else DOT | {"marker": "s"}


def _handles(colors: Mapping[str, str], margins: Mapping) -> dict:
    """Returns the legend of fronts: a point for each configuration, and the rest."""
    handles = {
        name: Line2D([], [], color=color, ls="", **_dot(name))
        for name, color in colors.items()
    }
    hollow = DOT | {"color": "white", "markeredgecolor": GREY}
    handles["dominated"] = Line2D([], [], ls="", **hollow)
    handles["Pareto front"] = Line2D([], [], **LINE)
    if margins:
        handles["within the gap"] = Patch(**BAND)
    return handles


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

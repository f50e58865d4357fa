"""The forest plot: what each change does to a measure, and how sure that is."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from cae_keras.compare.statistics import as_percent
from cae_keras.compare.text import PERCENT, as_text
from cae_keras.figures.style import BASELINE, GREY, Figure, colors_of, styled

# The first are kept where there is no room for all.
PERCENT_TICKS = (0, 10, -10, 100, -50, 1000, 5, -5, 30, -20, 300, -90, 2, -2)
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1}
STRONGEST = 0.7  # change of a logarithm that has the strongest colour: a doubling
LINEAR = 0.1  # of the logarithm of a ratio: about 10 %


@styled
def forest(
    effects: Mapping[str, Mapping[str, object]],
    xlabel: str,
    margin: float | None = None,
) -> Figure:
    """Draws relative changes with their intervals, one row a variant, in percent.

    Small changes stand on a linear scale, those beyond about 10 % on a logarithmic
    one, so that a large change leaves the small ones readable.

    Args:
        effects: For each factor and each of its variants an interval with `mean`,
            `low`, `high` and `n`, all of ln(variant / baseline). One with infinite
            ends, as of a single run, is drawn as a hollow point on a dotted line.
        margin: Changes smaller than this, also of the logarithm, count as none.

    Example:
        >>> from types import SimpleNamespace
        >>> doubled = SimpleNamespace(mean=np.log(2), low=0.0, high=np.log(4), n=3)
        >>> forest({"filters": {"narrow": doubled}}, "change of the error").alt
        'change of the error: narrow +100 % (0 to +300).'
    """
    rows = sum(1 + len(variants) for variants in effects.values())
    figure = Figure(0.7 + 0.27 * rows)
    axis = figure.subplots()
    _percent_axis(axis, [i for g in effects.values() for i in g.values()], margin)
    at, labels, said = 0, {}, []
    repeated = len(set().union(*effects.values())) < rows - len(effects)
    for factor, variants in effects.items():
        place = {"transform": axis.get_yaxis_transform(), "va": "center"}
        axis.text(0.01, at, factor, weight="bold", bbox=PAPER, **place)
        colors = colors_of(variants)
        for (name, interval), color in zip(variants.items(), colors, strict=True):
            at += 1
            labels[at] = name
            text = _draw_interval(axis, at, interval, color)
            axis.text(1.02, at, text, fontsize=9.5, **place)
            said.append(f"{factor}, {name} {text}" if repeated else f"{name} {text}")
        at += 1
    axis.set(ylim=(at - 0.4, -0.6), xlabel=f"{xlabel} (%)")
    axis.set_yticks(list(labels), labels.values())
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    none = f" Within ±{as_percent(margin):.3g} % counts as no change." if margin else ""
    figure.alt = f"{xlabel}: {'; '.join(said)}.{none}"
    return figure


@styled
def interaction_map(
    alone: Mapping[str, object],
    pairs: Mapping[str, object],
    sure: Sequence[str] = (),
) -> Figure:
    """Draws what each change does alone, and what each pair does beyond that.

    Args:
        alone: For each change its interval, of ln(variant / baseline): on the diagonal.
        pairs: For each two of them, in their order and as `"a + b"`, the interval of
            their interaction, of logarithms as well: below the diagonal.
        sure: Pairs that get a frame.

    Example:
        >>> from types import SimpleNamespace
        >>> none = SimpleNamespace(mean=0.0, low=-0.1, high=0.1, n=3)
        >>> interaction_map({"a": none, "b": none}, {"a + b": none}).alt[-34:]
        ' Together: a + b 0 % (−10 to +11).'
    """
    names, said = list(alone), {}
    figure = Figure(0.95 * len(names))
    axis = figure.subplots()
    for row, b in enumerate(names):
        for column, a in enumerate(names[: row + 1]):
            name = f"{a} + {b}" if column < row else a
            said[name] = _draw_cell(axis, column, row, (pairs | alone)[name])
            if name in sure:
                frame = {"fill": False, "ec": BASELINE, "lw": 2.5}
                axis.add_patch(
                    Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, **frame)
                )
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5))
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    one, two = ("; ".join(f"{n} {said[n]}" for n in which) for which in (alone, pairs))
    framed = f" Framed: {', '.join(sure)}." if len(sure) else ""
    figure.alt = f"Alone: {one}. Together: {two}.{framed}"
    return figure


def _draw_cell(axis, x: int, y: int, interval) -> str:
    """Draws one cell of a map, pale if zero is not excluded; returns its text."""
    excluded = not interval.low <= 0 <= interval.high
    strength = min(abs(interval.mean) / STRONGEST, 1) ** 0.5
    place = 0.5 + 0.45 * np.sign(interval.mean) * strength
    color = matplotlib.colormaps["PuOr_r"](place, 1 if excluded else 0.3)
    axis.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, fc=color))
    text = as_text(interval, PERCENT)
    look = {
        "color": "white" if excluded and strength > 0.8 else BASELINE,
        "weight": "bold" if excluded else "normal",
    }
    middle = {"ha": "center", "va": "center", "fontsize": 8.5}
    axis.text(x, y, text.replace(" (", "\n("), **middle, **look)
    return text


def _percent_axis(axis, intervals: list, margin: float | None):
    """Makes x an axis of logarithms of ratios, labelled in percent, 0 marked."""
    ends = [end for i in intervals for end in (i.low, i.mean, i.high)]
    ends = np.array([end for end in ends if np.isfinite(end)] + [-LINEAR, LINEAR])
    axis.set_xscale("symlog", linthresh=LINEAR, linscale=0.8)
    axis.set_xlim(max(1.5 * ends.min(), -3), min(1.3 * ends.max(), 4))
    scale = axis.xaxis.get_transform().transform
    left, right = scale(axis.get_xlim())
    ticks = {}
    for percent in PERCENT_TICKS:
        at = scale(np.log1p(percent / 100))
        room = min([abs(at - scale(other)) for other in ticks], default=np.inf)
        if left <= at <= right and room > 0.085 * (right - left):
            ticks[np.log1p(percent / 100)] = f"{percent:+d}".replace("-", "−")
    ticks[0] = "0"
    axis.set_xticks(list(ticks), list(ticks.values()))
    axis.xaxis.minorticks_off()
    axis.axvline(0, color=BASELINE, lw=1.2)
    if margin:
        axis.axvspan(-margin, margin, color=GREY, alpha=0.25, lw=0)


def _draw_interval(axis, at: int, interval, color: str) -> str:
    """Draws one row of a forest plot; returns its numbers in words."""
    known = bool(np.isfinite([interval.low, interval.high]).all())
    ends = np.clip([interval.low, interval.high], *axis.get_xlim())
    axis.plot(ends, [at, at], "-" if known else ":", color=color, marker="|" * known)
    face = color if known else "white"
    axis.plot(interval.mean, at, "o", ms=7, color=color, markerfacecolor=face)
    return as_text(interval, PERCENT)

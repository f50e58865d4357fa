"""A figure that carries its own alternative text, and the look that all figures share.

Each configuration keeps its colour in all chapters, the baseline its dark grey. The
colours were chosen by a search for ten which stay apart in normal vision and in the
three kinds of colour blindness (simulated after Machado, Oliveira & Fernandes, 2009),
on paper and in dark mode, farthest where they meet in a chapter. The other colours
are those of Okabe & Ito (https://jfly.uni-koeln.de/color/).
"""

import io
import itertools
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image

BASELINE, GREY = "#404040", "#8a8a8a"
COLORS = {
    "baseline": BASELINE,
    "narrow": "#617DE3",
    "wide": "#015EAB",
    "2 latents": "#CD7D84",
    "8 latents": "#B7602E",
    "64 latents": "#963E00",
    "batch norm": "#1D8C5B",
    "Leaky ReLU": "#9F73BD",
    "three blocks": "#AD8F49",
    "trade-off": "#49A0A3",
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vPX"
WIDTH = 7.0  # inches, the text column
STYLE = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
styled = matplotlib.rc_context(STYLE)


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows by itself, with its alternative text.

    Args:
        width: Inches.
        height: Inches.
        alt: What is to be seen, in the words of the result.
    """

    def __init__(self, width: float, height: float, alt: str):
        super().__init__(figsize=(width, height), layout="constrained")
        self.alt = alt

    def png(self, dpi: int = 180) -> bytes:
        """Returns it as a PNG file of half the usual size: no more than 256 colours.

        The colours that are chosen differ from those drawn by less than an eye can see.

        Args:
            dpi: Dots an inch.
        """
        drawn, file = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=dpi)
        few = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
        few.save(file, format="png", optimize=True)
        return file.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": self.png(), "text/plain": self.alt}, {
            "image/png": {"alt": self.alt}
        }


def colors_of(names: Iterable[str]) -> list[str]:
    """Returns a colour for each name: its own, or the next one of `PALETTE`.

    Example:
        >>> colors_of(["PCA", "baseline"])
        ['#0072B2', '#404040']
    """
    others = itertools.cycle(PALETTE)
    return [COLORS[name] if name in COLORS else next(others) for name in names]


def plain_log_ticks(axis):
    """Labels a logarithmic axis with plain numbers, whatever it spans.

    Call it when everything is drawn. Some decades have ticks at 1, 2 and 5, many
    at 1 only, and a small part of one has them where a linear axis would.

    Args:
        axis: The `xaxis` or `yaxis` of a matplotlib `Axes`.

    Example:
        >>> axes = Figure(4, 3, "").subplots()
        >>> _ = axes.set(xscale="log", xlim=(0.011, 0.015))
        >>> plain_log_ticks(axes.xaxis)
        >>> [label.get_text() for label in axes.get_xticklabels()]
        ['0.011', '0.012', '0.013', '0.014', '0.015']
    """
    low, high = axis.get_view_interval()
    if high < 3 * low:
        locator = MaxNLocator(6, steps=(1, 2, 5, 10))
    elif high < 10 * low:
        locator = LogLocator(subs=(1, 1.5, 2, 3, 5, 7))
    else:
        locator = LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,))
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def legend_below(figure: Figure, handles: Mapping):
    """Names lines below the axes, where the legend covers nothing.

    Args:
        figure: Where.
        handles: For each name its line.

    Example:
        >>> figure = Figure(4, 3, "")
        >>> legend_below(figure, {"floor": figure.subplots().axhline(0)})
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['floor']
    """
    columns = -(-len(handles) // (1 + (len(handles) > 5)))
    place = {"loc": "outside lower center", "ncols": columns}
    figure.legend(list(handles.values()), list(handles), **place)


def mean_and_range(axes, x: Sequence[float], values: Sequence, **look):
    """Draws the means of several runs, with bars from the least to the largest.

    Args:
        axes: A matplotlib `Axes`.
        x: Where each mean stands.
        values: For each `x` the values of its runs; a single run has no bar.
        **look: `color`, `label`, `marker` and so on, for `Axes.plot`.

    Returns:
        The line through the means.

    Example:
        >>> axes = Figure(4, 3, "").subplots()
        >>> mean_and_range(axes, [1, 2], [[3.0, 5.0], [6.0]]).get_ydata()
        array([4., 6.])
    """
    (line,) = axes.plot(x, np.array([np.mean(runs) for runs in values]), **look)
    several = [
        (at, np.min(v), np.max(v))
        for at, v in zip(x, values, strict=True)
        if np.size(v) > 1
    ]
    if several:
        axes.vlines(*np.transpose(several), color=line.get_color(), lw=1.4, alpha=0.8)
    return line

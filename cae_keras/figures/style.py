"""A figure that carries its own alternative text, and the look that all figures share.

Each configuration keeps its colour in all chapters, the baseline its dark grey. The
colours were chosen by a search for ten which stay apart in normal vision and in the
three kinds of colour blindness (simulated after Machado, Oliveira & Fernandes, 2009),
on paper and in dark mode, farthest where they meet in a chapter. The other colours
are those of Okabe & Ito (https://jfly.uni-koeln.de/color/).
"""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image, ImageColor

BASELINE, GREY, MIDDLE = "#404040", "#8a8a8a", "#767676"
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
PICTURED = {  # on no ground: one grey is read on white paper and on a dark page
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), MIDDLE),
    **dict.fromkeys(("xtick.color", "ytick.color"), MIDDLE),
}
styled, pictured = (matplotlib.rc_context(STYLE | more) for more in ({}, PICTURED))


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows by itself, with its alternative text.

    Height and width are inches; `alt` says the result that is to be seen.
    """

    def __init__(self, height: float, alt: str = "", width: float = WIDTH):
        super().__init__(figsize=(width, height), layout="constrained")
        self.alt = alt

    def png(self, dpi: int = 180) -> bytes:
        """Returns it as a PNG file of half the usual size: no more than 256 colours.

        They differ from those drawn by less than an eye can see. Where a figure has no
        ground there is but its text, one grey of 16 opacities.
        """
        drawn, file = io.BytesIO(), io.BytesIO()
        self.savefig(drawn, format="png", dpi=dpi)
        image = Image.open(drawn)
        few = image.convert("RGB").quantize(240, Image.Quantize.MAXCOVERAGE)
        opacity = np.asarray(image.getchannel("A"))
        place = np.where(opacity < 255, 240 + opacity // 16, np.asarray(few))
        grey = ImageColor.getrgb(MIDDLE)
        out = Image.fromarray(place.astype("uint8"), "P")
        out.putpalette([*few.getpalette()[:720], *16 * grey])
        clear = bytes([255] * 240 + [17 * level for level in range(16)])
        out.save(file, format="png", optimize=True, transparency=clear)
        return file.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": self.png(), "text/plain": self.alt}, {
            "image/png": {"alt": self.alt}
        }


def colors_of(names: Iterable[str]) -> list[str]:
    """Returns a colour for each name: its own, or the next one of `PALETTE`."""
    others = itertools.cycle(PALETTE)
    return [COLORS[name] if name in COLORS else next(others) for name in names]


def with_looks(by_name: Mapping) -> Iterator[tuple]:
    """Yields each name, what it stands for, and the colour and marker of its line."""
    markers = itertools.cycle(MARKERS)
    for (name, value), color in zip(by_name.items(), colors_of(by_name), strict=True):
        yield name, value, {"color": color, "marker": next(markers)}


def bare(axis):
    """Takes everything off an axis but what is drawn on it and its labels."""
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def plain_log_ticks(*axes, few: bool = False):
    """Labels logarithmic axes with plain numbers, whatever they span.

    Call it when everything is drawn. Some decades have ticks at 1, 2 and 5, many
    at 1 only, and a small part of one has them where a linear axis would. A narrow
    panel has room for few.
    """
    for axis in axes:
        low, high = axis.get_view_interval()
        if high < 3 * low:
            locator = MaxNLocator(3 if few else 6, steps=(1, 2, 5, 10))
        elif high < 10 * low and not few:
            locator = LogLocator(subs=(1, 1.5, 2, 3, 5, 7))
        else:
            locator = LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,))
        axis.set_major_locator(locator)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_locator(NullLocator())


def legend_below(figure: Figure, handles: Mapping):
    """Names lines, `{name: line}`, below the axes, where the legend covers nothing."""
    count = len(handles)
    columns = 4 if count > 10 else -(-count // (1 + (count > 5)))
    place = {"loc": "outside lower center", "ncols": columns}
    figure.legend(list(handles.values()), list(handles), **place)


def mean_and_range(axes, by_place: Mapping[float, Sequence[float]], **look) -> Line2D:
    """Draws a line through means of runs, with bars from the least to the largest."""
    means = [np.mean(runs) for runs in by_place.values()]
    (line,) = axes.plot(list(by_place), means, **look)
    bars = [(x, np.min(y), np.max(y)) for x, y in by_place.items() if np.size(y) > 1]
    if bars:
        axes.vlines(*np.transpose(bars), color=line.get_color(), lw=1.4, alpha=0.8)
    return line

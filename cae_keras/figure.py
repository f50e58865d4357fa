"""A figure that carries its own alternative text, and the look that all figures share.

The baseline is always dark grey; the other colours are those of Okabe & Ito, which
colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/).
"""

import io

import matplotlib
import matplotlib.figure

BASELINE, FLOOR = "#404040", "#8a8a8a"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
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

    def _repr_mimebundle_(self, include=None, exclude=None):
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=180)
        return {"image/png": png.getvalue(), "text/plain": self.alt}, {
            "image/png": {"alt": self.alt}
        }

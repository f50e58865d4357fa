"""Names beside the points of a scatter plot, placed where they cover least."""

from collections.abc import Mapping

import numpy as np
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from cae_keras.figures.style import GREY

NAME = {
    "textcoords": "offset points",
    "ha": "center",
    "va": "center",
    "arrowprops": {"arrowstyle": "-", "color": GREY, "lw": 0.8, "shrinkA": 0},
}
AROUND = [
    (distance, angle)
    for distance in (7, 14, 24, 36, 50, 65)  # points
    for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False)
]


def place_names(
    axis, points: Mapping[str, tuple[float, float]], colors: Mapping[str, str], **text
):
    """Writes each name where it covers least, with a line to its point if it is far."""
    axis.figure.draw_without_rendering()  # fixes the layout, so that pixels are known
    frame, scale = axis.get_window_extent(), axis.figure.dpi / 72
    busy = _busy(axis)
    placed = []
    for name, point in points.items():
        label = axis.annotate(name, point, (0, 0), **NAME, **text)
        half = Text.get_window_extent(label).size / 2
        dot, tries = axis.transData.transform(point), []
        for distance, angle in AROUND:
            toward = np.array([np.cos(angle), np.sin(angle)])
            away = toward * (half + scale * distance)
            lead = dot + np.linspace(0, 1, 20)[:, None] * away
            box = Bbox([dot + away - half, dot + away + half]).padded(2)
            price = distance + _price(box, lead, busy, placed, frame)
            tries.append((price, distance, away / scale, box, lead))
        _, distance, away, box, lead = min(tries, key=lambda place: place[0])
        label.set_position(away)
        label.arrow_patch.set(color=colors[name], visible=distance > 10)
        placed.append(box)
        busy = np.concatenate([busy, lead])


def _busy(axis) -> np.ndarray:
    """Returns pixels that are drawn on: of lines, of bars, of points several times."""
    paths = [
        line.get_transform().transform_path(line.get_path()) for line in axis.lines
    ]
    bars = [path for drawn in axis.collections for path in drawn.get_paths()]
    paths += [axis.transData.transform_path(path) for path in bars]
    pixels = [path.interpolated(100).vertices for path in paths]
    return np.concatenate(
        [np.repeat(p, 20 if len(p) == 1 else 1, axis=0) for p in pixels]
    )


def _price(box: Bbox, lead: np.ndarray, busy: np.ndarray, placed: list, frame) -> int:
    """Returns how much a name in `box`, with its line `lead`, would cover or leave."""
    inside = [np.all((lead > b.min) & (lead < b.max), axis=1).any() for b in placed]
    covered = np.all((busy > box.min) & (busy < box.max), axis=1).sum()
    outside = np.any(box.min < frame.min) or np.any(box.max > frame.max)
    return 5 * covered + 300 * (box.count_overlaps(placed) + sum(inside) + outside)

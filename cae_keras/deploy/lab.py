"""The lab: networks that this build has trained, for a reader to play with in the page.

What a page embeds is data; `book/_static/network.js` computes with it, and
`book/_static/lab.js` draws. Without JavaScript a reader sees a picture and a sentence.
"""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cae_keras.data import Mnist
from cae_keras.deploy.embed import PARTS, as_text, embedded, half, moved_by_rounding
from cae_keras.figures import pictures
from cae_keras.figures.inside import CLASS_COLORS
from cae_keras.figures.style import Figure
from cae_keras.images import to_float
from cae_keras.training import Run

MAPPED = 2_000  # test images on the map, and behind means and ranges
PER_CLASS = 2  # test images to pick from
SLIDERS = 8


@dataclass(frozen=True)
class Html:
    """Something that a notebook shows as HTML."""

    text: str
    name: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.name


class Lab:
    """The networks that a page holds, and what can be done with them.

    Shown by itself it embeds their weights, and says how far rounding them to float16
    moves a pixel. The other three need it on the same page.

    Args:
        runs: A name and a trained network for each.
        data: MNIST. Its first 2,000 test images are used.
        parts: What the page needs of each network, out of `encoder` and `decoder`; only
            `draw` needs the encoders.

    Raises:
        ValueError: If there is no network.

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> from cae_keras.models import build_autoencoder
        >>> config = CAEConfig(filters=(4,), latent_dim=2)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(), seed=0, history={}, weights=weights)
        >>> x, y = np.zeros((20, 28, 28, 1), "uint8"), np.arange(20, dtype="uint8") % 10
        >>> Lab({"small": run}, Mnist(x, y, x, y, x, y)).draw()
        <lab: draw>
    """

    def __init__(
        self, runs: Mapping[str, Run], data: Mnist, parts: Sequence[str] = PARTS
    ):
        if not runs:
            raise ValueError("runs is empty: it must name at least one trained network")
        self.runs, self.parts = dict(runs), tuple(parts)
        self.images = data.x_test[:MAPPED]
        self.labels = data.y_test[:MAPPED]
        classes = np.unique(self.labels)
        first = [np.flatnonzero(self.labels == c)[:PER_CLASS] for c in classes]
        self.samples = np.concatenate(first)

    @cached_property
    def codes(self) -> dict[str, np.ndarray]:
        """The latents of the images, `(n, latent_dim)`, by each network."""
        return {name: run.encode(self.images) for name, run in self.runs.items()}

    def _repr_html_(self) -> str:
        models = {
            name: embedded(run, self.parts)
            | {"reach": self._reach(name), "codes": self._codes_of_samples(name)}
            for name, run in self.runs.items()
        }
        images, labels = self.images[self.samples], self.labels[self.samples]
        data = {"models": models, "images": as_text(images), "labels": labels.tolist()}
        heads = ["network", "seed", "weights", "bytes here"]
        heads += ["rounding moves a pixel by at most"]
        rows = []
        for name, model in models.items():
            moved = moved_by_rounding(self.runs[name], self.images)
            count, size = model["count"], len(model["weights"])
            rows.append([name, model["seed"], f"{count:,d}", f"{size:,d}"])
            rows[-1].append(f"{moved:.1e}")
        return f'<div class="cae-lab-models">{_table(heads, rows)}{_script(data)}</div>'

    def _reach(self, name: str) -> float:
        return float(np.quantile(abs(self.codes[name]), 0.99))

    def _codes_of_samples(self, name: str) -> str:
        return as_text(half(self.codes[name][self.samples]))

    def __repr__(self) -> str:
        return f"<lab with {', '.join(self.runs)}>"

    def latent_pad(self) -> Html:
        """Returns the map of a network with 2 latents, and sliders for another one.

        Raises:
            ValueError: If there is not one with 2 latents and one with more.
        """
        sizes = {name: run.config.latent_dim for name, run in self.runs.items()}
        flat = next((name for name in sizes if sizes[name] == 2), None)
        deep = next((name for name in sizes if sizes[name] >= SLIDERS), None)
        if flat is None or deep is None:
            raise ValueError(
                f"runs has latents {sizes}: it must have a network with 2, and one "
                f"with {SLIDERS} or more"
            )
        z, classes = self.codes[deep], np.unique(self.labels)
        means = np.array([z[self.labels == c].mean(axis=0) for c in classes])
        data = {
            "map": flat,
            "points": as_text(half(self.codes[flat])),
            "labels": as_text(self.labels),
            "colors": CLASS_COLORS,
            "sliders": deep,
            "classes": classes.tolist(),
            "means": as_text(half(means)),
            "spread": z[:, :SLIDERS].std(axis=0).tolist(),
        }
        what = (
            f"Above, {len(self.labels):,d} test digits where “{flat}” puts them; any "
            "place can be pointed at, or reached with the arrow keys, and is decoded. "
            f"Below, sliders for “{deep}”, from −4 to 4 standard deviations. "
        )
        caption = what + self._say([flat, deep])
        return _figure("latent-pad", self._places(flat), data, caption)

    def _places(self, name: str) -> Figure:
        low, high = np.quantile(self.codes[name], (0.02, 0.98), axis=0)
        across, down = np.meshgrid(
            np.linspace(low[0], high[0], 12), np.linspace(high[1], low[1], 5)
        )
        grid = np.stack([across.ravel(), down.ravel()], axis=1).astype("float32")
        alt = f"60 places of the map, each decoded by the network “{name}”."
        return pictures.digits(self.runs[name].decode(grid), columns=12, alt=alt)

    def draw(self) -> Html:
        """Returns a field to draw in, with what each network makes of the drawing.

        Raises:
            ValueError: If the page has no encoders.
        """
        if "encoder" not in self.parts:
            raise ValueError(f"parts={self.parts}: 'encoder' must be one of them")
        x = to_float(self.images[self.samples[::PER_CLASS]])
        rows = {"test digits": x}
        rows |= {name: run.reconstruct(x) for name, run in self.runs.items()}
        alt = f"{len(x)} test digits, and what {_and(self.runs)} make of them."
        figure = pictures.rows(rows, alt=alt)
        what = (
            "A drawing, the same centred and scaled as MNIST, and what each network "
            "makes of it, with its mean squared error and its code as bars: orange "
            "below zero, purple above; 99 % of the latents of test digits fit in. "
        )
        return _figure("draw", figure, {}, what + self._say(self.runs))

    def interpolate(self) -> Html:
        """Returns a walk between two test digits: in pixels, and in latents."""
        one, other = to_float(self.images[self.samples[[0, -1]]])
        share = np.linspace(0, 1, 8, dtype="float32")[:, None]
        mix = share[..., None, None]
        rows = {"pixels": (1 - mix) * one + mix * other}
        for name, run in self.runs.items():
            z = run.encode(np.stack([one, other]))
            rows[name] = run.decode((1 - share) * z[0] + share * z[1])
        digits = self.labels[self.samples[[0, -1]]]
        ends = f"From a {digits[0]} to a {digits[1]}"
        alt = f"{ends}: in pixels, and by {_and(self.runs)}."
        what = "A walk between two test digits, in pixels and through latents. "
        figure = pictures.rows(rows, alt=alt)
        return _figure("interpolate", figure, {}, what + self._say(rows))

    def _say(self, names) -> str:
        """Says whose weights these are."""
        seeds = {n: self.runs[n].seed for n in names if n in self.runs}
        said = _and(f"“{name}” (seed {seed})" for name, seed in seeds.items())
        return f"The weights are those that this build has trained: {said}."


def _and(names) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _figure(lab: str, static: Figure, data: dict, caption: str) -> Html:
    image = base64.b64encode(static.png(dpi=80)).decode()
    text = (
        f'<figure class="cae-lab" data-lab="{lab}"><div class="cae-lab-static">'
        f'<img class="dark-light" alt="{html.escape(static.alt)}" '
        f'src="data:image/png;base64,{image}"><p>This is a still picture: with '
        "JavaScript, and on a page of the built book, it can be played with.</p></div>"
        f"<figcaption>{html.escape(caption)}</figcaption>{_script(data)}</figure>"
    )
    return Html(text, f"<lab: {lab}>")


def _script(data: dict) -> str:
    text = json.dumps(data).replace("<", "\\u003c")  # nothing ends the script early
    return f'<script type="application/json">{text}</script>'


def _table(heads: list, rows: list[list]) -> str:
    head = "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

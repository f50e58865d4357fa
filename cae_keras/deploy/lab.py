"""The lab: networks that this build has trained, for a reader to play with in the page.

What a page embeds is data; `book/_static/network.js` computes with it, and
`book/_static/lab.js` draws. Without JavaScript a reader sees a picture and a sentence.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from cae_keras.compare.findings import listed
from cae_keras.compare.tables import Table
from cae_keras.data import Mnist
from cae_keras.deploy.embed import (
    PARTS,
    base64_of,
    embedded,
    embedded_pca,
    half,
    moved_by_rounding,
)
from cae_keras.deploy.held import Html, playable, script
from cae_keras.figures import digits, rows
from cae_keras.figures.inside import CLASS_COLORS, named_places
from cae_keras.figures.style import Figure
from cae_keras.images import to_float
from cae_keras.measurements.baselines import PCA
from cae_keras.training import Run

MAPPED = 2_000  # test images on the map, and behind means and ranges
PER_CLASS = 2  # test images to pick from
SLIDERS = 8


class Lab:
    """The networks that a page holds, and what can be done with them.

    Shown by itself it embeds their weights, and says how far rounding them to float16
    moves a pixel. The others need it on the same page, but for `code_length`.

    Args:
        runs: A name and a trained network for each.
        data: MNIST. Its first 2,000 test images are used.
        parts: What the page needs of each network, out of `encoder` and `decoder`; only
            `draw` and `code_length` need the encoders.

    Raises:
        ValueError: If there is no network.

    Example:
        >>> from cae_keras.config import CAEConfig
        >>> run = Run.untrained(CAEConfig(filters=(4,), latent_dim=2))
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
        self.images, self.labels = data.x_test[:MAPPED], data.y_test[:MAPPED]
        self.of_class = [self.labels == c for c in np.unique(self.labels)]
        self.samples = np.concatenate(
            [np.flatnonzero(c)[:PER_CLASS] for c in self.of_class]
        )
        self.codes = {name: run.encode(self.images) for name, run in self.runs.items()}

    def __repr__(self) -> str:
        return f"<lab with {', '.join(self.runs)}>"

    def _repr_html_(self) -> str:
        models, said = {}, []
        for name, run in self.runs.items():
            z, model = self.codes[name], embedded(run, self.parts)
            moved = moved_by_rounding(run, self.images)
            said.append([name, run.seed, model["count"], len(model["weights"]), moved])
            models[name] = model | {"reach": float(np.quantile(abs(z), 0.99))}
        heads = ["network", "seed", "weights", "bytes here"]
        heads += ["rounding moves a pixel by at most"]
        table = Table(said, heads, ["", "", "", "", ".1e"])
        images, labels = self.images[self.samples], self.labels[self.samples].tolist()
        data = {"models": models, "images": base64_of(images), "labels": labels}
        inside = f"{table._repr_html_()}{script(data)}"
        return f'<div class="cae-lab-models">{inside}</div>'

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
        moves = self._components(deep)
        share = (moves**2).sum() / self.codes[deep].var(axis=0).sum()
        said = (
            f"Above, {len(self.labels):,d} test digits where “{flat}” puts them; any "
            "place can be pointed at, or reached with the arrow keys, and is decoded. "
            f"Below, {len(moves)} principal components of the latents of “{deep}”, "
            f"which hold {share:.0%} of their variance, each from −4 to 4 standard "
            "deviations."
        )
        data = self._map(flat) | self._sliders(deep, moves)
        return self._figure("latent-pad", self._places(flat), said, (flat, deep), data)

    def _map(self, name: str) -> dict:
        z = self.codes[name]
        names = {c: at.tolist() for c, at in named_places(z, self.labels).items()}
        points, labels = base64_of(half(z)), base64_of(self.labels)
        about = {"map": name, "names": names, "colors": CLASS_COLORS}
        return about | {"points": points, "labels": labels}

    def _components(self, name: str) -> np.ndarray:
        """Returns what a standard deviation of each component adds to the latents."""
        z = self.codes[name]
        _, sizes, ways = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
        return (sizes[:, None] / len(z) ** 0.5 * ways)[:SLIDERS]

    def _sliders(self, name: str, moves: np.ndarray) -> dict:
        z, classes = self.codes[name], np.unique(self.labels).tolist()
        means = half(np.array([z[own].mean(axis=0) for own in self.of_class]))
        about = {"sliders": name, "classes": classes, "means": base64_of(means)}
        return about | {"moves": base64_of(half(moves))}

    def _places(self, name: str) -> Figure:
        (left, bottom), (right, top) = np.quantile(self.codes[name], (0.02, 0.98), 0)
        across, down = np.linspace(left, right, 12), np.linspace(top, bottom, 5)
        grid = np.array([(x, y) for y in down for x in across], "float32")
        alt = f"60 places of the map, each decoded by the network “{name}”."
        return digits(self.runs[name].decode(grid), columns=12, alt=alt)

    def draw(self) -> Html:
        """Returns a field to draw in, with what each network makes of the drawing.

        Raises:
            ValueError: If the page has no encoders.
        """
        x = self._drawn_upon()
        made = {name: run.reconstruct(x) for name, run in self.runs.items()}
        alt = f"{len(x)} test digits, and what {listed(self.runs)} make of them."
        said = (
            "A drawing, the same centred and scaled as MNIST, and what each network "
            "makes of it, with its mean squared error and its code as bars: orange "
            "below zero, purple above; 99 % of the latents of test digits fit in."
        )
        still = rows({"test digits": x} | made, alt=alt)
        return self._figure("draw", still, said, self.runs)

    def interpolate(self) -> Html:
        """Returns a walk between two test digits: in pixels, and in latents."""
        ends = self.samples[[0, -1]]
        x, way = to_float(self.images[ends]), np.linspace((1, 0), (0, 1), 8)
        walks = {"pixels": np.tensordot(way, x, 1)}
        for name, run in self.runs.items():
            walks[name] = run.decode(way @ run.encode(x))
        start, end = self.labels[ends]
        alt = f"From a {start} to a {end}: in pixels, and by {listed(self.runs)}."
        said = "A walk between two test digits, in pixels and through latents."
        codes = {k: base64_of(half(z[self.samples])) for k, z in self.codes.items()}
        still, data = rows(walks, alt=alt), {"codes": codes}
        return self._figure("interpolate", still, said, self.runs, data)

    def code_length(self, pca: PCA) -> Html:
        """Returns a field to draw in, with what codes of each length give back.

        That is, codes of the networks and of PCA. It brings the weights itself, with
        the table of networks folded away, and stands alone on its page.

        Raises:
            ValueError: If the page has no encoders.
        """
        x, made = self._drawn_upon(), {}
        lengths = {run.config.latent_dim: run for run in self.runs.values()}
        for k in sorted(lengths)[::2]:
            made[f"{k}: network"] = lengths[k].reconstruct(x)
            made[f"{k}: PCA"] = pca.reconstruct(x, k)
        alt = f"{len(x)} test digits, and what codes give back: {listed(made)}."
        said = (
            "A drawing, the same centred and scaled as MNIST is, and what comes back "
            "from a code of the chosen length: that of an autoencoder trained for it, "
            "and that of PCA, the best linear code. Below each its mean squared error "
            "(MSE, over the pixels; 0 is perfect) and its code as bars, orange below "
            "zero, purple above."
        )
        data = embedded_pca(pca, lengths, self.images)
        below = (
            f"<details><summary>What this page holds</summary>{self._repr_html_()}"
            f"<p>Of PCA: the mean image and {max(lengths)} components, as float16.</p>"
            "</details>"
        )
        still = rows({"test digits": x} | made, alt=alt)
        return self._figure("code-length", still, said, self.runs, data, below)

    def _drawn_upon(self) -> np.ndarray:
        """Returns a test digit of each class, if the page can encode one."""
        if "encoder" not in self.parts:
            raise ValueError(f"parts={self.parts}: 'encoder' must be one of them")
        return to_float(self.images[self.samples[::PER_CLASS]])

    def _figure(self, lab, still, said: str, names, data=None, below="") -> Html:
        """Returns the figure, in whose caption stands whose weights these are."""
        whose = listed(f"“{name}” (seed {self.runs[name].seed})" for name in names)
        said += f" The weights are those that this build has trained: {whose}."
        return playable(lab, still, said, data or {}, below)

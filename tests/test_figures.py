"""Figures hold the data they were given, say in words what is to be seen, and come without global state."""

import io
from itertools import combinations
from math import inf, log, nan

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy import spatial

from cae_keras import figures
from cae_keras.compare.claims import VARIANTS
from cae_keras.compare.statistics import Interval
from cae_keras.figures.style import BASELINE, COLORS, PALETTE

RNG = np.random.default_rng(0)
DIGITS = RNG.random((10, 28, 28, 1)).astype("float32")
HISTORY = {
    "epoch": (0.5, 1.0, 1.5),
    "loss": (0.3, 0.2, 0.1),
    "val_loss": (0.25, 0.15, 0.125),
}


RESULTS = {
    name: {"parameters": np.full(3, cost), "ms": [cost / 1000], "mse": mse * np.array([0.9, 1.0, 1.1])}
    for name, cost, mse in (
        ("baseline", 137_441, 0.0125), ("narrow", 68_769, 0.0145), ("wide", 390_000, 0.0115),
        ("2 latents", 106_000, 0.105), ("8 latents", 112_000, 0.048), ("64 latents", 203_000, 0.0065),
        ("batch norm", 137_825, 0.0122), ("Leaky ReLU", 137_441, 0.0124),
        ("three blocks", 120_000, 0.0131), ("trade-off", 45_000, 0.027),
    )
}  # fmt: skip
COSTS = {"parameters": "parameters", "ms": "time"}
LABELS = ("parameters", "mse", "parameters", "MSE")
POINTS = [(r["parameters"][0], r["mse"].mean()) for r in RESULTS.values()]
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
HALVED = Interval(log(0.5), log(0.25), log(1.0), 3)
LATENTS = RNG.normal(size=(9000, 2))


def every_figure():
    maps = [RNG.random((side, side, 4)) for side in (14, 7, 4)]
    yield figures.digits(DIGITS, list("0123456789"))
    yield figures.reconstructions(DIGITS, {"a": DIGITS * 0.9, "PCA, 2": DIGITS * 0.5})
    yield figures.overview(DIGITS[0], maps, RNG.normal(size=32), maps[::-1], DIGITS[0])
    yield figures.loss_curves({"baseline": [HISTORY], "other": 2 * [HISTORY]}, 0.0581)
    yield figures.curves([0, 1], {"a": [0, 1], "b": [1, 1]}, "x", "y", alt="Two lines.")
    yield figures.error_by_size([2, 8, 32], {"PCA": [0.05, 0.03, 0.015]})
    yield figures.latent_use(RNG.normal(size=(50, 8)))
    yield figures.quality_by_cost(RESULTS, *LABELS, fit=True)
    yield figures.fronts(RESULTS, COSTS, "mse", "MSE", {"ms": 1.05})
    yield figures.sweep({"baseline": {0.001: [0.1], 0.01: [nan]}}, "rate", "error")
    yield figures.forest({"size": {"2 latents": HALVED}}, "change", margin=0.02)
    yield figures.latent_map(LATENTS, np.arange(9000) % 10)
    yield figures.kernels({"narrow": RNG.normal(size=(4, 4, 1, 16))})
    yield figures.rows({"pixels": DIGITS, "latents": DIGITS}, list("0123456789"))
    yield figures.card("A book", {"original": DIGITS})


every = pytest.mark.parametrize("figure", [*every_figure()], ids=lambda f: f.alt[:20])


@every
def test_a_figure_shows_itself_as_png_with_its_alternative_text(figure):
    before = dict(matplotlib.rcParams)
    data, metadata = figure._repr_mimebundle_()
    image = on_page(io.BytesIO(data["image/png"]), "white")
    assert image.shape[1] == round(figure.get_figwidth() * 180)
    assert image.std() > 5, "something is drawn"
    assert metadata["image/png"]["alt"] == figure.alt == data["text/plain"]
    assert figure.alt.endswith(".")
    assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == [], "none goes through pyplot"


@every
def test_a_png_is_small_and_its_colours_are_those_that_were_drawn(figure):
    drawn = io.BytesIO()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # which moves things a little at each drawing
    figure.savefig(drawn, format="png", dpi=90)
    file = io.BytesIO(figure.png(dpi=90))
    assert len(file.getvalue()) < 0.9 * len(drawn.getvalue())
    for page in ("white", "black"):
        wanted, found = (on_page(f, page) for f in (drawn, file))
        off = abs(wanted - found).max(axis=-1)
        assert off.mean() < 1
        assert off.max() <= 20


def on_page(file, color):
    image = Image.open(file).convert("RGBA")
    page = Image.new("RGBA", image.size, color)
    return np.asarray(Image.alpha_composite(page, image).convert("RGB"), int)


def test_reconstructions_show_the_data_and_one_scale_for_all_errors():
    figure = figures.reconstructions(DIGITS, {"a": DIGITS * 0.9, "b": DIGITS * 0.5})
    axes = np.array(figure.axes[:50]).reshape(5, 10)
    assert np.array_equal(axes[0, 3].images[0].get_array(), DIGITS[3, ..., 0])
    assert np.allclose(axes[4, 7].images[0].get_array(), -0.5 * DIGITS[7, ..., 0])
    assert {axis.images[0].get_clim() for axis in (*axes[2], *axes[4])} == {(-1, 1)}
    assert axes[4, 7].get_xlabel() == f"{((0.5 * DIGITS[7]) ** 2).mean():.4f}"
    assert f"b: mean squared error {((0.5 * DIGITS) ** 2).mean():.4f}" in figure.alt


def test_loss_curves_draw_mean_band_and_floor():
    other = HISTORY | {"loss": (0.4, 0.3, 0.2), "val_loss": (0.35, 0.25, 0.225)}
    figure = figures.loss_curves({"baseline": [HISTORY, other]}, floor=0.05)
    axis, right = figure.axes
    training, validation, floor = axis.lines
    assert np.allclose(right.lines[0].get_ydata(), (0.25, 0.15, 0.125))
    assert np.allclose(validation.get_ydata(), (0.3, 0.2, 0.175))
    assert np.allclose(training.get_ydata(), (0.35, 0.25, 0.15))
    assert list(validation.get_xdata()) == list(HISTORY["epoch"])
    assert floor.get_ydata() == [0.05, 0.05]
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.125, 0.35))
    assert legend(figure) == ["baseline", "training", "floor 0.0500"]
    assert "baseline goes from 0.3000 to 0.1750. The floor is 0.0500." in figure.alt


def test_each_configuration_has_a_colour_and_keeps_it_wherever_it_stands():
    """Of the original study; what is added to it takes the next one of the palette."""
    assert set(COLORS) == {"baseline", *VARIANTS}
    for order in (("baseline", "wide", "PCA"), ("PCA", "wide", "baseline")):
        figure = figures.loss_curves({name: [HISTORY] for name in order}, floor=0.05)
        lines = [line.get_color() for line in figure.legends[0].get_lines()]
        colors = dict(zip(legend(figure), lines, strict=True))
        assert colors["baseline"] == BASELINE
        assert colors["wide"] == COLORS["wide"]
        assert colors["PCA"] == PALETTE[0]


@pytest.mark.parametrize("name", COLORS)
def test_each_colour_is_seen_on_paper_and_in_dark_mode(name):
    assert contrast(rgb(COLORS[name]), np.ones(3)) >= 3
    assert contrast(dark(rgb(COLORS[name])), dark(np.ones(3))) >= 3


@pytest.mark.parametrize("kind", VISION)
def test_colours_stay_apart_in_colour_blind_eyes(kind):
    """Machado, Oliveira & Fernandes (2009); distances in Oklab, where 0.02 is just seen."""
    for look in (np.array, dark):
        seen = {
            name: oklab(np.clip(VISION[kind] @ linear(look(rgb(color))), 0, 1))
            for name, color in COLORS.items()
        }
        for one, other in combinations(seen, 2):
            least = 0.095 if "baseline" in (one, other) else 0.05
            assert np.linalg.norm(seen[one] - seen[other]) > least, (one, other)


def rgb(color):
    return np.array(matplotlib.colors.to_rgb(color))


def linear(color):
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dim, bright = sorted(linear(c) @ (0.2126, 0.7152, 0.0722) for c in (one, other))
    return (bright + 0.05) / (dim + 0.05)


def dark(color):
    """What book.css does: invert(0.93), then hue-rotate(180deg)."""
    gray = np.array([0.213, 0.715, 0.072])
    turned = 2 * np.tile(gray, (3, 1)) - np.eye(3)
    return np.clip(turned @ (color * (1 - 2 * 0.93) + 0.93), 0, 1)


def oklab(linear_color):
    """Björn Ottosson (2020), https://bottosson.github.io/posts/oklab/"""
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    axes = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(axes) @ np.cbrt(np.array(cones) @ linear_color)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_errors_by_size_may_have_runs_and_sizes_of_their_own():
    runs = {2: [0.2, 0.4], 4: [0.1, 0.3]}
    figure = figures.error_by_size([4, 8], {"PCA": [0.5, 0.4], "runs": runs})
    pca, mean = figure.axes[0].lines
    assert np.allclose(pca.get_xydata(), [(4, 0.5), (8, 0.4)])
    assert np.allclose(mean.get_xydata(), [(2, 0.3), (4, 0.2)])
    (bars,) = figure.axes[0].collections
    assert np.allclose(
        bars.get_segments(), [[(2, 0.2), (2, 0.4)], [(4, 0.1), (4, 0.3)]]
    )


def test_quality_by_cost_draws_means_and_ranges():
    figure = figures.quality_by_cost(RESULTS, *LABELS, fit=True)
    axis = figure.axes[0]
    points = [line.get_xydata()[0] for line in axis.lines if line.get_marker() == "o"]
    assert np.allclose(points, POINTS)
    bar = axis.collections[3].get_segments()[0][:, 1]
    assert np.allclose(bar, (0.105 * 0.9, 0.105 * 1.1))
    assert "trade-off 0.027 at 45,000" in figure.alt


def test_the_slope_is_the_exponent_of_a_power_law():
    results = {str(n): {"cost": [n], "error": [3 * n**-0.25]} for n in (10, 100, 5000)}
    labels = ("cost", "error", "cost", "error")
    figure = figures.quality_by_cost(results, *labels, fit=True)
    assert figure.alt.endswith("The slope is -0.25.")
    line = next(line for line in figure.axes[0].lines if line.get_linestyle() == "--")
    assert np.allclose(line.get_ydata(), 3 * line.get_xdata() ** -0.25)
    same = {name: {"cost": [5], "error": [e]} for name, e in (("a", 1), ("b", 2))}
    with pytest.raises(ValueError, match="cost='cost': a line needs costs that differ"):
        figures.quality_by_cost(same, *labels, fit=True)


def test_no_name_covers_another_or_a_point():
    figure = figures.quality_by_cost(RESULTS, *LABELS)
    figure.draw_without_rendering()
    axis = figure.axes[0]
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in axis.texts]
    assert [text.get_text() for text in axis.texts] == list(RESULTS)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    dots = axis.transData.transform(POINTS)
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    frame = axis.get_window_extent()
    assert all(frame.contains(*corner) for box in boxes for corner in box.corners())


def test_fronts_fill_who_is_not_dominated_name_them_and_shade_the_gap():
    """Of the times of two that differ by less than 5 %, neither is said to be less."""
    figure = figures.fronts(RESULTS, COSTS, "mse", "MSE", {"ms": 1.05})
    figure.draw_without_rendering()
    counted, measured = figure.axes
    assert counted.get_ylim() == measured.get_ylim()
    best = ["narrow", "batch norm", "Leaky ReLU", "64 latents", "three blocks", "trade-off"]  # fmt: skip
    for axis, filled in ((counted, best), (measured, ["baseline", *best])):
        dots = [line for line in axis.lines if line.get_marker() in ("o", "s")]
        solid = [line.get_markerfacecolor() != "white" for line in dots]
        assert {name for name, is_solid in zip(RESULTS, solid, strict=True) if is_solid} == {*filled}  # fmt: skip
        assert {text.get_text() for text in axis.texts} == {*filled}
        boxes = [matplotlib.text.Text.get_window_extent(text) for text in axis.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    band = measured.collections[-1].get_paths()[0].vertices
    assert band[:, 0].max() == pytest.approx(1.05 * 203)
    assert set(legend(figure)) == {*RESULTS, "dominated", "Pareto front", "within the gap"}  # fmt: skip
    assert figure.alt.startswith(
        "Pareto fronts of MSE. By parameters trade-off, narrow,"
    )
    assert figure.alt.endswith("64 latents; within 5.0 % of it baseline.")


def test_a_short_logarithmic_axis_still_has_ticks():
    some = {name: RESULTS[name] for name in ("narrow", "baseline", "wide")}
    figure = figures.quality_by_cost(some, *LABELS)
    figure.draw_without_rendering()
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        low, high = axis.get_view_interval()
        assert sum(low <= tick <= high for tick in axis.get_majorticklocs()) >= 3
    assert "200,000" in [label.get_text() for label in figure.axes[0].get_xticklabels()]


def test_forest_draws_intervals_of_logarithms_and_says_percent():
    groups = {
        "filters": {"narrow": HALVED},
        "size": {
            "2 latents": Interval(log(8), log(7), log(9), 3),
            "8 latents": Interval(log(4), -inf, inf, 1),
        },
    }
    figure = figures.forest(groups, "error", margin=log(1.05))
    assert figure.alt == (
        "error: narrow −50 % (−75 to 0); 2 latents +700 % (+600 to +800); "
        "8 latents +300 % (one seed: no interval). Within ±5 % counts as no change."
    )
    axis = figure.axes[0]
    zero, *rows = axis.lines
    assert list(zero.get_xdata()) == [0, 0]
    assert np.allclose(rows[0].get_xdata(), (log(0.25), 0))
    assert np.allclose(rows[1].get_xdata(), log(0.5))
    assert rows[4].get_linestyle() == ":"
    assert np.allclose(rows[4].get_xdata(), axis.get_xlim())
    assert rows[5].get_markerfacecolor() == "white"
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["narrow", "2 latents", "8 latents"]
    for at, label in zip(axis.get_xticks(), axis.get_xticklabels(), strict=True):
        assert round(100 * (np.exp(at) - 1)) == int(label.get_text().replace("−", "-"))
    shown = {label.get_text() for label in axis.get_xticklabels()}
    assert shown >= {"0", "+10", "+100", "−50"}


def test_sweep_leaves_diverged_runs_out_of_the_mean_and_counts_them():
    by_rate = {0.1: [nan, inf], 0.001: [0.2, 0.4], 0.01: [0.1, 7.0]}
    lines = {"baseline": by_rate, "wide": {0.1: [nan]}}
    figure = figures.sweep(lines, "rate", "error", cap=5)
    line, empty = figure.axes[0].lines
    assert np.allclose(line.get_xydata(), [(0.001, 0.3), (0.01, 0.1)])
    assert len(empty.get_xdata()) == 0
    marks = {(text.get_position()[0], text.get_text()) for text in figure.axes[0].texts}
    assert marks == {(0.01, "↑ 1 of 2"), (0.1, "↑ 2 of 2"), (0.1, "↑ 1 of 1")}
    assert "diverged: 1 of 2 at 0.01, 2 of 2 at 0.1" in figure.alt
    assert "wide has no run that held; diverged: 1 of 1 at 0.1" in figure.alt
    assert legend(figure) == ["baseline", "wide", "↑ diverged"]


def test_latent_map_names_each_class_at_its_median_and_stays_small():
    labels = np.arange(9000) % 10
    where = LATENTS + 8 * np.column_stack([labels // 5, labels % 5])
    figure = figures.latent_map(where, labels)
    axis = figure.axes[0]
    assert np.array_equal(axis.collections[0].get_offsets(), where[::3])
    for text in axis.texts:
        median = np.median(where[labels == int(text.get_text())], axis=0)
        assert np.allclose(text.get_position(), median)
    assert len(axis.texts) == 10
    assert len(figure._repr_mimebundle_()[0]["image/png"]) <= 400 * 1024


def test_names_of_classes_in_one_place_are_moved_apart():
    labels = np.arange(9000) % 10
    figure = figures.latent_map(LATENTS, labels)
    figure.draw_without_rendering()
    places = figure.axes[0].transData.transform(
        [text.get_position() for text in figure.axes[0].texts]
    )
    gaps = [np.linalg.norm(a - b) for a, b in combinations(places, 2)]
    assert min(gaps) > 15, "pixels; a digit of 18 points is 16 wide"


def test_kernels_stand_beside_their_opposites_each_on_its_own_scale():
    base, order = RNG.normal(size=(4, 4, 1, 10)), RNG.permutation(20)
    weights = np.concatenate([base, -3 * base], axis=-1)[..., order]
    pairs = figures.opposing_pairs(weights)
    assert sorted(len({*order[[*pair]] % 10}) for pair in pairs) == [1] * 10
    assert [*pairs.values()] == pytest.approx([-1] * 10)
    figure = figures.kernels({"baseline": weights})
    assert len(figure.axes) == 8, "of ten pairs"
    for axis, pair in zip(figure.axes, pairs, strict=False):
        drawn = axis.images[0].get_array()[::4]
        kernel = weights[:, :, 0, pair[0]]
        kernel = kernel / abs(kernel).max()
        np.testing.assert_allclose(drawn[:, :16:4], kernel)
        np.testing.assert_allclose(drawn[:, 17::4], -kernel)


def test_pairs_are_the_most_opposed_of_all_that_are_left():
    """By brute force, with the angles of scipy."""
    weights = RNG.normal(size=(4, 4, 1, 9))
    arrows, free = weights.reshape(16, 9).T, [*range(9)]
    expected = {}
    while len(free) > 1:
        far = {p: spatial.distance.cosine(*arrows[[*p]]) for p in combinations(free, 2)}
        pair = max(far, key=far.get)
        expected[pair] = 1 - far[pair]
        free = [i for i in free if i not in pair]
    found = figures.opposing_pairs(weights)
    assert [*found] == [*expected]
    assert [*found.values()] == pytest.approx([*expected.values()])

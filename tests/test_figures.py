"""Figures hold the data they were given, say in words what is to be seen, and come without global state."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from cae_keras import pictures, plots
from cae_keras.figure import BASELINE, PALETTE, Figure

RNG = np.random.default_rng(0)
DIGITS = RNG.random((10, 28, 28, 1)).astype("float32")
HISTORY = {"loss": (0.3, 0.2, 0.1), "val_loss": (0.25, 0.15, 0.125)}


def every_figure():
    yield pictures.digits(DIGITS, [str(i) for i in range(10)])
    yield pictures.reconstructions(
        DIGITS, {"baseline": DIGITS * 0.9, "PCA, 2": DIGITS * 0.5}
    )
    maps = [RNG.random((side, side, 4)) for side in (14, 7, 4)]
    yield pictures.overview(DIGITS[0], maps, RNG.normal(size=32), maps[::-1], DIGITS[0])
    yield plots.loss_curves(
        {"baseline": [HISTORY], "other": [HISTORY, HISTORY]}, floor=0.0581
    )
    yield plots.curves(
        np.arange(5), {"a": np.arange(5), "b": np.ones(5)}, "x", "y", alt="two lines"
    )
    yield plots.error_by_size([2, 8, 32], {"PCA": [0.05, 0.03, 0.015]})
    yield plots.bars(["0", "1"], np.array([0.1, 0.2]), "digit", "error")
    yield plots.latent_use(RNG.normal(size=(50, 8)))


@pytest.mark.parametrize(
    "figure", list(every_figure()), ids=lambda figure: figure.alt[:20]
)
def test_a_figure_shows_itself_as_png_with_its_alternative_text(figure):
    before = dict(matplotlib.rcParams)
    data, metadata = figure._repr_mimebundle_()
    image = np.asarray(Image.open(io.BytesIO(data["image/png"])).convert("L"))
    assert image.shape[1] == round(figure.get_figwidth() * 180)
    assert image.std() > 5, "something is drawn"
    assert metadata["image/png"]["alt"] == figure.alt == data["text/plain"]
    assert figure.alt.endswith((".", "lines"))
    assert dict(matplotlib.rcParams) == before


def test_reconstructions_show_the_data_and_one_scale_for_all_errors():
    figure = pictures.reconstructions(DIGITS, {"a": DIGITS * 0.9, "b": DIGITS * 0.5})
    axes = np.array(figure.axes[:50]).reshape(5, 10)
    assert np.array_equal(axes[0, 3].images[0].get_array(), DIGITS[3, ..., 0])
    assert np.allclose(axes[4, 7].images[0].get_array(), -0.5 * DIGITS[7, ..., 0])
    assert {axis.images[0].get_clim() for axis in (*axes[2], *axes[4])} == {(-1, 1)}
    assert axes[4, 7].get_xlabel() == f"{((0.5 * DIGITS[7]) ** 2).mean():.4f}"
    assert f"b: mean squared error {((0.5 * DIGITS) ** 2).mean():.4f}" in figure.alt


def test_loss_curves_draw_mean_band_and_floor():
    other = {"loss": (0.4, 0.3, 0.2), "val_loss": (0.35, 0.25, 0.225)}
    axis, right = plots.loss_curves({"baseline": [HISTORY, other]}, floor=0.05).axes
    training, validation, floor = axis.lines
    assert np.allclose(right.lines[0].get_ydata(), (0.25, 0.15, 0.125))
    assert np.allclose(validation.get_ydata(), (0.3, 0.2, 0.175))
    assert np.allclose(training.get_ydata(), (0.35, 0.25, 0.15))
    assert floor.get_ydata() == [0.05, 0.05]
    band = axis.collections[1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.125, 0.35))


def test_one_run_has_no_band():
    assert (
        not plots.loss_curves({"baseline": [HISTORY]}, floor=0.05).axes[0].collections
    )


def test_the_baseline_keeps_its_colour_wherever_it_stands():
    for order in (("baseline", "wide"), ("wide", "baseline")):
        axis = plots.loss_curves({name: [HISTORY] for name in order}, floor=0.05).axes[
            0
        ]
        colors = {
            line.get_label().split(",")[0]: line.get_color() for line in axis.lines
        }
        assert colors["baseline"] == BASELINE
        assert colors["wide"] == PALETTE[0]


def test_alternative_texts_tell_the_result():
    assert plots.bars(["3", "8"], np.array([0.1, 0.2]), "digit", "error").alt == (
        "error by digit: least for 3 (0.1000), largest for 8 (0.2000)."
    )
    alt = plots.loss_curves({"baseline": [HISTORY]}, floor=0.0581).alt
    assert "baseline goes from 0.2500 to 0.1250" in alt
    assert "0.0581" in alt
    assert (
        "goes from 0.0500 to 0.0150"
        in plots.error_by_size([2, 32], {"PCA": [0.05, 0.015]}).alt
    )


def test_no_figure_goes_through_pyplot():
    assert isinstance(pictures.digits(DIGITS), Figure)
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []

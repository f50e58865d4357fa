"""The lab in a real browser: what it computes against Keras, and that mouse, keys and finger work."""

import base64
import json
import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from bs4 import BeautifulSoup

from cae_keras import CAEConfig, Mnist, Recipe, Run, build_autoencoder, to_float
from cae_keras.deploy.embed import (
    PARTS,
    embedded,
    half,
    layers_of,
    moved_by_rounding,
    rounded,
)
from cae_keras.deploy.lab import Lab
from cae_keras.experiments import BEYOND, EXPERIMENTS, configurations

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "book" / "_static"
CONFIGS = {
    "2 latents": CAEConfig(latent_dim=2),
    "baseline": CAEConfig(),
    "trade-off": CAEConfig((16, 32, 32), 16, batch_norm=True, activation="leaky_relu"),
    "three blocks": CAEConfig(filters=(8, 8, 16, 16)),
}


def untrained(config, seed=0):
    """A run with weights that no layer ignores: biases and moving statistics are drawn as well."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    weights = []
    for variable in build_autoencoder(config).weights:
        value = variable.numpy()
        if variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, value.shape)
        elif value.ndim == 1:
            value = rng.normal(0, 0.3, value.shape)
        weights.append(value.astype("float32"))
    return Run(config, Recipe(), seed, {}, tuple(weights))


@pytest.fixture(scope="module")
def runs():
    return {name: untrained(config) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def small(mnist):
    few = slice(None, 300)
    return Mnist(
        mnist.x_train[few], mnist.y_train[few], mnist.x_val[few], mnist.y_val[few],
        mnist.x_test[few], mnist.y_test[few],
    )  # fmt: skip


class TestEmbedding:
    @pytest.mark.parametrize("name", CONFIGS)
    def test_weights_are_folded_float16_in_the_order_of_the_layers(self, runs, name):
        data = embedded(runs[name])
        read = np.frombuffer(base64.b64decode(data["weights"]), "<f2")
        folded = rounded(runs[name]).get_weights()
        assert data["count"] == len(read) == sum(map(np.size, folded))
        np.testing.assert_array_equal(read, np.concatenate([w.ravel() for w in folded]))

    @pytest.mark.parametrize("name", CONFIGS)
    def test_rounding_moves_a_pixel_a_little(self, runs, small, name):
        moved = moved_by_rounding(runs[name], small.x_test[:20])
        assert 0 < moved < 0.01
        after = rounded(runs[name]).predict(to_float(small.x_test[:20]), verbose=0)
        by_hand = abs(after - runs[name].reconstruct(small.x_test[:20])).max()
        assert moved == pytest.approx(by_hand)

    def test_a_page_may_hold_the_decoders_alone(self, runs, small):
        run = runs["trade-off"]
        data = embedded(run, ["decoder"])
        decoder = rounded(run).get_layer("decoder")
        assert "encoder" not in data
        assert data["decoder"] == embedded(run)["decoder"]
        assert data["count"] == decoder.count_params()
        lab = Lab({"trade-off": run}, small, parts=["decoder"])
        with pytest.raises(ValueError, match="'encoder' must be one of them"):
            lab.draw()

    def test_a_weight_too_large_is_refused_with_its_value(self):
        with pytest.raises(ValueError, match=r"^70000: a float16 must lie within"):
            half(np.array([1.0, 70000.0]))

    def test_a_layer_that_the_page_cannot_compute_is_refused(self):
        x = keras.Input((28, 28, 1))
        model = keras.Model(x, keras.layers.MaxPooling2D(name="pool")(x))
        with pytest.raises(ValueError, match="'pool' is a MaxPooling2D"):
            layers_of(model)

    def test_a_lab_without_networks_is_refused(self, small):
        with pytest.raises(ValueError, match="runs is empty"):
            Lab({}, small)

    def test_a_pad_needs_a_network_with_two_latents(self, runs, small):
        with pytest.raises(ValueError, match="it must have a network with 2"):
            Lab({"baseline": runs["baseline"]}, small).latent_pad()

    def test_what_a_notebook_shows_names_seed_and_rounding(self, runs, small):
        text = Lab(runs, small)._repr_html_()
        assert "rounding moves a pixel by at most" in text
        pad = Lab(runs, small).latent_pad()._repr_html_()
        assert "“2 latents” (seed 0) and “baseline” (seed 0)" in pad
        assert re.search(r'<img class="dark-light" alt="60 places of the map', pad)


# In a browser


@pytest.fixture(scope="module")
def address(runs, small, tmp_path_factory):
    """A page with all labs, as a file."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("network.js", "lab.js", "lab.css"):
        shutil.copy(STATIC / name, folder)
    lab = Lab(runs, small)
    shown = (lab, lab.latent_pad(), lab.draw(), lab.interpolate())
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Lab</title>'
        '<meta name="viewport" content="width=device-width"><style>:root { --pst-color-primary: #06c; --pst-color-border: #888; }</style><link rel="stylesheet" href="lab.css">'
        '<script src="lab.js"></script><script src="network.js"></script></head>'
        f"<body><main class='bd-content'>{''.join(x._repr_html_() for x in shown)}</main></body></html>",
        "utf-8",
    )
    return (folder / "index.html").as_uri()


class Watched:
    """A page, and what it complained of and asked for."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.errors, self.asked = [], []
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._fail)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def _fail(self, error):
        self.errors.append(str(error))

    def _hear(self, message):
        if message.type == "error":  # reading canvases back, as tests do, is warned of
            self.errors.append(message.text)

    def check(self):
        assert self.errors == []
        assert [
            url for url in self.asked if not url.startswith(("file:", "data:"))
        ] == []


@pytest.fixture
def watched(browser, address):
    watched = Watched(browser, address)
    yield watched
    watched.check()
    watched.context.close()


@pytest.fixture
def page(watched):
    return watched.page


PIXELS = (
    "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
)


def shown(page, selector):
    """Returns what a canvas shows, red of each pixel, 0 to 255."""
    return np.array(page.eval_on_selector(selector, PIXELS))[::4]


def decoded(page, part=0):
    pictures = page.locator("figure[data-lab='latent-pad'] .cae-lab-picture canvas")
    return np.array(pictures.nth(part).evaluate(PIXELS))[::4]


def compare(page, name, model, images) -> dict[str, float]:
    """Returns how far the page's network is off Keras' model, by part, at most.

    A pixel is off by a difference of intensities; a latent, which may be large, in
    shares of itself and one. The decoder gets random codes, as many as there are images.
    """
    parts = page.evaluate(
        "name => Object.keys(caeLab.dataOf(document.querySelector('.cae-lab-models')).models[name])",
        name,
    )
    encoder, decoder = (model.get_layer(part) for part in ("encoder", "decoder"))
    size = decoder.input_shape[-1]
    codes = np.random.default_rng(0).normal(0, 3, (len(images), size)).astype("float32")
    asked = {"encoder": (encoder, images), "decoder": (decoder, codes)}
    off = {}
    for part, (half_model, inputs) in asked.items():
        if part not in parts:
            continue
        found = page.evaluate(
            """([name, part, inputs]) => {
                const holder = document.querySelector(".cae-lab-models");
                const network = new Autoencoder(caeLab.dataOf(holder).models[name]);
                const compute = part === "encoder" ? "encode" : "decode";
                return inputs.map((x) => Array.from(network[compute](x)));
            }""",
            [name, part, inputs.reshape(len(inputs), -1).tolist()],
        )
        by_keras = half_model.predict(inputs, verbose=0).reshape(len(inputs), -1)
        assert by_keras.std() > 0.01
        size = 1 + abs(by_keras) if part == "encoder" else 1
        off[part] = float((abs(found - by_keras) / size).max())
    return off


class TestNetwork:
    @pytest.mark.parametrize("name", CONFIGS)
    def test_outputs_equal_those_of_keras_with_the_same_weights(
        self, page, runs, mnist, name
    ):
        off = compare(page, name, rounded(runs[name]), to_float(mnist.x_test[:100]))
        assert off["encoder"] <= 1e-5
        assert off["decoder"] <= 1e-5

    def test_every_float16_is_read_as_numpy_reads_it(self, page):
        bits = np.arange(2**16, dtype="<u2")
        values = bits.view("<f2").astype(float)
        finite = np.isfinite(values)
        text = base64.b64encode(bits.tobytes()).decode()
        read = np.array(page.evaluate("text => Array.from(halvesOf(text))", text))
        np.testing.assert_array_equal(read[finite], values[finite])


class TestCentring:
    def ink(self, rows, columns, side=280):
        ink = np.zeros((side, side))
        ink[rows, columns] = 1
        return ink

    def centred(self, page, ink):
        script = (
            "([ink, side]) => Array.from(caeLab.centred(Float64Array.from(ink), side))"
        )
        image = page.evaluate(script, [ink.ravel().tolist(), len(ink)])
        return np.array(image).reshape(28, 28)

    @pytest.mark.parametrize("corner", [(0, 0), (30, 150), (140, 200)])
    def test_longer_side_is_20_and_centre_of_mass_in_the_middle(self, page, corner):
        top, left = corner
        ink = self.ink(slice(top, top + 100), slice(left, left + 40))
        ink += self.ink(slice(top + 80, top + 100), slice(left, left + 70))
        image = self.centred(page, np.minimum(ink, 1))
        inked = np.flatnonzero(image.max(axis=1) > 0.01)
        assert 20 <= np.ptp(inked) + 1 <= 21
        at = np.indices((28, 28)) + 0.5
        middle = (at * image).sum(axis=(1, 2)) / image.sum()
        np.testing.assert_allclose(middle, (14, 14), atol=0.1)

    def test_an_empty_field_is_a_black_image(self, page):
        assert self.centred(page, np.zeros((280, 280))).max() == 0


class TestPad:
    def test_arrow_keys_decode_another_place_and_stay_on_the_page(self, page):
        pad = page.locator(".cae-lab-pad")
        pad.focus()
        before, scrolled = decoded(page), page.evaluate("scrollY")
        for _ in range(3):
            page.keyboard.press("Shift+ArrowRight")
        assert (decoded(page) != before).any()
        assert page.evaluate("scrollY") == scrolled
        for _ in range(3):
            page.keyboard.press("Shift+ArrowLeft")
        assert abs(decoded(page) - before).max() <= 1

    def test_what_is_decoded_equals_keras(self, page, runs):
        page.locator(".cae-lab-pad").focus()
        page.keyboard.press("Shift+ArrowUp")
        note = page.locator(
            ".cae-lab-map + .cae-lab-picture .cae-lab-note"
        ).inner_text()
        near = [float(z) for z in note.replace("−", "-").split(",")]
        # the note has one decimal: a grid around it holds the place itself
        steps = np.linspace(-0.05, 0.05, 11)
        grid = np.array(
            [(near[0] + a, near[1] + b) for a in steps for b in steps], "f4"
        )
        images = (
            rounded(runs["2 latents"]).get_layer("decoder").predict(grid, verbose=0)
        )
        off = abs(255 * images.reshape(len(grid), -1) - decoded(page)).max(axis=1)
        assert off.min() < 3

    def test_drag_follows_the_pointer_and_ends_with_it(self, page):
        pad = page.locator(".cae-lab-pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        before = decoded(page)
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        assert (decoded(page) == before).all(), "the button is not down"
        page.mouse.down()
        first = decoded(page)
        page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 60, steps=4)
        second = decoded(page)
        page.mouse.up()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        assert (before != first).any()
        assert (first != second).any()
        assert (decoded(page) == second).all()

    def test_a_result_is_announced_when_the_point_rests(self, page):
        said = page.locator("figure[data-lab='latent-pad'] [aria-live=polite]").first
        before = said.inner_text()
        page.locator(".cae-lab-pad").focus()
        for _ in range(3):
            page.keyboard.press("Shift+ArrowLeft")
        assert said.inner_text() == before, "not while it moves"
        page.wait_for_timeout(600)
        assert said.inner_text() != before
        assert "nearest to it are a" in said.inner_text()

    def test_sliders_move_and_reset(self, page):
        before = decoded(page, 1)
        slider = page.get_by_label("latent 3", exact=True)
        slider.focus()
        for _ in range(20):
            page.keyboard.press("ArrowRight")
        assert float(slider.input_value()) == pytest.approx(2)
        assert (decoded(page, 1) != before).any()
        page.get_by_role("button", name="All to the mean").press("Enter")
        assert (decoded(page, 1) == before).all()
        page.get_by_label("around the mean code of the").select_option("4")
        assert (decoded(page, 1) != before).any()

    def test_the_legend_names_each_class_once(self, page):
        assert page.locator(".cae-lab-legend li").all_inner_texts() == list(
            "0123456789"
        )


class TestDraw:
    ANSWERS = "figure[data-lab='draw'] .cae-lab-picture > canvas:not(.cae-lab-bars)"

    def answers(self, page):
        return [
            np.array(c.evaluate(PIXELS))[::4] for c in page.locator(self.ANSWERS).all()
        ]

    def test_a_test_image_is_seen_as_it_is_and_reconstructed_by_each(
        self, page, runs, small
    ):
        page.get_by_label("In the field:").select_option(label="test digit 7")
        seen, *given = self.answers(page)
        image = small.x_test[np.flatnonzero(small.y_test == 7)[:1]]
        np.testing.assert_allclose(seen, image.ravel(), atol=1)
        assert len(given) == len(runs)
        for made, run in zip(given, runs.values(), strict=True):
            expected = rounded(run).predict(to_float(image), verbose=0)
            np.testing.assert_allclose(made, 255 * expected.ravel(), atol=1)

    def test_errors_are_those_of_numpy(self, page, runs, small):
        page.get_by_label("In the field:").select_option(label="test digit 2")
        image = to_float(small.x_test[np.flatnonzero(small.y_test == 2)[:1]])
        notes = page.locator("figure[data-lab='draw'] .cae-lab-note").all_inner_texts()
        for note, run in zip(notes[1:], runs.values(), strict=True):
            error = ((rounded(run).predict(image, verbose=0) - image) ** 2).mean()
            assert float(note.removeprefix("MSE ")) == pytest.approx(error, abs=6e-5)

    def test_a_stroke_is_drawn_centred_and_cleared(self, page):
        field = page.locator(".cae-lab-field")
        field.scroll_into_view_if_needed()
        box = field.bounding_box()
        page.mouse.move(box["x"] + 30, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 30, box["y"] + 150, steps=8)
        page.mouse.up()
        page.evaluate("() => new Promise(requestAnimationFrame)")
        seen = self.answers(page)[0].reshape(28, 28) / 255
        at = np.indices((28, 28)) + 0.5
        middle = (at * seen).sum(axis=(1, 2)) / seen.sum()
        np.testing.assert_allclose(middle, (14, 14), atol=0.15)
        assert 19 <= (seen.max(axis=1) > 0.1).sum() <= 22
        page.get_by_role("button", name="Clear").press("Enter")
        assert self.answers(page)[0].max() == 0

    @pytest.mark.parametrize("strange", ["the letter A", "a scribble"])
    def test_what_is_no_digit_can_be_had_without_a_pointer(self, page, strange):
        page.get_by_label("In the field:").select_option(label=strange)
        assert self.answers(page)[0].max() > 200

    def test_three_models_take_less_than_50_ms_and_a_decoding_less_than_8(self, page):
        """Medians: a machine that is busy with other things can be slow at times."""
        both, decode = page.evaluate(
            """() => {
                const { models, images } = caeLab.dataOf(document.querySelector(".cae-lab-models"));
                const image = Array.from(bytesOf(images).slice(0, 784), (v) => v / 255);
                const networks = ["2 latents", "baseline", "trade-off"].map((n) => new Autoencoder(models[n]));
                const codes = networks.map((network) => network.encode(image));
                const time = (work) => {
                    const taken = [];
                    for (let i = 0; i < 30; i++) {
                        const start = performance.now();
                        work();
                        taken.push(performance.now() - start);
                    }
                    return caeLab.median(taken);
                };
                return [time(() => networks.forEach((n) => n.decode(n.encode(image)))),
                        Math.max(...networks.map((n, i) => time(() => n.decode(codes[i]))))];
            }"""
        )
        assert both < 50
        assert decode < 8


class TestInterpolate:
    PICTURES = "figure[data-lab='interpolate'] .cae-lab-picture canvas"

    def walk(self, page, to):
        slider = page.get_by_label("way:")
        slider.focus()
        page.keyboard.press("Home" if to == 0 else "End")
        return [
            np.array(c.evaluate(PIXELS))[::4] for c in page.locator(self.PICTURES).all()
        ]

    @pytest.mark.parametrize("to, digit, end", [(0, "3", 0), (100, "5", 1)])
    def test_the_ends_are_the_digits_and_their_reconstructions(
        self, page, runs, small, to, digit, end
    ):
        chooser = page.locator("figure[data-lab='interpolate'] select").nth(end)
        chooser.select_option(label=digit)
        pixels, *models = self.walk(page, to)
        image = small.x_test[np.flatnonzero(small.y_test == int(digit))[:1]]
        np.testing.assert_allclose(pixels, image.ravel(), atol=1)
        for made, run in zip(models, runs.values(), strict=True):
            expected = rounded(run).predict(to_float(image), verbose=0)
            np.testing.assert_allclose(made, 255 * expected.ravel(), atol=1)


class TestPage:
    def test_each_control_has_a_name_and_a_visible_focus(self, page):
        page.locator("body").click(position={"x": 1, "y": 1})
        controls = page.locator(
            "figure.cae-lab :is(input, select, button, canvas[tabindex])"
        )
        names = controls.evaluate_all(
            "all => all.map(e => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)"
        )
        assert all(name.strip() for name in names)
        reached = 0
        for _ in names:
            page.keyboard.press("Tab")
            outline = page.evaluate(
                "() => document.activeElement.closest('.cae-lab') && getComputedStyle(document.activeElement).outlineStyle"
            )
            reached += outline == "solid"
        assert reached == len(names)

    @pytest.mark.parametrize("width", [360, 900])
    def test_nothing_sticks_out_of_the_window(self, page, width):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_a_finger_draws(self, browser, address):
        watched = Watched(
            browser, address, has_touch=True, viewport={"width": 360, "height": 700}
        )
        page = watched.page
        field = page.locator(".cae-lab-field")
        field.scroll_into_view_if_needed()
        field.tap(position={"x": 100, "y": 60})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert shown(page, ".cae-lab-field").max() == 255
        assert page.get_by_label("In the field:").input_value() == "0"
        watched.check()
        watched.context.close()

    def test_without_javascript_there_are_a_picture_and_a_sentence(
        self, browser, address
    ):
        watched = Watched(browser, address, java_script_enabled=False)
        for figure in watched.page.locator("figure.cae-lab").all():
            assert figure.locator("img").get_attribute("alt")
            assert "with JavaScript" in figure.inner_text()
        watched.context.close()

    def test_with_javascript_they_are_gone(self, page):
        assert page.locator("figure.cae-lab").count() == 3
        assert page.locator(".cae-lab-static").count() == 0


LABS = {"experiment_2_latent_dim": ["latent-pad", "interpolate"], "tradeoff": ["draw"]}
HELD = [
    ("experiment_2_latent_dim", "2 latents", {"decoder"}),
    ("experiment_2_latent_dim", "baseline", {"decoder"}),
    ("tradeoff", "2 latents", {"encoder", "decoder"}),
    ("tradeoff", "baseline", {"encoder", "decoder"}),
    ("tradeoff", "trade-off", {"encoder", "decoder"}),
]


def with_weights_of(path, name):
    """Returns Keras' model, with the trained weights that a built page holds."""
    page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
    data = json.loads(page.select_one(".cae-lab-models script").string)["models"][name]
    packed = np.frombuffer(base64.b64decode(data["weights"]), "<f2").astype("float32")
    model = rounded(untrained(configurations(*EXPERIMENTS, *BEYOND)[name]))
    at = 0
    for part in filter(data.get, PARTS):
        for layer in model.get_layer(part).layers:
            weights = []
            for old in layer.get_weights():
                weights.append(packed[at : at + old.size].reshape(old.shape))
                at += old.size
            layer.set_weights(weights)
    assert at == len(packed)
    return model


@pytest.mark.skipif(not os.environ.get("CAE_BUILT"), reason="CAE_BUILT is not set")
class TestBook:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("stem", LABS)
    def test_a_built_page_has_its_labs(self, browser, stem, theme):
        path = ROOT / "_build" / "html" / f"{stem}.html"
        watched = Watched(browser, path.as_uri(), color_scheme=theme)
        figures = watched.page.locator("figure.cae-lab")
        labs = figures.evaluate_all("all => all.map(e => e.dataset.lab)")
        assert labs == LABS[stem]
        assert watched.page.locator(".cae-lab-static").count() == 0
        assert watched.page.locator("html").get_attribute("data-theme") == theme
        watched.check()
        watched.context.close()

    @pytest.mark.parametrize("stem, name, parts", HELD)
    def test_trained_networks_compute_what_keras_does(
        self, browser, mnist, stem, name, parts
    ):
        path = ROOT / "_build" / "html" / f"{stem}.html"
        watched = Watched(browser, path.as_uri())
        model = with_weights_of(path, name)
        off = compare(watched.page, name, model, to_float(mnist.x_test[:100]))
        watched.context.close()
        assert set(off) == parts
        assert max(off.values()) <= 1e-5, off

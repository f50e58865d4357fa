"""The lab in a real browser: what it computes against Keras, and that mouse, keys and finger work."""

import base64
import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

import cae_keras as cae
from cae_keras.config import CAEConfig
from cae_keras.data import Mnist
from cae_keras.deploy.embed import (
    described,
    embedded,
    half,
    moved_by_rounding,
    rounded,
)
from cae_keras.deploy.lab import Lab
from cae_keras.images import to_float
from cae_keras.training import Run

ROOT = Path(__file__).parents[1]
BUILT, RUNS = os.environ.get("CAE_BUILT"), os.environ.get("CAE_RUNS")  # of a book
CONFIGS = {
    "2 latents": CAEConfig(latent_dim=2),
    "baseline": CAEConfig(),
    "trade-off": CAEConfig((16, 32, 32), 16, batch_norm=True, activation="leaky_relu"),
    "three blocks": CAEConfig(filters=(8, 8, 16, 16)),
}
LENGTHS = {f"{size} latents": CAEConfig(latent_dim=size) for size in (64, 2, 8, 32)}


def untrained(config):
    """A run with weights that no layer ignores: biases and moving statistics are drawn as well.

    Its latents differ as much from image to image as those of a trained network do.
    """
    run, rng = Run.untrained(config), np.random.default_rng(0)
    weights = []
    for variable in run.autoencoder.weights:
        value = variable.numpy()
        if variable.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, value.shape)
        elif value.ndim == 1:
            value = rng.normal(0, 0.3, value.shape)
        elif variable.path == "latents/kernel":
            value = 20 * value
        weights.append(value.astype("float32"))
    return Run(config, run.recipe, 0, {}, tuple(weights))


@pytest.fixture(scope="module")
def runs():
    return {name: untrained(config) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def small(mnist):
    return Mnist(*(part[:300] for part in vars(mnist).values()))


@pytest.fixture(scope="module")
def by_length(small, small_pca):
    runs = {name: untrained(config) for name, config in LENGTHS.items()}
    return Lab(runs, small).code_length(small_pca)


@pytest.fixture(scope="module")
def small_pca(small):
    return cae.fit_pca(small.x_train)


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
        after = by_keras(runs[name], small.x_test[:20])
        before = runs[name].reconstruct(small.x_test[:20])
        assert moved == pytest.approx(abs(after - before).max())

    def test_a_page_may_hold_the_decoders_alone(self, runs):
        data = embedded(runs["trade-off"], ["decoder"])
        decoder = rounded(runs["trade-off"]).get_layer("decoder")
        assert "encoder" not in data
        assert data["decoder"] == embedded(runs["trade-off"])["decoder"]
        assert data["count"] == decoder.count_params()

    def test_what_the_page_cannot_hold_or_compute_is_refused(self):
        with pytest.raises(ValueError, match=r"^70000: a float16 must lie within"):
            half(np.array([1.0, 70000.0]))
        x = keras.Input((28, 28, 1))
        pool = keras.layers.MaxPooling2D(name="pool")
        pool(x)
        with pytest.raises(ValueError, match="'pool' is a MaxPooling2D"):
            described(pool)

    def test_what_a_notebook_shows_names_seed_and_rounding(self, runs, small):
        lab = Lab(runs, small)
        assert "rounding moves a pixel by at most" in lab._repr_html_()
        pad = lab.latent_pad()._repr_html_()
        assert "“2 latents” (seed 0) and “baseline” (seed 0)" in pad
        assert re.search(r'<img class="dark-light" alt="60 places of the map', pad)

    def test_four_networks_and_pca_leave_a_page_light(self, by_length):
        """The rest of the first page and its pictures have 0.14 MB more."""
        assert len(by_length._repr_html_().encode()) < 1_560_000


def by_keras(run, images):
    """What Keras computes with the weights that the page holds."""
    return rounded(run).predict(to_float(images), verbose=0)


# In a browser


def written(folder, *shown):
    """Returns the address of a page with labs, a file."""
    for name in ("network.js", "lab.js", "lab.css"):
        shutil.copy(ROOT / "book" / "_static" / name, folder)
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Lab</title>'
        '<meta name="viewport" content="width=device-width"><style>:root { --pst-color-primary: #06c; --pst-color-border: #888; }</style><link rel="stylesheet" href="lab.css">'
        '<script src="lab.js"></script><script src="network.js"></script></head>'
        f"<body><main class='bd-content'><h1>Lab</h1>{''.join(x._repr_html_() for x in shown)}</main></body></html>",
        "utf-8",
    )
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def address(runs, small, tmp_path_factory):
    """A page with the labs of the chapters."""
    lab, folder = Lab(runs, small), tmp_path_factory.mktemp("lab")
    return written(folder, lab, lab.latent_pad(), lab.draw(), lab.interpolate())


class Watched:
    """A page, and what it complained of and asked for."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.errors, self.asked = [], []
        # reading canvases back, as tests do, is warned of
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))  # fmt: skip
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def close(self):
        assert self.errors == []
        assert [u for u in self.asked if not u.startswith(("file:", "data:"))] == []
        self.context.close()


@pytest.fixture
def page(browser, address):
    watched = Watched(browser, address)
    yield watched.page
    watched.close()


@pytest.fixture
def first_page(browser, by_length, tmp_path):
    """A page as the index is: it holds the lab of code lengths alone."""
    watched = Watched(browser, written(tmp_path, by_length))
    yield watched.page
    watched.close()


PIXELS = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"  # fmt: skip


def shown(canvases):
    """Returns what each canvas shows, red of each pixel, 0 to 255."""
    return [np.array(canvas.evaluate(PIXELS))[::4] for canvas in canvases.all()]


def decoded(page, part=0):
    pictures = page.locator("figure[data-lab='latent-pad'] canvas[role=img]")
    return shown(pictures)[part]


def press(page, key, times):
    for _ in range(times):
        page.keyboard.press(key)


def dragged(page, selector, *places):
    """Presses the mouse at the first place of an element, and moves it through the others."""
    element = page.locator(selector)
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    for i, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=6)
        if i == 0:
            page.mouse.down()
        yield


def compute(page, name, way, inputs):
    """What the page's network makes of inputs; `way` is `encode` or `decode`."""
    return page.evaluate(
        """([name, way, inputs]) => {
            const { models } = caeLab.dataOf(document.querySelector(".cae-lab-models"));
            const network = new Autoencoder(models[name]);
            return inputs.map((x) => Array.from(network[way](x)));
        }""",
        [name, way, inputs.reshape(len(inputs), -1).tolist()],
    )


class TestNetwork:
    @pytest.mark.parametrize("name", CONFIGS)
    def test_outputs_equal_those_of_keras_with_the_same_weights(self, page, runs, mnist, name):  # fmt: skip
        """A latent, which may be large, in shares of itself and one."""
        model, images = rounded(runs[name]), to_float(mnist.x_test[:100])
        size = runs[name].config.latent_dim
        codes = np.random.default_rng(0).normal(0, 3, (100, size)).astype("float32")
        latents = model.get_layer("encoder").predict(images, verbose=0)
        pixels = model.get_layer("decoder").predict(codes, verbose=0).reshape(100, -1)
        assert min(latents.std(), pixels.std()) > 0.01
        found = compute(page, name, "encode", images)
        np.testing.assert_allclose(found, latents, rtol=1e-5, atol=1e-5)
        found = compute(page, name, "decode", codes)
        np.testing.assert_allclose(found, pixels, rtol=0, atol=1e-5)

    def test_every_float16_is_read_as_numpy_reads_it(self, page):
        bits = np.arange(2**16, dtype="<u2")
        values = bits.view("<f2").astype(float)
        finite = np.isfinite(values)
        text = base64.b64encode(bits.tobytes()).decode()
        read = np.array(page.evaluate("text => Array.from(halvesOf(text))", text))
        np.testing.assert_array_equal(read[finite], values[finite])


class TestPad:
    def test_arrow_keys_decode_another_place_and_stay_on_the_page(self, page):
        page.locator(".cae-lab-pad").focus()
        before, scrolled = decoded(page), page.evaluate("scrollY")
        press(page, "Shift+ArrowRight", 3)
        assert (decoded(page) != before).any()
        assert page.evaluate("scrollY") == scrolled
        press(page, "Shift+ArrowLeft", 3)
        assert abs(decoded(page) - before).max() <= 1

    def test_what_is_decoded_equals_keras(self, page, runs):
        page.locator(".cae-lab-pad").focus()
        page.keyboard.press("Shift+ArrowUp")
        said = page.locator(".cae-lab-pair > [role=img]").get_attribute("aria-label")
        near = [float(z) for z in re.findall(r"-?[\d.]+", said.replace("−", "-"))]
        # it has one decimal: a grid around it holds the place itself
        around = np.indices((11, 11)).reshape(2, -1).T / 100 - 0.05
        decoder = rounded(runs["2 latents"]).get_layer("decoder")
        images = decoder.predict((near + around).astype("f4"), verbose=0)
        off = abs(255 * images.reshape(121, -1) - decoded(page)).max(axis=1)
        assert off.min() < 3

    def test_drag_follows_the_pointer_and_ends_with_it(self, page):
        before, seen = decoded(page), []
        for _ in dragged(page, ".cae-lab-pad", (20, 20), (200, 60)):
            seen.append(decoded(page))
        page.mouse.up()
        page.mouse.move(0, 300, steps=4)
        assert (before != seen[0]).any()
        assert (seen[0] != seen[1]).any()
        assert (decoded(page) == seen[1]).all(), "the button is not down"

    def test_a_result_is_announced_when_the_point_rests(self, page):
        said = page.locator("figure[data-lab='latent-pad'] [aria-live=polite]").first
        before = said.inner_text()
        page.locator(".cae-lab-pad").focus()
        press(page, "Shift+ArrowLeft", 3)
        assert said.inner_text() == before, "not while it moves"
        page.wait_for_timeout(600)
        assert said.inner_text() != before
        assert "nearest to it are a" in said.inner_text()

    def test_sliders_move_along_principal_components_and_reset(self, page, runs, small):
        """Those of numpy's covariance, whose signs are free."""
        before = decoded(page, 1)
        slider = page.get_by_label("component 1", exact=True)
        slider.focus()
        press(page, "ArrowRight", 20)
        assert float(slider.input_value()) == pytest.approx(2)
        z = runs["baseline"].encode(small.x_test)
        variances, ways = np.linalg.eigh(np.cov(z.T, bias=True))
        move = 2 * variances[-1] ** 0.5 * ways[:, -1]
        mean = z[small.y_test == 0].mean(axis=0)
        decoder = rounded(runs["baseline"]).get_layer("decoder")
        both = np.array([mean + move, mean - move], "float32")
        expected = 255 * decoder.predict(both, verbose=0).reshape(2, -1)
        off = abs(expected - decoded(page, 1)).max(axis=1)
        assert off.min() < 1.5 < abs(expected - before).max(axis=1).min()
        page.get_by_role("button", name="All to the mean").press("Enter")
        assert (decoded(page, 1) == before).all()
        page.get_by_label("around the mean code of the").select_option("4")
        assert (decoded(page, 1) != before).any()

    @pytest.mark.parametrize("size", [(390, 660), (1300, 900)])
    def test_the_picture_is_as_large_as_the_map_and_in_view_with_it(self, page, size):
        page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        pair = page.locator(".cae-lab-pair")
        pair.scroll_into_view_if_needed()
        pad, picture = (c.bounding_box() for c in pair.locator("canvas").all())
        assert (pad["width"], pad["height"]) == (picture["width"], picture["height"])
        assert pad["width"] >= 240
        assert pair.bounding_box()["height"] <= 0.8 * size[1], "a header takes the rest"

    def test_the_legend_names_each_class_once(self, page):
        classes = page.locator(".cae-lab-legend li").all_inner_texts()
        assert classes == list("0123456789")


class TestDraw:
    ANSWERS = "figure[data-lab='draw'] .cae-lab-picture > canvas:not(.cae-lab-bars)"

    def test_a_test_image_is_seen_as_it_is_and_reconstructed_by_each(self, page, runs, small):  # fmt: skip
        """With the errors of numpy below."""
        page.get_by_label("In the field:").select_option(label="test digit 7")
        seen, *given = shown(page.locator(self.ANSWERS))
        image = to_float(small.x_test[np.flatnonzero(small.y_test == 7)[:1]])
        np.testing.assert_allclose(seen, 255 * image.ravel(), atol=1)
        notes = page.locator("figure[data-lab='draw'] .cae-lab-note").all_inner_texts()
        for run, made, note in zip(runs.values(), given, notes[1:], strict=True):
            expected = by_keras(run, image)
            np.testing.assert_allclose(made, 255 * expected.ravel(), atol=1)
            error = ((expected - image) ** 2).mean()
            assert float(note.removeprefix("MSE ")) == pytest.approx(error, abs=6e-5)

    @pytest.mark.parametrize("stroke", [
        [(30, 20), (30, 150)], [(60, 40), (220, 60), (90, 250)], [(200, 30), (120, 250), (110, 255), (190, 260)], [(140, 140)],
    ])  # fmt: skip
    def test_a_drawing_is_centred_as_a_picture_of_it_is_and_cleared(self, page, tmp_path, stroke):  # fmt: skip
        """A line, corners, a heavy foot, a dot: the field's own pixels, loaded from a file."""
        for _ in dragged(page, ".cae-lab-field", *stroke):
            pass
        page.mouse.up()
        ink = shown(page.locator(".cae-lab-field"))[0].reshape(280, 280)
        Image.fromarray(ink.astype("uint8")).save(tmp_path / "drawing.png")
        script = "ink => Array.from(caeLab.centred(Float64Array.from(ink), 280))"
        found = page.evaluate(script, (ink / 255).ravel().tolist())
        expected = cae.load_digit(tmp_path / "drawing.png").ravel()
        np.testing.assert_allclose(found, expected, atol=1e-5)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        seen = shown(page.locator(self.ANSWERS))[0]
        np.testing.assert_allclose(seen, 255 * expected, atol=1)
        page.get_by_role("button", name="Clear").press("Enter")
        assert shown(page.locator(self.ANSWERS))[0].max() == 0

    @pytest.mark.parametrize("strange", ["the letter A", "a scribble"])
    def test_what_is_no_digit_can_be_had_without_a_pointer(self, page, strange):
        page.get_by_label("In the field:").select_option(label=strange)
        assert shown(page.locator(self.ANSWERS))[0].max() > 200


class TestCodeLength:
    def test_network_and_pca_give_back_what_python_does_at_each_length(self, first_page, small, small_pca):  # fmt: skip
        """PCA, and its error, from float16, by the keys of the slider."""
        first_page.get_by_label("In the field:").select_option(label="test digit 7")
        image = to_float(small.x_test[np.flatnonzero(small.y_test == 7)[:1]])
        slider = first_page.get_by_label("length of the code")
        slider.press("Home")
        pictures = first_page.locator(".cae-lab-picture > canvas:not(.cae-lab-bars)")
        for size in (2, 8, 32, 64):
            assert slider.get_attribute("aria-valuetext") == f"{size} numbers"
            network = by_keras(untrained(LENGTHS[f"{size} latents"]), image)
            expected = [image, network, small_pca.reconstruct(image, size)]
            notes = first_page.locator(".cae-lab-note").all_inner_texts()
            for made, x, note in zip(shown(pictures), expected, notes, strict=True):
                np.testing.assert_allclose(made, 255 * x.ravel(), atol=1.5)
                error = float(note.removeprefix("MSE ") or 0)
                assert error == pytest.approx(((x - image) ** 2).mean(), abs=1e-4)
            bars = first_page.locator(".cae-lab-bars").evaluate_all(
                "all => all.map(e => e.ariaLabel)"
            )
            assert [f"{size} numbers" in said for said in bars] == [True, True]
            seen = first_page.locator(".cae-lab-size").all_inner_texts()
            assert bars == [f"code: {said}" for said in seen]
            slider.press("ArrowRight")
        found = Axe().run(first_page, options={"preload": False})  # asks for lab.css
        assert found.response["violations"] == []

    def test_a_drawing_stays_when_the_code_gets_longer(self, first_page):
        for _ in dragged(first_page, ".cae-lab-field", (60, 40), (220, 60)):
            pass
        first_page.mouse.up()
        first_page.evaluate("() => new Promise(requestAnimationFrame)")
        seen, *before = shown(first_page.locator(".cae-lab-picture > canvas"))
        first_page.get_by_label("length of the code").press("End")
        after = shown(first_page.locator(".cae-lab-picture > canvas"))
        assert (after[0] == seen).all()
        assert seen.max() > 200
        assert all((a != b).any() for a, b in zip(after[1:], before, strict=True))

    @pytest.mark.parametrize("size", [(390, 700), (1300, 900)])
    def test_both_pictures_are_large_and_in_view_with_the_field(self, first_page, size):
        first_page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        field = first_page.locator(".cae-lab-field").bounding_box()
        pictures = first_page.locator(".cae-lab-answers canvas:not(.cae-lab-bars)")
        one, other = (picture.bounding_box() for picture in pictures.all())
        assert (one["y"], one["width"]) == (other["y"], other["width"])
        assert min(field["width"], one["width"] * 1.6) >= 230
        assert one["y"] + one["height"] - field["y"] <= 0.8 * size[1]


@pytest.mark.parametrize("key, digit, end", [("Home", "3", 0), ("End", "5", 1)])
def test_the_ends_of_a_walk_are_the_digits_and_their_reconstructions(page, runs, small, key, digit, end):  # fmt: skip
    figure = page.locator("figure[data-lab='interpolate']")
    figure.locator("select").nth(end).select_option(label=digit)
    page.get_by_label("way:").press(key)
    pixels, *models = shown(figure.locator(".cae-lab-picture canvas"))
    image = small.x_test[np.flatnonzero(small.y_test == int(digit))[:1]]
    np.testing.assert_allclose(pixels, image.ravel(), atol=1)
    for made, run in zip(models, runs.values(), strict=True):
        np.testing.assert_allclose(made, 255 * by_keras(run, image).ravel(), atol=1)


class TestPage:
    def test_each_control_has_a_name_and_a_visible_focus(self, page):
        page.locator("body").click(position={"x": 1, "y": 1})
        names = page.locator(
            "figure.cae-lab :is(input, select, button, canvas[tabindex])"
        ).evaluate_all(
            "all => all.map(e => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent)"
        )
        assert all(name.strip() for name in names)
        script = "() => { const e = document.activeElement; return e.closest('.cae-lab') && getComputedStyle(e).outlineStyle; }"
        outlines = []
        for _ in names:
            page.keyboard.press("Tab")
            outlines.append(page.evaluate(script))
        assert set(outlines) == {"solid"}

    @pytest.mark.parametrize("width", [360, 900])
    def test_nothing_sticks_out_of_the_window(self, page, width):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_a_finger_draws(self, browser, address):
        viewport = {"width": 360, "height": 700}
        watched = Watched(browser, address, has_touch=True, viewport=viewport)
        page = watched.page
        field = page.locator(".cae-lab-field")
        field.scroll_into_view_if_needed()
        field.tap(position={"x": 100, "y": 60})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert shown(field)[0].max() == 255
        assert page.get_by_label("In the field:").input_value() == "0"
        watched.close()

    def test_without_javascript_there_are_a_picture_and_a_sentence(self, browser, address, page):  # fmt: skip
        watched = Watched(browser, address, java_script_enabled=False)
        figures = watched.page.locator("figure.cae-lab").all()
        for figure in figures:
            assert figure.locator("img").get_attribute("alt")
            assert "with JavaScript" in figure.inner_text()
        watched.close()
        assert page.locator("figure.cae-lab").count() == len(figures) == 3
        assert page.locator(".cae-lab-static").count() == 0, "with it they are gone"


LABS = {  # of the built pages, and the networks that each holds
    "index": (["code-length"], {"2 latents", "8 latents", "baseline", "64 latents"}),
    "experiment_2_latent_dim": (["latent-pad", "interpolate"], {"2 latents", "baseline"}),
    "tradeoff": (["draw"], {"2 latents", "baseline", "trade-off"}),
}  # fmt: skip


@pytest.mark.skipif(not BUILT, reason="CAE_BUILT is not set")
@pytest.mark.parametrize("stem", LABS)
def test_a_built_page_holds_the_very_networks_of_the_store(browser, stem, monkeypatch):
    """Folded and rounded, they decode as Keras does with the weights of seed 0 that the build has trained."""
    monkeypatch.setenv("CAE_PRESET", BUILT)
    monkeypatch.delenv("CAE_RUNS")
    if RUNS:
        monkeypatch.setenv("CAE_RUNS", RUNS)
    trained = cae.run(data=cae.load_mnist())
    watched = Watched(browser, (ROOT / "_build" / "html" / f"{stem}.html").as_uri())
    page, (labs, names) = watched.page, LABS[stem]
    shown = page.locator("figure.cae-lab")
    assert shown.evaluate_all("all => all.map(e => e.dataset.lab)") == labs
    assert page.locator(".cae-lab-static").count() == 0
    held = (
        "Object.keys(caeLab.dataOf(document.querySelector('.cae-lab-models')).models)"
    )
    assert set(page.evaluate(held)) == names
    for name in names:
        decoder = rounded(trained[name][0]).get_layer("decoder")
        size = decoder.input_shape[-1]
        codes = np.random.default_rng(0).normal(0, 3, (20, size)).astype("float32")
        pixels = decoder.predict(codes, verbose=0).reshape(20, -1)
        found = compute(page, name, "decode", codes)
        np.testing.assert_allclose(found, pixels, rtol=0, atol=1e-5)
    watched.close()

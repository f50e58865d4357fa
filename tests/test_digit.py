"""A picture of one digit: a hundred in every disguise, MNIST's own geometry, and what is no picture of one."""

import os
import re

import numpy as np
import pytest
from PIL import Image

import cae_keras as cae
from cae_keras.config import ROOT
from cae_keras.data import DataError
from cae_keras.mnist import digit

BUILT, RUNS = os.environ.get("CAE_BUILT"), os.environ.get("CAE_RUNS")  # of a book
COUNT = 100


@pytest.fixture(scope="module")
def trained():
    """MNIST, the trade-off network and the reader, of a quick budget; from the store of a build, if there is one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAE_PRESET", BUILT or "quick")
        if BUILT:
            patch.setenv("CAE_RUNS", RUNS) if RUNS else patch.delenv("CAE_RUNS")
        data = cae.load_mnist()
        name, config = "trade-off", cae.EXPERIMENTS["tradeoff"].variants["trade-off"]
        (run,) = cae.run({name: config}, data=data, seeds=[0])[name]
        reader = cae.load_or_train_reader(data=data)
    x, y = data.x_test[:COUNT], data.y_test[:COUNT]
    return x, y, run, reader, [redrawn(image) for image in x]


def redrawn(image):
    """A test digit, large and crisp, off the middle: light ink on black, uint8."""
    large = Image.fromarray(image[..., 0]).resize((200, 200), Image.Resampling.BICUBIC)
    crisp = 255 / (1 + np.exp(-(np.asarray(large, float) - 110) / 12))
    return np.pad(crisp.round().astype("uint8"), ((20, 30), (60, 10)))


def of(*channels):
    return Image.fromarray(np.stack(np.broadcast_arrays(*channels), -1).astype("uint8"))


def framed(ink):
    ink = ink.copy()
    ink[[0, 1, -2, -1]] = ink[:, [0, 1, -2, -1]] = 255
    return ink


def dusty(ink):
    ink = ink.copy()
    ink[3, 5] = ink[-9:-4, -9:-4] = 255
    return ink


def photographed(ink):
    """Grey on grey, with a camera's noise, and light that falls off by a fifth of the ink."""
    paper = np.linspace(200, 175, ink.shape[1]) + np.random.default_rng(0).normal(0, 5, ink.shape)  # fmt: skip
    return Image.fromarray((paper - ink / 2).clip(0, 255).astype("uint8"))


def turned(ink):
    """Stored on its side, as a camera does, with a note in the file how to turn it."""
    picture, note = Image.fromarray(255 - np.rot90(ink)), Image.Exif()
    note[0x0112] = 6
    return picture, {"exif": note}


def in_palette(ink):
    """Ink and paper have the same colour; which pixels are clear tells them apart."""
    picture = Image.fromarray((ink > 110).astype("uint8")).convert("P")
    picture.putpalette([255, 255, 255] * 2)
    return picture, {"transparency": 0}


DISGUISES = {
    "light on dark": (Image.fromarray, "png"),
    "dark on light": (lambda ink: Image.fromarray(255 - ink), "png"),
    "faint": (lambda ink: Image.fromarray(200 - ink // 8), "png"),
    "1 bit": (lambda ink: Image.fromarray(ink < 110), "png"),
    "16 bits": (lambda ink: Image.fromarray(ink.astype("uint16") * 257), "png"),
    "16 bits, of which it uses 8": (lambda ink: Image.fromarray(ink.astype("uint16")), "png"),
    "floats": (lambda ink: Image.fromarray(ink / np.float32(255)), "tif"),
    "palette": (lambda ink: of(ink, 255 - ink, ink // 2).quantize(16), "png"),
    "clear palette": (in_palette, "png"),
    "black on clear": (lambda ink: of(0, 0, 0, ink), "png"),
    "white on clear": (lambda ink: of(255, 255, 255, ink), "png"),
    "a hole in white": (lambda ink: of(255, 255 - ink), "png"),
    "clear around its paper": (
        lambda ink: of(*[255 - ink] * 3, np.pad(np.full((230, 240), 255), ((0, 20), (30, 0)))), "png",
    ),
    "CMYK": (lambda ink: of(255 - ink, 255 - ink, 255 - ink).convert("CMYK"), "jpg"),
    "JPEG noise": (lambda ink: (Image.fromarray(255 - ink), {"quality": 30}), "jpg"),
    "a photograph": (photographed, "jpg"),
    "turned by EXIF": (turned, "jpg"),
    "a frame": (lambda ink: Image.fromarray(255 - framed(ink)), "png"),
    "dust": (lambda ink: Image.fromarray(dusty(ink)), "png"),
    "frames of an animation": (
        lambda ink: (Image.fromarray(255 - ink), {"save_all": True, "append_images": [Image.new("L", (9, 9))]}), "gif",
    ),
}  # fmt: skip


def saved(ink, draw, kind, folder):
    """Returns the file with a picture of ink."""
    folder.mkdir(exist_ok=True)
    picture, path = draw(ink), folder / f"digit.{kind}"
    picture, options = picture if isinstance(picture, tuple) else (picture, {})
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_hundred_digits_are_as_good_as_the_originals(trained, tmp_path, disguise):
    """Their error is within 0.005 of the originals', and at most 5 fewer are read right.

    The longer side has 20 pixels, as in 9,997 of MNIST's 10,000 test images, and the centre of mass is at 14 to 15
    pixels from the edge, as in all.
    """
    x, y, run, reader, inks = trained
    paths = (saved(ink, *DISGUISES[disguise], tmp_path) for ink in inks)
    found = np.concatenate([cae.load_digit(path) for path in paths])
    assert (found.shape, found.dtype) == (x.shape, np.float32)
    errors = [cae.mse(images, run.reconstruct(images)) for images in (x, found)]
    assert errors[1] == pytest.approx(errors[0], abs=0.005)
    assert reader.share_right(found, y) >= reader.share_right(x, y) - 0.05
    at = np.arange(28) + 0.5
    for image in found[..., 0]:
        assert max(np.ptp(np.nonzero(image), axis=1)) == 19
        middle = [image.sum(axis) @ at / image.sum() for axis in (0, 1)]
        assert 14 - 1e-4 <= min(middle) <= max(middle) < 15 + 1e-4


def by_readme(path):
    """Returns the digit that the 15 lines of the README make, before they load a network."""
    text = (ROOT / "README.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(code.splitlines()) <= 15
    assert "cae" not in code
    names = {}
    exec(code.partition("_, encoder")[0].replace("digit.png", path.as_posix()), names)
    return names["digit"]


@pytest.mark.parametrize(
    "disguise", sorted(DISGUISES.keys() - {"a photograph", "a frame", "dust"})
)
def test_the_readme_does_as_much_for_a_clean_picture(trained, tmp_path, disguise):
    """Of 20 digits, the mean squared difference from `load_digit` is below 0.006, and at most one fewer is read right."""
    _, y, _, reader, inks = trained
    paths = [saved(ink, *DISGUISES[disguise], tmp_path / str(i)) for i, ink in enumerate(inks[:20])]  # fmt: skip
    found = np.concatenate([by_readme(path) for path in paths])
    expected = np.concatenate([cae.load_digit(path) for path in paths])
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert cae.mse(found, expected) < 0.006
    assert reader.share_right(found, y[:20]) >= reader.share_right(expected, y[:20]) - 0.05  # fmt: skip


def test_an_image_of_mnist_comes_back_as_it_was(mnist, tmp_path):
    """But for lines of faint ink at its edge, which pass for paper."""
    for image in mnist.x_test[:20]:
        path = saved(image[..., 0], Image.fromarray, "png", tmp_path)
        assert cae.mse(cae.to_float(image[None]), cae.load_digit(str(path))) < 0.003


@pytest.mark.parametrize("height, width", [(20, 9), (140, 63), (33, 21), (7, 7), (300, 4)])  # fmt: skip
def test_a_pixel_of_the_box_is_the_mean_of_what_it_covers(tmp_path, height, width):
    """By cutting each pixel of the picture into many."""
    ink = np.random.default_rng(0).integers(100, 256, (height, width), "uint8")
    ink[0, 0] = ink[-1, -1] = 255
    Image.fromarray(np.pad(ink, 50)).save(tmp_path / "ink.png")
    steps = cae.digit_steps(tmp_path / "ink.png")
    cropped, box = steps["cropped"], steps["in the box"]
    assert list(steps) == ["picture", "ink", "cropped", "in the box", "centred"]
    assert cropped.shape == (height, width)
    high, wide = box.shape
    assert (max(box.shape), min(box.shape)) == (20, max(1, round(20 * min(height, width) / max(height, width))))  # fmt: skip
    many = cropped.repeat(high, 0).repeat(wide, 1).reshape(high, height, wide, width)
    np.testing.assert_allclose(box, many.mean((1, 3)), atol=1e-9)
    assert steps["centred"].sum() == pytest.approx(box.sum(), rel=1e-5)


class TestRefused:
    GREY = np.full((80, 60), 127, "uint8")
    SPOT = np.pad(np.uint8([[255]]), 40)
    NOISE = np.random.default_rng(0).normal(120, 6, (280, 280)).astype("uint8")

    @pytest.mark.parametrize("picture", [
        *map(Image.fromarray, (GREY, SPOT, NOISE, GREY.astype("uint16") * 257)),
        Image.new("RGBA", (60, 80)), Image.new("RGBA", (60, 80), "white"), Image.new("1", (1, 1)),
    ])  # fmt: skip
    def test_what_is_blank_or_uniform_says_so(self, tmp_path, picture):
        picture.save(tmp_path / "blank.png")
        said = r"blank.png: its \d+ × \d+ pixels are blank, or much alike: it must show a digit"
        with pytest.raises(DataError, match=said):
            cae.load_digit(tmp_path / "blank.png")

    def test_what_is_no_picture_says_what_to_do(self, tmp_path, monkeypatch):
        path = tmp_path / "a.png"
        Image.fromarray(self.NOISE).save(path)
        whole = path.read_bytes()
        for content in (b"", b"<html>not found</html>", whole[: len(whole) // 2]):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"a.png: no picture can be read.*save it as PNG"):  # fmt: skip
                cae.load_digit(path)
        with pytest.raises(DataError, match="no picture can be read"):
            cae.load_digit(tmp_path)
        with pytest.raises(DataError, match=r"none.png: there is no such file"):
            cae.load_digit(tmp_path / "none.png")
        for path in (b"a.png", None, self.NOISE):
            with pytest.raises(ValueError, match="it must be the path of a picture"):
                cae.load_digit(path)

    def test_a_huge_picture_is_reduced_or_refused(self, tmp_path, monkeypatch):
        Image.fromarray(np.pad(np.full((900, 90), 255, "uint8"), 30)).save(tmp_path / "a.png")  # fmt: skip
        whole = cae.digit_steps(tmp_path / "a.png")["centred"]
        monkeypatch.setattr(digit, "LARGE", 400)
        steps = cae.digit_steps(tmp_path / "a.png")
        assert max(steps["picture"].shape) == 400
        np.testing.assert_allclose(steps["centred"], whole, atol=0.1)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.raises(DataError, match=r"a.png: crop it to the digit.*pixels"):
            cae.load_digit(tmp_path / "a.png")

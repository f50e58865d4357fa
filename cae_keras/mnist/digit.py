"""A picture of one digit, whoever made it, brought into the form of MNIST's."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from cae_keras.config import IMAGE_SHAPE
from cae_keras.mnist.idx import DataError

SIDE, BOX = IMAGE_SHAPE[0], 20  # of the image, and of the box that the ink fits in
LARGE = 2_000  # pixels: a larger picture is reduced first
FAINT = 0.2  # of the darkest ink: less is paper, or the noise of a camera
BLANK = 0.05  # of black to white: less contrast is none
DUST = 0.01  # of the largest piece of ink: a smaller one is no stroke
DOT = 10  # pixels: a smaller piece of ink is none
NEIGHBOURS = np.ones((3, 3))  # of a pixel, corners included


def load_digit(path: str | os.PathLike) -> np.ndarray:
    """Loads a picture of one digit in the form that the networks were trained on.

    Any picture that Pillow reads, of any size and bit depth, with a palette,
    transparency, or turned by its camera; dark ink on light paper, or light on dark.
    Dust and a thin frame at the edge are left out; of several frames in a file the
    first is taken. Shadows are not evened out: paper that is darker than elsewhere by a
    fifth of the ink counts as ink. So crop a photograph to one digit on paper evenly
    lit.

    Args:
        path: The file with the picture.

    Output shape:
        `(1, 28, 28, 1)`, float32 in [0, 1], light ink on black.

    Raises:
        DataError: If there is no such file, no picture in it, or no ink on it.

    References:
        LeCun, Cortes & Burges, The MNIST database, http://yann.lecun.com/exdb/mnist/

    Example:
        >>> load_digit("seven.png")
        Traceback (most recent call last):
        ...
        cae_keras.mnist.idx.DataError: seven.png: there is no such file
    """
    return digit_steps(path)["centred"][None, ..., None]


def digit_steps(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns what `load_digit` does with a picture, one step after the other.

    As MNIST's makers did: see `load_digit`, which also says what it takes and refuses.

    Returns:
        Arrays `(height, width)`, in [0, 1]: the `picture`, how light it is; its `ink`;
        the ink `cropped`; the same `in the box`, its longer side now of 20 pixels, each
        the mean of what it covers; and `centred`, the centre of mass in the middle.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path={path!r}: it must be the path of a picture")
    path = Path(path).expanduser()
    try:
        with Image.open(path) as picture:
            light = _lightness(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path}: crop it to the digit, or reduce it ({error})"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises
        raise DataError(
            f"{path}: no picture can be read from it, save it as PNG or JPEG ({error})"
        ) from error
    ink, box = _ink(light)
    if box is None:
        height, width = light.shape
        raise DataError(
            f"{path}: its {width} × {height} pixels are blank, or much alike: it must "
            "show a digit, clearly darker or lighter than the paper"
        )
    steps = {"picture": light, "ink": ink, "cropped": ink[box]}
    small = _small(ink[box])
    return steps | {"in the box": small, "centred": _centred(small)}


def _lightness(picture: Image.Image) -> np.ndarray:
    """Returns how light each pixel is, 0 to 1; what is clear becomes paper."""
    deep = picture.mode[0] in "IF"  # 16 bits or more, of a range that is not said
    picture = picture if deep else picture.convert("LA")
    picture.thumbnail((LARGE, LARGE), Image.Resampling.BOX)
    if deep:
        light = np.asarray(picture, np.float64)
        return (light - light.min()) / (np.ptp(light) or 1)
    light, opaque = np.moveaxis(np.asarray(picture) / 255, -1, 0)
    seen = light[opaque > opaque.max() / 2]
    if seen.size and np.ptp(seen) > 0.5:  # both ink and paper are
        paper = np.median(seen)
    else:  # ink alone is, or the paper around it
        paper = float(seen.size and seen.mean() < 0.5)
    return opaque * light + (1 - opaque) * paper


def _ink(light: np.ndarray) -> tuple[np.ndarray, tuple[slice, slice] | None]:
    """Returns how much ink each pixel has, 0 to 1, and where ink is, None if nowhere.

    Paper is the shade of the edge, ink what differs much from it, on the side of most.
    """
    ink = light - np.median(_edge(light))
    ink = ink if (ink * ink * ink).sum() > 0 else -ink
    pieces, _ = ndimage.label(ink > max(BLANK, FAINT * ink.max()), NEIGHBOURS)
    sizes = np.bincount(pieces.ravel())[1:]
    if sizes.max(initial=0) < max(DOT, DUST * sizes.sum()):
        return ink, None
    strokes = np.append(False, sizes >= DUST * sizes.max())[pieces]
    ink = (ink / np.quantile(ink[strokes], 0.9)).clip(0, 1)
    ink *= ndimage.binary_dilation(strokes, NEIGHBOURS)  # with soft edges
    box = ndimage.find_objects(strokes.astype(int))[0]
    thin = 1 > min(np.divide(ink[box].shape, ink.shape)) > 0.9
    if thin and np.median(_edge(ink[box])) > 0.5 > ink[box].min():
        return _ink(light[box])  # the edge is no paper, but a frame
    return ink, box


def _edge(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _small(ink: np.ndarray) -> np.ndarray:
    """Returns the ink box-filtered, its longer side of 20 pixels."""
    parts = [max(1, int(BOX * side / max(ink.shape) + 0.5)) for side in ink.shape]
    down, across = (_covered(*of) for of in zip(ink.shape, parts, strict=True))
    return down @ ink @ across.T


def _covered(length: int, parts: int) -> np.ndarray:
    """Returns which share of each part each pixel fills, `(parts, length)`."""
    edges, pixels = np.linspace(0, length, parts + 1)[:, None], np.arange(length)
    filled = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return filled.clip(0) * parts / length


def _centred(small: np.ndarray) -> np.ndarray:
    """Returns the image with the ink's centre of mass in its middle.

    Moved by whole pixels: from the edge the centre is at 14 to 15, as in all of MNIST.
    """
    room = SIDE - np.array(small.shape)
    before = np.ceil(SIDE / 2 - 0.5 - np.array(ndimage.center_of_mass(small)))
    before = before.clip(0, room).astype(int)
    return np.pad(small, np.stack([before, room - before], 1)).astype(np.float32)

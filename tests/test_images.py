"""uint8 and floats become float32 in [0, 1]; everything else is refused."""

import numpy as np
import pytest

from cae_keras.images import to_float


def test_every_pixel_value_is_divided_by_255():
    pixels = np.arange(256, dtype=np.uint8)
    scaled = to_float(pixels.reshape(1, 16, 16, 1))
    assert (scaled.dtype, scaled.shape) == (np.float32, (1, 16, 16, 1))
    expected = [value / 255 for value in range(256)]
    np.testing.assert_allclose(scaled.ravel(), expected, rtol=1e-7)
    assert (scaled.min(), scaled.max()) == (0, 1)
    np.testing.assert_array_equal(pixels, range(256))  # the input is left alone


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_in_range_pass_through(dtype):
    images = np.linspace(0, 1, 2 * 5 * 3, dtype=dtype).reshape(2, 5, 3, 1)
    converted = to_float(images)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, images.astype(np.float32))


SHAPES = [(), (28, 28), (2, 28, 28), (2, 28, 28, 3), (2, 28, 28, 1, 1), (0, 28, 28, 1), (2, 0, 28, 1)]  # fmt: skip
DTYPES = ["int64", "int8", "uint16", "bool", "complex64", "object"]
PIXELS = [-0.1, 1.1, 255.0, np.nan, np.inf, -np.inf]
BAD = [
    *((np.zeros(shape, "f4"), f"has shape {shape}: it must be (n, height, width, 1)") for shape in SHAPES),
    *((np.zeros((1, 4, 4, 1), dtype), f"has dtype {dtype}: it must be uint8, or floats") for dtype in DTYPES),
    *((np.array([0.5, pixel, 0.5]).reshape(1, 3, 1, 1), f"{pixel:g}") for pixel in PIXELS),
]  # fmt: skip


@pytest.mark.parametrize("images, rule", BAD)
def test_everything_else_is_refused(images, rule):
    with pytest.raises(ValueError, match=r"^x_hat (has|ranges)") as error:
        to_float(images, "x_hat")
    assert rule in str(error.value)

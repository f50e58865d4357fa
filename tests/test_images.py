"""uint8 and floats become float32 in [0, 1]; everything else is refused."""

import numpy as np
import pytest

from cae_keras.images import to_float


def test_every_pixel_value_is_divided_by_255():
    pixels = np.arange(256, dtype=np.uint8)
    scaled = to_float(pixels.reshape(1, 16, 16, 1))
    assert scaled.dtype == np.float32
    assert scaled.shape == (1, 16, 16, 1)
    np.testing.assert_allclose(
        scaled.ravel(), [value / 255 for value in range(256)], rtol=1e-7
    )
    assert scaled.min() == 0
    assert scaled.max() == 1
    np.testing.assert_array_equal(pixels, range(256))  # the input is left alone


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_in_range_pass_through(dtype):
    images = np.linspace(0, 1, 2 * 5 * 3, dtype=dtype).reshape(2, 5, 3, 1)
    converted = to_float(images)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, images.astype(np.float32))


@pytest.mark.parametrize(
    "shape",
    [
        (),
        (28, 28),
        (2, 28, 28),
        (2, 28, 28, 3),
        (2, 28, 28, 1, 1),
        (0, 28, 28, 1),
        (2, 0, 28, 1),
        (2, 28, 28, 0),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_other_shapes_are_refused(shape, dtype):
    with pytest.raises(
        ValueError, match=r"it must be \(n, height, width, 1\)"
    ) as error:
        to_float(np.zeros(shape, dtype), "x_hat")
    assert f"x_hat has shape {shape}" in str(error.value)


@pytest.mark.parametrize(
    "dtype", ["int64", "int8", "uint16", "bool", "complex64", "object"]
)
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(
        ValueError, match=f"x_hat has dtype {dtype}: it must be uint8, or floats"
    ):
        to_float(np.zeros((1, 4, 4, 1), dtype), "x_hat")


@pytest.mark.parametrize("pixel", [-0.1, 1.1, 255.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_pixel_out_of_range_is_refused(pixel, dtype):
    images = np.full((2, 4, 4, 1), 0.5, dtype)
    images[1, 2, 3, 0] = pixel
    with pytest.raises(
        ValueError, match=r"x_hat ranges from .* floats must lie in \[0, 1\]"
    ) as error:
        to_float(images, "x_hat")
    assert f"{pixel:g}" in str(error.value)

"""Each measure against its formula written out, against another library, and against what is published."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, laplace
from skimage.metrics import peak_signal_noise_ratio

from cae_keras import metrics
from cae_keras.measurements.baselines import mean_image
from cae_keras.measurements.sharpness import sharpness
from cae_keras.metrics import bce, bce_floor, excess_bce, mse, psnr, quality, ssim

QUALITY = (bce, excess_bce, mse, psnr, ssim)
QUANTITIES = (*QUALITY, sharpness)


@pytest.fixture(scope="module")
def digits(tiny):
    """Twenty digits, and the same ones blurred and with noise."""
    x = tiny.x_test[:20] / np.float32(255)
    blurred = (x + np.roll(x, 1, axis=1) + np.roll(x, 1, axis=2)) / 3
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, x.shape)
    return x, np.clip(blurred + noise, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def noise():
    """Images without any empty border, wider than high: what leaks from one to the next would show."""
    rng = np.random.default_rng(1)
    return tuple(rng.random((6, 13, 30, 1), np.float32) for _ in range(2))


class TestBCE:
    def test_against_plain_loops(self, digits):
        x, x_hat = (array.ravel().tolist() for array in digits)
        total = 0.0
        for pixel, reconstructed in zip(x, x_hat, strict=True):
            p = min(max(reconstructed, 1e-7), 1 - 1e-7)
            total -= pixel * math.log(p) + (1 - pixel) * math.log(1 - p)
        assert bce(*digits) == pytest.approx(total / len(x), rel=1e-9)

    def test_floor_and_mean_image_are_as_published(self, mnist, training_file):
        assert round(bce_floor(mnist.x_test), 5) == 0.05808
        mean = np.broadcast_to(mean_image(training_file), mnist.x_test.shape)
        assert round(bce(mnist.x_test, mean), 4) == 0.2625

    def test_excess_is_the_divergence_of_the_pixels(self, noise):
        x, x_hat = (np.clip(array, 0.01, 0.99).astype(float) for array in noise)
        divergence = x * np.log(x / x_hat) + (1 - x) * np.log((1 - x) / (1 - x_hat))
        assert excess_bce(x, x_hat) == pytest.approx(divergence.mean(), rel=1e-5)


class TestSquaredError:
    def test_mse_against_plain_loops(self, digits):
        x, x_hat = (array.ravel().tolist() for array in digits)
        expected = sum((a - b) ** 2 for a, b in zip(x, x_hat, strict=True)) / len(x)
        assert mse(*digits) == pytest.approx(expected, rel=1e-9)

    def test_psnr_is_the_mean_over_images_of_what_scikit_image_finds(self, digits):
        each = [
            peak_signal_noise_ratio(a, b, data_range=1)
            for a, b in zip(*digits, strict=True)
        ]
        assert np.std(each) > 0.01  # or it were the mean over pixels
        assert psnr(*digits) == pytest.approx(np.mean(each), rel=1e-6)

    def test_psnr_of_equal_images_is_infinite(self, digits):
        assert psnr(digits[0], digits[0]) == math.inf


class TestSSIM:
    def test_against_the_published_formula(self, noise):
        """Wang et al. 2004, equations 13 to 17: weighted moments in every 11 × 11 window that fits."""
        x, x_hat = (array[..., 0].astype(float) for array in noise)
        weights = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
        weights = np.outer(weights, weights) / weights.sum() ** 2

        def mean(array):
            windows = np.lib.stride_tricks.sliding_window_view
            return (windows(array, (11, 11), (1, 2)) * weights).sum((-2, -1))

        mean_x, mean_y = mean(x), mean(x_hat)
        var_x, var_y = mean(x**2) - mean_x**2, mean(x_hat**2) - mean_y**2
        covariance = mean(x * x_hat) - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
            (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
        )
        assert ssim(*noise) == pytest.approx(similarity.mean(), abs=1e-6)


class TestSharpness:
    @pytest.mark.parametrize("kind", ["digits", "noise"])
    def test_against_scipy_one_by_one(self, kind, request):
        x, x_hat = request.getfixturevalue(kind)
        energies = [
            sum(
                (laplace(image.astype(float))[1:-1, 1:-1] ** 2).sum()
                for image in images[..., 0]
            )
            for images in (x, x_hat)
        ]
        assert sharpness(x, x_hat) == pytest.approx(energies[1] / energies[0], rel=1e-9)


class TestAll:
    def test_quality_returns_all_five_as_plain_floats(self, digits):
        """A numpy float would print an empty number where a page glues it."""
        measured = quality(*digits)
        assert measured == {measure.__name__: measure(*digits) for measure in QUALITY}
        assert {type(value) for value in measured.values()} == {float}
        assert type(bce_floor(digits[0])) is float

    @pytest.mark.parametrize("measure", QUANTITIES)
    def test_of_many_images_it_is_that_of_all_at_once(self, measure, mnist, monkeypatch):  # fmt: skip
        """More images than are taken at a time; the last block is smaller, and the only one that is blurred."""
        x = mnist.x_test[:230] / np.float32(255)
        x_hat = 0.9 * x
        x_hat[200:] = gaussian_filter(x[200:], (0, 1.5, 1.5, 0))
        x_hat = np.clip(x_hat, 0, 1)
        expected = measure(x, x_hat)
        monkeypatch.setattr(metrics, "BLOCK", 100)
        assert measure(x, x_hat) == pytest.approx(expected, rel=1e-9)
        if measure is not sharpness:
            found = quality(x, x_hat)[measure.__name__]
            assert found == pytest.approx(expected, rel=1e-9)
        assert measure(x[200:], x_hat[200:]) != pytest.approx(expected, rel=0.1)

"""Mean image and PCA against published figures, numpy's SVD and the theorem of Eckart and Young."""

import numpy as np
import pytest

from cae_keras.measurements.baselines import fit_pca, mean_image


def squared_error(x, x_hat):
    """Per pixel; unclipped reconstructions leave [0, 1], so that `mse` would refuse them."""
    return float(np.mean((x / np.float64(255) - x_hat) ** 2))


@pytest.fixture(scope="module")
def few(tiny):
    """Forty small images, 7 × 7: fewer than pixels, so that the last components explain nothing."""
    return tiny.x_train[:40, ::4, ::4]


@pytest.fixture(scope="module")
def svd(few):
    flat = few.reshape(40, 49) / 255
    return np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)


def test_mean_image_is_the_mean_of_each_pixel(few):
    mean = mean_image(few)
    assert (mean.shape, mean.dtype) == ((7, 7, 1), np.float32)
    for row, column in np.ndindex(7, 7):
        pixels = [int(image[row, column, 0]) for image in few]
        assert mean[row, column, 0] == pytest.approx(sum(pixels) / 40 / 255, rel=1e-6)


class TestPublished:
    @pytest.mark.parametrize(
        "k, clip, published",
        [
            (2, False, 0.05567),
            (2, True, 0.05547),
            (30, False, 0.01769),  # Hinton and Salakhutdinov sum over pixels: 13.87
            (32, False, 0.01683),
            (32, True, 0.01521),
        ],
    )
    def test_error_on_the_test_images(self, pca, mnist, k, clip, published):
        x_hat = pca.reconstruct(mnist.x_test, k, clip=clip)
        assert round(squared_error(mnist.x_test, x_hat), 5) == published


class TestAlgebra:
    @pytest.mark.parametrize("k", [0, 1, 5, 20, 49])
    def test_what_is_lost_is_what_the_other_singular_values_hold(self, few, svd, k):
        lost = (svd[1][k:] ** 2).sum() / (40 * 49)
        found = squared_error(few, fit_pca(few).reconstruct(few, k, clip=False))
        assert found == pytest.approx(lost, rel=1e-5, abs=1e-9)

    def test_coordinates_are_the_projections(self, few, svd):
        flat = few.reshape(40, 49) / 255
        projected = np.abs((flat - flat.mean(axis=0)) @ svd[2][:3].T)
        coordinates = np.abs(fit_pca(few).encode(few, np.int64(3)))
        assert coordinates == pytest.approx(projected, abs=1e-5)


class TestReconstruct:
    def test_clip_cuts_at_0_and_1_and_nowhere_else(self, pca, tiny):
        free, clipped = (pca.reconstruct(tiny.x_test, 32, clip) for clip in (0, 1))
        assert free.min() < 0
        assert free.max() > 1
        assert np.array_equal(clipped, np.minimum(np.maximum(free, 0), 1))

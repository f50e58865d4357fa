"""Mean image and PCA against published figures, numpy's SVD and the theorem of Eckart and Young."""

import time

import numpy as np
import pytest

from cae_keras.measurements.baselines import PCA, fit_pca, mean_image


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


def test_no_constant_image_is_better_than_the_mean(tiny):
    mean = mean_image(tiny.x_train)
    best = squared_error(tiny.x_train, mean)
    for other in (mean + 0.01, mean - 0.01, mean * 0.9):
        assert squared_error(tiny.x_train, other) > best


class TestPublished:
    @pytest.mark.parametrize(
        "k, clip, published",
        [
            (2, False, 0.05567),
            (2, True, 0.05547),
            (32, False, 0.01683),
            (32, True, 0.01521),
        ],
    )
    def test_error_on_the_test_images(self, pca, mnist, k, clip, published):
        assert (
            round(
                squared_error(
                    mnist.x_test, pca.reconstruct(mnist.x_test, k, clip=clip)
                ),
                5,
            )
            == published
        )

    def test_thirty_components_as_hinton_and_salakhutdinov(self, pca, mnist):
        """They sum over pixels: 13.87."""
        assert (
            round(
                784
                * squared_error(
                    mnist.x_test, pca.reconstruct(mnist.x_test, 30, clip=False)
                ),
                2,
            )
            == 13.87
        )

    def test_ten_thousand_images_take_seconds(self, pca, mnist):
        start = time.perf_counter()
        pca.reconstruct(mnist.x_test, 32)
        assert time.perf_counter() - start < 20


class TestAlgebra:
    def test_mean_is_the_mean_image(self, pca, training_file):
        np.testing.assert_allclose(
            pca.mean.reshape(28, 28, 1), mean_image(training_file), atol=1e-6
        )

    def test_components_are_orthonormal(self, pca):
        assert pca.components.shape == (784, 784)
        np.testing.assert_allclose(
            pca.components @ pca.components.T, np.eye(784), atol=1e-8
        )

    def test_coordinates_come_in_the_order_of_their_variance(self, pca, mnist):
        variances = pca.encode(mnist.x_train[:20_000], 784).var(axis=0)
        assert (np.diff(variances[:20]) < 0).all()
        assert variances[:32].min() > variances[200:].max()

    @pytest.mark.parametrize("k", [1, 2, 5, 20])
    def test_the_same_subspace_as_numpy_svd(self, few, svd, k):
        components = fit_pca(few).components[:k]
        rows = svd[2][:k]
        np.testing.assert_allclose(components.T @ components, rows.T @ rows, atol=1e-5)

    @pytest.mark.parametrize("k", [0, 1, 5, 20, 49])
    def test_what_is_lost_is_what_the_other_singular_values_hold(self, few, svd, k):
        lost = (svd[1][k:] ** 2).sum() / (40 * 49)
        found = squared_error(few, fit_pca(few).reconstruct(few, k, clip=False))
        assert found == pytest.approx(lost, rel=1e-5, abs=1e-9)

    def test_codes_are_the_projections(self, few, svd):
        pca = fit_pca(few)
        codes = pca.encode(few, 3)
        flat = few.reshape(40, 49) / 255
        assert codes.shape == (40, 3)
        np.testing.assert_allclose(
            np.abs(codes), np.abs((flat - flat.mean(axis=0)) @ svd[2][:3].T), atol=1e-5
        )


class TestReconstruct:
    @pytest.mark.parametrize("clip", [True, False])
    def test_without_components_it_is_the_mean_image(
        self, pca, tiny, training_file, clip
    ):
        found = pca.reconstruct(tiny.x_test, 0, clip=clip)
        assert (found.shape, found.dtype) == (tiny.x_test.shape, np.float32)
        np.testing.assert_allclose(
            found, np.broadcast_to(mean_image(training_file), found.shape), atol=1e-6
        )

    def test_with_all_components_it_is_exact(self, pca, tiny):
        np.testing.assert_allclose(
            pca.reconstruct(tiny.x_test, 784), tiny.x_test / 255, atol=1e-5
        )

    def test_more_components_are_better_on_new_images(self, pca, mnist):
        errors = [
            squared_error(mnist.x_test, pca.reconstruct(mnist.x_test, k, False))
            for k in (0, 1, 2, 8, 32, 128)
        ]
        assert errors == sorted(errors, reverse=True)
        assert len(set(errors)) == len(errors)

    def test_clip_cuts_at_0_and_1_and_nowhere_else(self, pca, tiny):
        free, clipped = (
            pca.reconstruct(tiny.x_test, 32, clip=clip) for clip in (False, True)
        )
        assert free.min() < 0
        assert free.max() > 1
        np.testing.assert_array_equal(clipped, np.minimum(np.maximum(free, 0), 1))
        np.testing.assert_array_equal(pca.reconstruct(tiny.x_test, 32), clipped)

    def test_uint8_and_floats_give_the_same(self, pca, tiny):
        floats = tiny.x_test / np.float32(255)
        np.testing.assert_allclose(
            pca.reconstruct(tiny.x_test, 8), pca.reconstruct(floats, 8), atol=1e-6
        )

    @pytest.mark.parametrize("k", [-1, 785, 1.5, "2"])
    def test_other_numbers_of_components_are_refused(self, pca, tiny, k):
        for use in (pca.encode, pca.reconstruct):
            with pytest.raises(ValueError, match="integer from 0 to 784") as error:
                use(tiny.x_test, k)
            assert f"k={k!r}" in str(error.value)

    def test_numpy_integers_are_taken(self, pca, tiny):
        assert pca.encode(tiny.x_test, np.int64(3)).shape == (50, 3)


def test_other_images_are_refused(pca):
    with pytest.raises(ValueError, match=r"^x_train has shape"):
        fit_pca(np.zeros((5, 784)))
    with pytest.raises(ValueError, match=r"^x_train has dtype int64"):
        mean_image(np.zeros((5, 4, 4, 1), np.int64))
    with pytest.raises(ValueError, match=r"^x ranges from"):
        pca.encode(np.full((1, 28, 28, 1), 255.0), 2)


def test_the_result_is_a_value(few):
    fitted = fit_pca(few)
    assert isinstance(fitted, PCA)
    with pytest.raises(AttributeError):
        fitted.mean = 0

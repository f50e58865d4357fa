"""A finished run: its model is made of its weights, and does what is asked of it."""

import pickle

import numpy as np
import pytest

from cae_keras.config import CAEConfig, Recipe
from cae_keras.training import train

CONFIG = CAEConfig(filters=(8, 16), latent_dim=8, batch_norm=True)
RECIPE = Recipe(images=200, epochs=2)


@pytest.fixture(scope="module")
def run(tiny):
    return train(CONFIG, RECIPE, 0, tiny)


def same_bits(weights, others):
    return [a.tobytes() for a in weights] == [b.tobytes() for b in others]


def test_it_remembers_what_was_asked(run):
    assert (run.config, run.recipe, run.seed) == (CONFIG, RECIPE, 0)


def test_its_model_has_its_weights(run):
    assert same_bits(run.autoencoder.get_weights(), run.weights)
    assert run.autoencoder is run.autoencoder  # built once


def test_encode_decode_and_reconstruct_agree_with_the_model(run, tiny):
    images = tiny.x_test / np.float32(255)
    latents, reconstructions = run.encode(tiny.x_test), run.reconstruct(tiny.x_test)
    assert latents.shape == (50, 8)
    assert reconstructions.shape == (50, 28, 28, 1)
    whole = run.autoencoder(images, training=False).detach().cpu().numpy()
    np.testing.assert_allclose(reconstructions, whole, atol=1e-5)
    np.testing.assert_allclose(run.decode(latents), whole, atol=1e-5)
    np.testing.assert_array_equal(run.encode(images), latents)  # uint8 or float
    np.testing.assert_array_equal(run.reconstruct(images), reconstructions)


def test_more_images_than_a_batch(run, mnist):
    images = mnist.x_test[:1_010]
    whole = run.reconstruct(images)
    assert len(whole) == 1_010
    for part in (slice(0, 10), slice(995, 1_010)):
        np.testing.assert_allclose(
            run.reconstruct(images[part]), whole[part], atol=1e-5
        )


def test_what_is_no_image_is_refused(run):
    for use in (run.encode, run.reconstruct):
        with pytest.raises(ValueError, match="images ranges from 255 to 255"):
            use(np.full((1, 28, 28, 1), 255.0))


def test_a_pickled_run_goes_without_its_model_and_works(run, tiny):
    """As it goes to a worker: a model is large, and made again from the weights."""
    expected = run.reconstruct(tiny.x_test)
    assert "autoencoder" in vars(run)
    again = pickle.loads(pickle.dumps(run))
    assert "autoencoder" not in vars(again)
    assert "autoencoder" in vars(run)
    assert (again.config, again.recipe, again.seed) == (CONFIG, RECIPE, 0)
    assert again.history == run.history
    assert same_bits(again.weights, run.weights)
    np.testing.assert_array_equal(again.reconstruct(tiny.x_test), expected)
    assert again.autoencoder is not run.autoencoder

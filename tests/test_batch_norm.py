"""Coupling and folding against batch normalisation written out, and against Keras' own modes."""

from dataclasses import replace

import numpy as np
import pytest
from keras import layers

from cae_keras.config import CAEConfig, Recipe
from cae_keras.images import to_float
from cae_keras.measurements.batch_norm import (
    batch_coupling,
    fold_batch_norm,
    reconstruct_among,
)
from cae_keras.training import train

CONFIG = CAEConfig(filters=(4, 6, 5), latent_dim=4, batch_norm=True)
RECIPE = Recipe(images=200, epochs=2, batch_size=16)


def bits(weights):
    return [weight.tobytes() for weight in weights]


@pytest.fixture(scope="module", params=["relu", "leaky_relu"])
def run(request, tiny):
    return train(replace(CONFIG, activation=request.param), RECIPE, 0, tiny)


@pytest.fixture(scope="module")
def plain(tiny):
    return train(replace(CONFIG, batch_norm=False), RECIPE, 0, tiny)


def in_keras_training_mode(run, images):
    """Returns what Keras itself gives; it moves the moving statistics, here those of a copy."""
    model = replace(run).autoencoder
    outputs = model(to_float(images), training=True).detach().numpy()
    assert bits(model.get_weights()) != bits(run.weights)
    return outputs


class TestCoupling:
    def test_training_mode_couples_and_inference_mode_does_not(self, run, tiny):
        coupling = batch_coupling(run, tiny.x_test[:3], tiny.x_val, batches=5)
        assert coupling["inference"] == 0
        assert coupling["training"] > 0.001
        assert {type(value) for value in coupling.values()} == {float}
        assert bits(run.autoencoder.get_weights()) == bits(
            run.weights
        )  # learns nothing

    def test_without_batch_norm_there_is_none(self, plain, tiny):
        coupling = batch_coupling(plain, tiny.x_test[:3], tiny.x_val, batches=5)
        assert coupling == pytest.approx({"training": 0, "inference": 0}, abs=1e-6)

    def test_the_deviation_by_numpy(self, run, tiny):
        arguments = (run, tiny.x_test[:2], tiny.x_val, 4)
        among = reconstruct_among(*arguments).astype(float)
        variance = ((among - among.mean(axis=0)) ** 2).sum(axis=0) / 3
        found = batch_coupling(*arguments)["training"]
        assert found == pytest.approx(np.sqrt(variance.mean()))

    def test_inference_mode_is_the_plain_reconstruction(self, run, tiny):
        among = reconstruct_among(run, tiny.x_test[:2], tiny.x_val, 3, training=False)
        expected = run.reconstruct(tiny.x_test[:2])
        assert among == pytest.approx(np.stack([expected] * 3), abs=1e-6)

    def test_training_mode_is_the_one_keras_trains_in(self, run, tiny):
        """With as many mates as places, there is one company only, in an order that does not matter."""
        mates = tiny.x_val[: RECIPE.batch_size - 1]
        among = reconstruct_among(run, tiny.x_test[:2], mates, batches=1)
        for image, found in zip(tiny.x_test[:2], among[0], strict=True):
            expected = in_keras_training_mode(run, [image, *mates])[0]
            assert found == pytest.approx(expected, abs=1e-5)

    def test_the_seed_decides_who_the_mates_are(self, run, tiny):
        one, same, other = (
            reconstruct_among(run, tiny.x_test[:1], tiny.x_val, batches=2, seed=seed)
            for seed in (0, 0, 1)
        )
        assert one.tobytes() == same.tobytes()
        assert not np.allclose(one, other, atol=1e-3)
        assert not np.allclose(*one, atol=1e-3)


class TestFolding:
    @pytest.fixture
    def wild(self, run):
        """Normalisations far from where they start, so that a term left out would show."""
        run, rng = replace(run), np.random.default_rng(0)  # with a model of its own
        for part in ("encoder", "decoder"):
            for layer in run.autoencoder.get_layer(part).layers:
                if isinstance(layer, layers.BatchNormalization):
                    n = layer.get_weights()[0].size
                    gamma, beta, mean = rng.normal(0.5, 1, (3, n))
                    layer.set_weights([gamma, beta, mean, rng.uniform(1e-3, 2, n)])
                elif hasattr(layer, "bias"):
                    kernel, bias = layer.get_weights()
                    layer.set_weights([kernel, rng.normal(0, 0.5, bias.shape)])
        return run

    def test_the_same_images_come_out(self, wild, tiny):
        before = bits(wild.autoencoder.get_weights())
        expected = wild.autoencoder.predict(to_float(tiny.x_test), verbose=0)
        found = fold_batch_norm(wild).predict(to_float(tiny.x_test), verbose=0)
        assert expected.std() > 0.1  # else it would be easy
        assert np.abs(found - expected).max() < 1e-5
        assert bits(wild.autoencoder.get_weights()) == before

    def test_without_batch_norm_it_is_a_copy(self, plain):
        folded = fold_batch_norm(plain)
        assert folded is not plain.autoencoder
        assert bits(folded.get_weights()) == bits(plain.weights)

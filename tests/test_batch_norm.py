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
    reconstruct_in_batches,
)
from cae_keras.training import train

CONFIG = CAEConfig(filters=(4, 6, 5), latent_dim=4, batch_norm=True)
RECIPE = Recipe(images=200, epochs=2, batch_size=16)


@pytest.fixture(scope="module", params=["relu", "leaky_relu"])
def run(request, tiny):
    return train(replace(CONFIG, activation=request.param), RECIPE, 0, tiny)


@pytest.fixture(scope="module")
def plain(tiny):
    return train(replace(CONFIG, batch_norm=False), RECIPE, 0, tiny)


class TestCoupling:
    def test_training_mode_couples_and_inference_mode_does_not(self, run, tiny):
        coupling = batch_coupling(run, tiny.x_test[:3], tiny.x_val, batches=5)
        assert coupling["inference"] == 0
        assert coupling["training"] > 0.001
        assert {type(value) for value in coupling.values()} == {float}

    def test_without_batch_norm_there_is_none(self, plain, tiny):
        coupling = batch_coupling(plain, tiny.x_test[:3], tiny.x_val, batches=5)
        assert coupling == pytest.approx({"training": 0, "inference": 0}, abs=1e-6)

    def test_the_deviation_by_numpy(self, run, tiny):
        arguments = (run, tiny.x_test[:2], tiny.x_val)
        among = reconstruct_among(*arguments, batches=4).astype(float)
        variance = ((among - among.mean(axis=0)) ** 2).sum(axis=0) / 3
        assert batch_coupling(*arguments, batches=4)["training"] == pytest.approx(
            np.sqrt(variance.mean())
        )

    def test_nothing_is_learnt(self, run, tiny):
        """Keras itself would move the moving statistics."""
        before = run.autoencoder.get_weights()
        batch_coupling(run, tiny.x_test[:2], tiny.x_val, batches=3)
        for a, b in zip(before, run.autoencoder.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()
        run.autoencoder(to_float(tiny.x_test[:16]), training=True)
        after = run.autoencoder.get_weights()
        run.autoencoder.set_weights(before)
        assert any(
            a.tobytes() != b.tobytes() for a, b in zip(before, after, strict=True)
        )

    def test_inference_mode_is_the_plain_reconstruction(self, run, tiny):
        among = reconstruct_among(
            run, tiny.x_test[:2], tiny.x_val, batches=2, training=False
        )
        assert among.shape == (2, 2, 28, 28, 1)
        expected = run.reconstruct(tiny.x_test[:2])
        assert among == pytest.approx(np.stack([expected] * 2), abs=1e-6)

    def test_training_mode_is_the_one_keras_trains_in(self, run, tiny):
        """With as many mates as places, there is one company only, in an order that does not matter."""
        mates = tiny.x_val[: RECIPE.batch_size - 1]
        among = reconstruct_among(run, tiny.x_test[:1], mates, batches=1)
        before = run.autoencoder.get_weights()
        batch = to_float(np.concatenate([tiny.x_test[:1], mates]))
        outputs = run.autoencoder(batch, training=True).detach().numpy()
        run.autoencoder.set_weights(before)
        assert among[0, 0] == pytest.approx(outputs[0], abs=1e-5)

    def test_the_seed_decides_who_the_mates_are(self, run, tiny):
        one, same, other = (
            reconstruct_among(run, tiny.x_test[:1], tiny.x_val, batches=2, seed=seed)
            for seed in (0, 0, 1)
        )
        assert one.tobytes() == same.tobytes()
        assert not np.allclose(one, other, atol=1e-3)

    def test_too_few_mates_or_batches_are_refused(self, run, tiny):
        with pytest.raises(ValueError, match=r"mates has 14 images.* at least 15"):
            batch_coupling(run, tiny.x_test[:1], tiny.x_val[:14])
        for batches in (1, 2.0, True):
            with pytest.raises(ValueError, match=f"batches={batches}.* at least 2"):
                batch_coupling(run, tiny.x_test[:1], tiny.x_val, batches=batches)
        with pytest.raises(ValueError, match="batches=0"):
            reconstruct_among(run, tiny.x_test[:1], tiny.x_val, batches=0)


class TestBatches:
    def test_training_mode_is_the_one_keras_trains_in(self, run, tiny):
        """The last batch is smaller; Keras itself would move the moving statistics."""
        x = to_float(tiny.x_test[:20])
        found = reconstruct_in_batches(run, x, batch_size=8)
        before = run.autoencoder.get_weights()
        expected = [
            run.autoencoder(x[start : start + 8], training=True).detach().numpy()
            for start in (0, 8, 16)
        ]
        moved = run.autoencoder.get_weights()
        run.autoencoder.set_weights(before)
        assert found == pytest.approx(np.concatenate(expected), abs=1e-5)
        assert any(not np.array_equal(a, b) for a, b in zip(before, moved, strict=True))
        for a, b in zip(run.weights, before, strict=True):
            assert a.tobytes() == b.tobytes()

    def test_inference_mode_is_the_plain_reconstruction(self, run, tiny):
        found = reconstruct_in_batches(run, tiny.x_test[:20], 8, training=False)
        assert found == pytest.approx(run.reconstruct(tiny.x_test[:20]), abs=1e-6)

    def test_a_bad_batch_size_is_refused(self, run, tiny):
        for size in (0, 2.0):
            with pytest.raises(ValueError, match=f"batch_size={size}"):
                reconstruct_in_batches(run, tiny.x_test[:2], size)


class TestFolding:
    @pytest.fixture
    def wild(self, run):
        """Normalisations far from where they start, so that a term left out would show."""
        run = replace(run)  # with a model of its own
        rng = np.random.default_rng(0)
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
        before = wild.autoencoder.get_weights()
        folded = fold_batch_norm(wild)
        expected = wild.autoencoder.predict(to_float(tiny.x_test), verbose=0)
        assert expected.std() > 0.1  # else it would be easy
        found = folded.predict(to_float(tiny.x_test), verbose=0)
        assert np.abs(found - expected).max() < 1e-5
        for a, b in zip(before, wild.autoencoder.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()

    def test_no_normalisation_is_left(self, run, plain):
        folded = fold_batch_norm(run)
        assert [w.shape for w in folded.get_weights()] == [
            w.shape for w in plain.weights
        ]
        assert folded.get_layer("encoder").output_shape == (None, 4)

    def test_without_batch_norm_it_is_a_copy(self, plain):
        folded = fold_batch_norm(plain)
        assert folded is not plain.autoencoder
        for a, b in zip(plain.weights, folded.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()

"""One run: the same arguments give the same bits, the seed decides, the test images are not looked at."""

import math
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.measurements.baselines import mean_image
from cae_keras.metrics import bce, excess_bce
from cae_keras.training import OneCycle, Run, train

CONFIG = CAEConfig(filters=(8, 16), latent_dim=8, batch_norm=True)
RECIPE = Recipe(images=200, epochs=3, warmup=0.25)  # 3 × 4 steps, the last of 8 images
MARKS = [2, 3, 4, 5, 6, 8, 9, 10, 11, 12]  # the steps at which a tenth is over


@pytest.fixture(scope="module")
def run(tiny):
    return train(CONFIG, RECIPE, 0, tiny)


def rate_by_formula(recipe, step):
    """A line from 1/25 of the peak, then half a cosine to zero, for which at least one step is left."""
    warmup = min(round(recipe.warmup * recipe.steps), recipe.steps - 1)
    if step < warmup:
        return recipe.peak_learning_rate * (1 / 25 + (1 - 1 / 25) * step / warmup)
    share = (step - warmup) / (recipe.steps - warmup)
    return recipe.peak_learning_rate * (1 + math.cos(math.pi * share)) / 2


def same_bits(weights, others):
    return [a.tobytes() for a in weights] == [b.tobytes() for b in others]


class TestSameBits:
    @pytest.mark.parametrize("threads", [1, 3])
    def test_whatever_the_threads_and_the_random_numbers_drawn_before(self, run, tiny, threads):  # fmt: skip
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(threads)
            torch.manual_seed(threads)
            again = train(CONFIG, RECIPE, np.int64(0), tiny)
            assert torch.get_num_threads() == threads  # given back
        finally:
            torch.set_num_threads(before)
        assert type(again.seed) is int
        assert same_bits(again.weights, run.weights)
        assert again.history["loss"] == run.history["loss"]

    def test_another_seed_gives_others(self, run, tiny):
        other = train(CONFIG, RECIPE, 1, tiny)
        pairs = zip(run.weights, other.weights, strict=True)
        assert not any(np.array_equal(a, b) for a, b in pairs if a.ndim > 1)

    def test_images_are_shuffled(self, run, tiny, monkeypatch):
        """In the order of the file the same seed ends with other weights."""
        monkeypatch.setattr(torch, "randperm", torch.arange)
        assert not same_bits(train(CONFIG, RECIPE, 0, tiny).weights, run.weights)


class TestWhatIsLookedAt:
    def test_not_the_test_images(self, run, tiny):
        class Guarded(SimpleNamespace):
            @property
            def x_test(self):
                pytest.fail("training looked at the test images")

            y_test = y_train = y_val = x_test

        guarded = Guarded(x_train=tiny.x_train, x_val=tiny.x_val)
        assert same_bits(train(CONFIG, RECIPE, 0, guarded).weights, run.weights)

    @pytest.mark.parametrize("first, same", [(RECIPE.images, True), (RECIPE.images - 1, False)])  # fmt: skip
    def test_the_first_images_decide_the_weights_and_no_validation_image(self, run, tiny, first, same):  # fmt: skip
        x_train = np.concatenate([tiny.x_train[:first], 255 - tiny.x_train[first:]])
        data = replace(tiny, x_train=x_train, x_val=255 - tiny.x_val)
        other = train(CONFIG, RECIPE, 0, data)
        assert same_bits(other.weights, run.weights) == same
        assert other.history["val_loss"] != run.history["val_loss"]


class TestHistory:
    def test_one_float_a_tenth(self, run):
        names = {"epoch", "loss", "val_loss", "learning_rate", "seconds"}
        assert set(run.history) == names
        for values in run.history.values():
            assert isinstance(values, tuple)
            assert [type(value) for value in values] == [float] * 10
        assert run.history["epoch"] == tuple(step / 4 for step in MARKS)
        assert min(run.history["seconds"]) > 0

    def test_the_loss_of_a_tenth_is_the_mean_over_its_steps(self, tiny):
        """Without a step's effect, it is that of the first weights on all images."""
        recipe = replace(RECIPE, images=64, epochs=4, peak_learning_rate=1e-30)
        plain = replace(CONFIG, batch_norm=False)
        still, run = train(plain, recipe, 0, tiny), Run.untrained(plain)
        x = tiny.x_train[:64]
        assert still.history["epoch"] == (1.0, 2.0, 3.0, 4.0)  # no more than its steps
        assert still.history["loss"] == pytest.approx([bce(x, run.reconstruct(x))] * 4)

    def test_validation_loss_is_the_bce_of_the_final_weights(self, run, tiny):
        found = bce(tiny.x_val, run.reconstruct(tiny.x_val))
        assert run.history["val_loss"][-1] == pytest.approx(found, abs=1e-4)

    def test_learning_rate_is_that_after_the_last_step_of_the_tenth(self, run):
        expected = [rate_by_formula(RECIPE, step) for step in MARKS]
        assert run.history["learning_rate"] == pytest.approx(expected, abs=1e-9)


def test_a_few_images_can_be_learnt_by_heart(tiny):
    """A network that learns can bring twelve images near their floor, where the mean image is far away."""
    x, y = tiny.x_train[:12], tiny.y_train[:12]
    recipe = Recipe(images=12, epochs=200, batch_size=12)
    config = CAEConfig(filters=(16, 32, 32), latent_dim=16)
    run = train(config, recipe, 0, Mnist(x, y, x[:1], y[:1], x, y))
    loss = run.history["loss"]
    assert loss[0] > loss[5] > loss[-1]
    assert excess_bce(x, np.broadcast_to(mean_image(x), x.shape)) > 0.1
    assert excess_bce(x, run.reconstruct(x)) < 0.01


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(images=1, epochs=1),
        Recipe(images=64, epochs=1, warmup=0.9),
        Recipe(images=100, epochs=2, warmup=0.9),
    ],
)
def test_the_rate_follows_the_formula(recipe):
    rate, steps = OneCycle(recipe), recipe.steps
    for step in {*range(0, steps, max(steps // 50, 1)), steps - 1}:
        expected = rate_by_formula(recipe, step)
        assert rate(step) == pytest.approx(expected, rel=1e-4, abs=1e-9), step
    assert rate(steps) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("array", ["x_train", "x_val"])
def test_what_is_no_image_is_named(tiny, array):
    data = SimpleNamespace(**{**vars(tiny), array: np.full((300, 28, 28, 1), 2.0)})
    with pytest.raises(ValueError, match=f"^{array} ranges"):
        train(CONFIG, RECIPE, 0, data)


def test_progress_goes_where_the_build_asks(tiny, tmp_path, monkeypatch, capfd):
    file = tmp_path / "progress"
    file.write_text("what another process wrote\n")
    monkeypatch.setenv("CAE_PROGRESS", str(file))
    run = train(CONFIG, RECIPE, 7, tiny)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("what another process wrote\n")
    value = f"validation BCE {run.history['val_loss'][-1]:.4f}"
    for part in ("(8, 16)", "seed 7", "100 %", value):
        assert part in text
    assert capfd.readouterr() == ("", "")


class TestRun:
    def test_before_the_first_step_it_has_the_weights_of_its_seed(self, tiny):
        tiny_step = replace(RECIPE, images=1, epochs=1, peak_learning_rate=1e-30)
        before, after = Run.untrained(CONFIG, RECIPE, 3), train(CONFIG, tiny_step, 3, tiny)  # fmt: skip
        assert before.history == {}
        pairs = zip(before.weights, after.weights, strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs if a.ndim > 1)

    def test_encode_decode_and_reconstruct_agree_with_the_model(self, run, mnist):
        images = mnist.x_test[:1_010]  # more than a batch
        floats = images / np.float32(255)
        latents, reconstructions = run.encode(images), run.reconstruct(images)
        assert latents.shape == (1_010, 8)
        whole = run.autoencoder.predict(floats, verbose=0)
        np.testing.assert_allclose(reconstructions, whole, atol=1e-5)
        np.testing.assert_allclose(run.decode(latents), whole, atol=1e-5)
        np.testing.assert_array_equal(run.encode(floats), latents)  # uint8 or float
        np.testing.assert_array_equal(run.reconstruct(floats), reconstructions)

    def test_a_pickled_run_goes_without_its_model_and_works(self, run, tiny):
        """As it goes to a worker: a model is large, and made again from the weights."""
        expected = run.reconstruct(tiny.x_test)
        again = pickle.loads(pickle.dumps(run))
        assert "autoencoder" in vars(run)
        assert "autoencoder" not in vars(again)
        for name in ("config", "recipe", "seed", "history"):
            assert getattr(again, name) == getattr(run, name)
        assert same_bits(again.weights, run.weights)
        np.testing.assert_array_equal(again.reconstruct(tiny.x_test), expected)

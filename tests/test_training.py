"""One run: the same arguments give the same bits, the seed decides, the test images are not looked at."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.measurements.baselines import mean_image
from cae_keras.metrics import bce, excess_bce
from cae_keras.training import one_cycle, train

CONFIG = CAEConfig(filters=(8, 16), latent_dim=8, batch_norm=True)
RECIPE = Recipe(
    images=200, epochs=2, warmup=0.25
)  # 4 steps an epoch, the last one with 8 images

TRAIN_ELSEWHERE = """
import sys
import numpy as np
import torch
from cae_keras import CAEConfig, Mnist, Recipe, train

torch.set_num_threads(2)
config = CAEConfig(filters=(8, 16), latent_dim=8, batch_norm=True)
run = train(config, Recipe(images=200, epochs=2, warmup=0.25), 0, Mnist(**np.load(sys.argv[1])))
np.savez(sys.argv[2], *run.weights)
"""


@pytest.fixture(scope="module")
def run(tiny):
    return train(CONFIG, RECIPE, 0, tiny)


def warmup_steps(recipe):
    return min(round(recipe.warmup * recipe.steps), recipe.steps - 1)


def rate_by_formula(recipe, step):
    """A line from 1/25 of the peak, then half a cosine to zero, for which at least one step is left."""
    warmup = warmup_steps(recipe)
    if step < warmup:
        return recipe.peak_learning_rate * (1 / 25 + (1 - 1 / 25) * step / warmup)
    share = (step - warmup) / (recipe.steps - warmup)
    return recipe.peak_learning_rate * (1 + math.cos(math.pi * share)) / 2


def same_bits(weights, others):
    return len(weights) == len(others) and all(
        a.tobytes() == b.tobytes() for a, b in zip(weights, others, strict=True)
    )


class TestSameBits:
    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_whatever_the_threads_and_the_random_numbers_drawn_before(
        self, run, tiny, threads
    ):
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(threads)
            torch.manual_seed(threads)
            again = train(CONFIG, RECIPE, 0, tiny)
            assert torch.get_num_threads() == threads  # given back
        finally:
            torch.set_num_threads(before)
        assert same_bits(again.weights, run.weights)
        assert again.history["loss"] == run.history["loss"]

    def test_in_another_process(self, run, tiny, tmp_path, start_python):
        np.savez(tmp_path / "tiny.npz", **vars(tiny))
        arguments = (tmp_path / "tiny.npz", tmp_path / "weights.npz")
        process = start_python(
            TRAIN_ELSEWHERE, *arguments, OMP_NUM_THREADS="2", MKL_NUM_THREADS="2"
        )
        printed = process.communicate(timeout=100)
        assert process.returncode == 0, printed
        with np.load(tmp_path / "weights.npz") as weights:
            assert same_bits(list(weights.values()), run.weights)

    def test_another_seed_gives_others(self, run, tiny):
        other = train(CONFIG, RECIPE, 1, tiny)
        kernels = [i for i, w in enumerate(run.weights) if w.ndim > 1]
        assert not any(
            np.array_equal(run.weights[i], other.weights[i]) for i in kernels
        )

    def test_numpy_seeds_are_seeds(self, run, tiny):
        again = train(CONFIG, RECIPE, np.int64(0), tiny)
        assert type(again.seed) is int
        assert same_bits(again.weights, run.weights)


def test_images_are_shuffled(run, tiny, monkeypatch):
    """In the order of the file the same seed ends with other weights."""
    monkeypatch.setattr(torch, "randperm", torch.arange)
    in_order = train(CONFIG, RECIPE, 0, tiny)
    assert not same_bits(in_order.weights, run.weights)


class TestWhatIsLookedAt:
    def test_not_the_test_images(self, run, tiny):
        class Guarded(SimpleNamespace):
            @property
            def x_test(self):
                pytest.fail("training looked at the test images")

            y_test = y_train = y_val = x_test

        guarded = Guarded(x_train=tiny.x_train, x_val=tiny.x_val)
        assert same_bits(train(CONFIG, RECIPE, 0, guarded).weights, run.weights)

    def test_only_the_first_images_and_no_validation_image_decide_the_weights(
        self, run, tiny
    ):
        x_train = np.concatenate(
            [tiny.x_train[: RECIPE.images], 255 - tiny.x_train[RECIPE.images :]]
        )
        other = train(
            CONFIG, RECIPE, 0, replace(tiny, x_train=x_train, x_val=255 - tiny.x_val)
        )
        assert same_bits(other.weights, run.weights)
        assert other.history["loss"] == run.history["loss"]
        assert other.history["val_loss"] != run.history["val_loss"]

    def test_the_last_of_the_first_images_too(self, run, tiny):
        x_train = tiny.x_train.copy()
        x_train[RECIPE.images - 1] = 255 - x_train[RECIPE.images - 1]
        assert not same_bits(
            train(CONFIG, RECIPE, 0, replace(tiny, x_train=x_train)).weights,
            run.weights,
        )


class TestHistory:
    def test_one_float_an_epoch(self, run):
        assert set(run.history) == {"loss", "val_loss", "learning_rate", "seconds"}
        for values in run.history.values():
            assert isinstance(values, tuple)
            assert [type(value) for value in values] == [float] * RECIPE.epochs
        assert min(run.history["seconds"]) > 0

    def test_validation_loss_is_the_bce_of_the_final_weights(self, run, tiny):
        assert run.history["val_loss"][-1] == pytest.approx(
            bce(tiny.x_val, run.reconstruct(tiny.x_val)), abs=1e-4
        )

    def test_learning_rate_is_that_after_the_last_step_of_the_epoch(self, run):
        expected = [rate_by_formula(RECIPE, step) for step in (4, 8)]
        assert run.history["learning_rate"] == pytest.approx(expected, abs=1e-9)

    def test_loss_falls(self, tiny):
        recipe = Recipe(images=300, epochs=6, batch_size=32)
        history = train(
            CAEConfig(filters=(8, 16), latent_dim=8), recipe, 0, tiny
        ).history
        assert history["loss"][0] > history["loss"][2] > history["loss"][-1]
        assert history["val_loss"][-1] < history["val_loss"][0]


def test_a_few_images_can_be_learnt_by_heart(tiny):
    """A network that learns can bring twelve images near their floor, where the mean image is far away."""
    few = Mnist(
        tiny.x_train[:12],
        tiny.y_train[:12],
        tiny.x_val[:1],
        tiny.y_val[:1],
        tiny.x_test,
        tiny.y_test,
    )
    recipe = Recipe(images=12, epochs=200, batch_size=12, peak_learning_rate=1e-2)
    run = train(CAEConfig(filters=(16, 32, 32), latent_dim=16), recipe, 0, few)
    mean = np.broadcast_to(mean_image(few.x_train), few.x_train.shape)
    assert excess_bce(few.x_train, mean) > 0.1
    assert excess_bce(few.x_train, run.reconstruct(few.x_train)) < 0.01


class TestOneCycle:
    @pytest.mark.parametrize(
        "recipe",
        [
            Recipe(),
            Recipe(images=10_000, epochs=3),
            Recipe(warmup=0.0),
            Recipe(warmup=0.5, peak_learning_rate=1e-2),
            Recipe(images=1, epochs=1),
            Recipe(images=64, epochs=1, warmup=0.9),
            Recipe(images=100, epochs=2, warmup=0.9),
        ],
    )
    def test_rate_follows_the_formula(self, recipe):
        rate, steps, warmup = one_cycle(recipe), recipe.steps, warmup_steps(recipe)
        for step in {
            0,
            1,
            warmup // 2,
            warmup - 1,
            warmup,
            warmup + 1,
            (warmup + steps) // 2,
            steps - 1,
        } - {-1}:
            assert float(rate(step)) == pytest.approx(
                rate_by_formula(recipe, step), rel=1e-4, abs=1e-9
            ), step
        assert float(rate(steps)) == pytest.approx(0, abs=1e-9)

    def test_its_corners_are_those_of_the_design(self):
        rate = one_cycle(Recipe())
        corners = [float(rate(step)) for step in (0, 1720, 8600)]
        assert corners == pytest.approx([1.6e-4, 4e-3, 0], rel=1e-5, abs=1e-9)

    def test_without_warmup_it_starts_at_the_peak(self):
        assert float(one_cycle(Recipe(warmup=0.0))(0)) == pytest.approx(4e-3)


class TestErrors:
    @pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "0", None])
    def test_seeds(self, tiny, seed):
        with pytest.raises(
            ValueError, match=r"must be an integer from 0 to 2\*\*32 - 1"
        ) as error:
            train(CONFIG, RECIPE, seed, tiny)
        assert f"seed={seed!r}" in str(error.value)

    def test_too_few_images(self, tiny):
        with pytest.raises(ValueError, match=r"images=301: data.x_train has only 300"):
            train(CONFIG, Recipe(images=301), 0, tiny)

    @pytest.mark.parametrize("array", ["x_train", "x_val"])
    @pytest.mark.parametrize(
        "bad",
        [
            np.zeros((300, 28, 28, 1), int),
            np.zeros((300, 28, 28)),
            np.full((300, 28, 28, 1), 2.0),
        ],
    )
    def test_what_is_no_image_is_named(self, tiny, array, bad):
        data = SimpleNamespace(**{**vars(tiny), array: bad})
        with pytest.raises(ValueError, match=f"^(data.)?{array} (has|ranges)"):
            train(CONFIG, RECIPE, 0, data)


def test_progress_goes_where_the_build_asks(tiny, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CAE_PROGRESS", str(tmp_path / "progress"))
    train(CONFIG, RECIPE, 7, tiny)
    text = (tmp_path / "progress").read_text(encoding="utf-8")
    for part in ("8-16", "8 latents", "relu", "batch norm", "seed 7", "100 %"):
        assert part in text
    assert capfd.readouterr() == ("", "")


def test_progress_shows_the_validation_bce(tiny, tmp_path, monkeypatch):
    """With the label of the trade-off model, the longest of the study."""
    monkeypatch.setenv("CAE_PROGRESS", str(tmp_path / "progress"))
    config = CAEConfig((16, 32, 32), 16, True, "leaky_relu")
    value = train(config, Recipe(images=100, epochs=1), 0, tiny).history["val_loss"][-1]
    assert f"validation BCE {value:.4f}" in (tmp_path / "progress").read_text(
        encoding="utf-8"
    )

"""The reader: what it is asked to do, and that it reads digits, on little data and in seconds."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from cae_keras.config import Recipe
from cae_keras.data import Mnist
from cae_keras.images import to_float
from cae_keras.measurements.reader import build_reader, reader_recipe, train_reader

RECIPE = Recipe(images=200, epochs=2, batch_size=32)


def bits(reader):
    return [weight.tobytes() for weight in reader.weights], reader.history


@pytest.fixture(scope="module")
def reader(tiny):
    return train_reader(RECIPE, 0, tiny)


class TestReading:
    def test_it_reads_digits_it_has_not_seen_and_nothing_else(self, mnist):
        """Two thousand images teach it in about three seconds; of noise a label is right by chance only."""
        taught = train_reader(Recipe(images=2_000, epochs=3, batch_size=32), 0, mnist)
        x, y = mnist.x_val[:1_000], mnist.y_val[:1_000]
        noise = np.random.default_rng(0).integers(0, 256, x.shape, dtype=np.uint8)
        assert taught.share_right(x, y) > 0.9
        assert taught.share_right(x, (y + 1) % 10) < 0.1
        assert taught.share_right(noise, y) < 0.25
        assert taught.share_right(x[:, ::-1], y) < 0.8  # upside down

    def test_the_likeliest_label_each_and_the_share_by_counting(self, reader, tiny):
        labels = reader.read(tiny.x_test)
        probabilities = reader.model.predict(to_float(tiny.x_test), verbose=0)
        assert labels.dtype == np.uint8
        assert probabilities.sum(axis=1) == pytest.approx(1)
        for label, each in zip(labels, probabilities, strict=True):
            assert each[label] == max(each)
        right = sum(int(a == b) for a, b in zip(labels, tiny.y_test, strict=True))
        share = reader.share_right(tiny.x_test, tiny.y_test)
        assert (share, type(share)) == (right / len(tiny.y_test), float)


class TestTraining:
    def test_the_same_arguments_give_the_same_bits(self, reader, tiny):
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(2)
            torch.manual_seed(7)
            again = train_reader(RECIPE, 0, tiny)
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before)
        assert bits(again) == bits(reader)
        assert bits(train_reader(RECIPE, 1, tiny)) != bits(reader)  # another seed

    def test_only_images_and_labels_of_the_recipe_decide(self, reader, tiny):
        """Neither the images after them nor the test images are looked at."""
        arrays = {name: array.copy() for name, array in vars(tiny).items()}
        for name in ("x_train", "y_train"):
            arrays[name][200:] = arrays[name][:100]
        for name in ("x_test", "y_test"):
            arrays[name] = 0 * arrays[name]
        assert bits(train_reader(RECIPE, 0, Mnist(**arrays))) == bits(reader)
        arrays["y_train"][:200] = 0
        assert bits(train_reader(RECIPE, 0, Mnist(**arrays))) != bits(reader)

    def test_a_history_of_plain_floats(self, reader, tiny):
        assert list(map(len, reader.history.values())) == [RECIPE.epochs] * 2
        assert {type(x) for losses in reader.history.values() for x in losses} == {
            float
        }
        probabilities = reader.model.predict(to_float(tiny.x_val), verbose=0)
        right = probabilities[np.arange(len(tiny.y_val)), tiny.y_val]
        last = reader.history["val_loss"][-1]
        assert last == pytest.approx(-np.log(right).mean(), rel=1e-4)

    @pytest.mark.parametrize(
        "again", [replace, lambda r: pickle.loads(pickle.dumps(r))]
    )
    def test_kept_or_sent_to_a_worker_it_is_the_same_reader(self, reader, tiny, again):
        """Neither takes the model along."""
        expected = reader.read(tiny.x_test)
        other = again(reader)
        assert "model" not in vars(other)
        assert (other.recipe, other.seed, bits(other)) == (RECIPE, 0, bits(reader))
        assert (other.read(tiny.x_test) == expected).all()


def test_every_layer_has_a_name_of_its_own_and_no_counter():
    first, second = ([x.name for x in build_reader().layers] for _ in "12")
    assert first == second
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("epochs", [10, 1])
def test_its_budget_follows_from_that_of_the_build(epochs):
    recipe = reader_recipe(Recipe(10_000, epochs, 32, 0.1, warmup=0.3))
    assert recipe == Recipe(10_000, 3, 32, 4e-3, 0.2, "adam")

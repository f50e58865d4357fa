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


@pytest.fixture(scope="module")
def reader(tiny):
    return train_reader(RECIPE, 0, tiny)


@pytest.fixture(scope="module")
def taught(mnist):
    """Two thousand images, which take about three seconds."""
    return train_reader(Recipe(images=2_000, epochs=3, batch_size=32), 0, mnist)


class TestReading:
    def test_it_reads_digits_it_has_not_seen(self, taught, mnist):
        x, y = mnist.x_val[:1_000], mnist.y_val[:1_000]
        assert taught.share_right(x, y) > 0.9
        assert taught.share_right(x, (y + 1) % 10) < 0.1

    def test_it_reads_what_a_person_reads(self, taught, mnist):
        """Noise and black are no digits, so that a label is right by chance only; the faintest digit stays one."""
        x, y = mnist.x_val[:1_000], mnist.y_val[:1_000]
        noise = np.random.default_rng(0).integers(0, 256, x.shape, dtype=np.uint8)
        assert taught.share_right(noise, y) < 0.25
        assert taught.share_right(x[:, ::-1], y) < 0.8  # upside down

    def test_a_label_each(self, reader, tiny):
        labels = reader.read(tiny.x_test)
        assert (labels.dtype, labels.shape) == (np.uint8, tiny.y_test.shape)
        probabilities = reader.model.predict(to_float(tiny.x_test), verbose=0)
        assert probabilities.sum(axis=1) == pytest.approx(1)
        for label, each in zip(labels, probabilities, strict=True):
            assert each[label] == max(each)

    def test_the_share_by_counting(self, reader, tiny):
        labels = reader.read(tiny.x_test)
        right = sum(int(a == b) for a, b in zip(labels, tiny.y_test, strict=True))
        share = reader.share_right(tiny.x_test, tiny.y_test)
        assert share == right / len(tiny.y_test)
        assert type(share) is float

    def test_uint8_and_floats_are_read_the_same(self, reader, tiny):
        assert (reader.read(tiny.x_test) == reader.read(tiny.x_test / 255)).all()

    @pytest.mark.parametrize("shape", [(49,), (50, 1), ()])
    def test_a_label_for_each_image(self, reader, tiny, shape):
        with pytest.raises(ValueError, match=r"labels has shape .* must be \(50,\)"):
            reader.share_right(tiny.x_test, np.zeros(shape))


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
        for a, b in zip(again.weights, reader.weights, strict=True):
            assert a.tobytes() == b.tobytes()
        assert again.history == reader.history

    def test_the_seed_decides(self, reader, tiny):
        other = train_reader(RECIPE, 1, tiny)
        assert not np.allclose(other.weights[0], reader.weights[0])

    def test_only_images_and_labels_of_the_recipe_decide(self, reader, tiny):
        """Neither the images after them nor the test images are looked at."""
        rng = np.random.default_rng(0)
        arrays = {name: array.copy() for name, array in vars(tiny).items()}
        for name in ("x_train", "y_train"):
            arrays[name][200:] = rng.permutation(arrays[name][200:])
        for name in ("x_test", "y_test"):
            arrays[name] = 0 * arrays[name]
        again = train_reader(RECIPE, 0, Mnist(**arrays))
        assert again.weights[0].tobytes() == reader.weights[0].tobytes()
        assert again.history == reader.history
        arrays["y_train"][:200] = 0
        others = train_reader(RECIPE, 0, Mnist(**arrays))
        assert not np.allclose(others.weights[0], reader.weights[0])

    def test_a_history_of_plain_floats(self, reader, tiny):
        assert set(reader.history) == {"loss", "val_loss"}
        values = [value for losses in reader.history.values() for value in losses]
        assert len(values) == 2 * RECIPE.epochs
        assert {type(value) for value in values} == {float}

    def test_the_last_validation_loss_by_numpy(self, reader, tiny):
        probabilities = reader.model.predict(to_float(tiny.x_val), verbose=0)
        right = probabilities[np.arange(len(tiny.y_val)), tiny.y_val]
        assert reader.history["val_loss"][-1] == pytest.approx(
            -np.log(right).mean(), rel=1e-4
        )

    def test_a_kept_reader_is_the_same_reader(self, reader, tiny):
        """What the store gives back: weights, in a fresh model."""
        kept = replace(reader)
        assert kept.model is not reader.model
        assert (kept.read(tiny.x_test) == reader.read(tiny.x_test)).all()

    def test_a_pickled_reader_goes_without_its_model_and_works(self, reader, tiny):
        """As it goes to a worker."""
        expected = reader.read(tiny.x_test)
        assert "model" in vars(reader)
        again = pickle.loads(pickle.dumps(reader))
        assert "model" not in vars(again)
        assert "model" in vars(reader)
        assert (again.recipe, again.seed) == (RECIPE, 0)
        assert again.history == reader.history
        for a, b in zip(again.weights, reader.weights, strict=True):
            assert a.tobytes() == b.tobytes()
        assert (again.read(tiny.x_test) == expected).all()

    def test_what_train_refuses_is_refused(self, tiny):
        with pytest.raises(ValueError, match="seed=-1"):
            train_reader(RECIPE, -1, tiny)
        with pytest.raises(ValueError, match=r"images=301: data\.x_train has only 300"):
            train_reader(replace(RECIPE, images=301), 0, tiny)


def test_the_model_is_named_and_so_is_every_layer():
    model = build_reader()
    assert (model.name, model.input_shape) == ("reader", (None, 28, 28, 1))
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    assert build_reader().name == model.name
    assert [
        layer.name for layer in build_reader().layers
    ] == names  # no counter in them


@pytest.mark.parametrize("epochs, expected", [(10, 3), (3, 3), (1, 1)])
def test_its_budget_follows_from_that_of_the_build(epochs, expected):
    recipe = reader_recipe(Recipe(images=10_000, epochs=epochs, peak_learning_rate=0.1))
    assert recipe == Recipe(images=10_000, epochs=expected)

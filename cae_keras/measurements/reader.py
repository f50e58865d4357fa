"""The machine reader: a classifier of original digits, which judges reconstructions.

A measure of pixels does not tell whether a blurred 4 is still a 4. Somebody who knows
digits, and has never seen a reconstruction, does.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import keras
import numpy as np
from keras import layers

from cae_keras.config import IMAGE_SHAPE, Recipe
from cae_keras.data import Mnist
from cae_keras.images import to_float
from cae_keras.progress import progress_bar
from cae_keras.training import BATCH, VALIDATION_BATCH, check_run, fit, pinned


@dataclass(frozen=True, eq=False)
class Reader:
    """A trained reader: what was asked, and what came of it."""

    recipe: Recipe
    seed: int
    history: dict[str, tuple[float, ...]]  # of the labels' cross-entropy, in nats
    weights: tuple[np.ndarray, ...]  # in the order of `model.get_weights()`

    @cached_property
    def model(self) -> keras.Model:
        """The trained model."""
        model = build_reader()
        model.set_weights(self.weights)
        return model

    def read(self, images: np.ndarray) -> np.ndarray:
        """Returns the most likely digit of each image, uint8 `(n,)`."""
        probabilities = self.model.predict(
            to_float(images), batch_size=BATCH, verbose=0
        )
        return probabilities.argmax(axis=1).astype(np.uint8)

    def share_right(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Returns the share of images which are read as their label says."""
        labels = np.asarray(labels)
        if labels.shape != (len(images),):
            raise ValueError(
                f"labels has shape {labels.shape}: it must be ({len(images)},), one "
                "for each image"
            )
        return float(np.mean(self.read(images) == labels))

    def __getstate__(self):  # without the model, which the weights make again
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build_reader() -> keras.Model:
    """Builds the reader: three strided convolutions, and two dense layers.

    After LeCun et al. (1998), doi:10.1109/5.726791, with strides instead of pooling
    (Springenberg et al., 2015, arXiv:1412.6806). Dropout keeps it from leaning on few
    pixels.
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    x = images
    for i, filters in enumerate((32, 64, 64)):
        x = layers.Conv2D(
            filters, 3, strides=2, padding="same", activation="relu", name=f"conv{i}"
        )(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.2, name="dropout0")(x)
    x = layers.Dense(128, activation="relu", name="dense")(x)
    x = layers.Dropout(0.2, name="dropout1")(x)
    probabilities = layers.Dense(10, activation="softmax", name="digits")(x)
    return keras.Model(images, probabilities, name="reader")


def reader_recipe(recipe: Recipe) -> Recipe:
    """Returns that of a build's reader: the same batches, three epochs of Adam."""
    return replace(
        recipe, epochs=3, peak_learning_rate=4e-3, warmup=0.2, optimizer="adam"
    )


def train_reader(recipe: Recipe, seed: int, data: Mnist) -> Reader:
    """Trains the reader on original images and their labels, on one torch thread.

    The test images are not looked at.
    """
    check_run(recipe, seed, data)
    x = to_float(data.x_train[: recipe.images], "x_train")
    x_val = to_float(data.x_val, "x_val")
    y, loss = data.y_train[: recipe.images], "sparse_categorical_crossentropy"
    with pinned(), progress_bar(recipe.steps, f"the reader, seed {seed}") as bar:
        keras.utils.set_random_seed(int(seed))
        model = build_reader()
        watch = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: bar.update()
        )
        history = fit(
            model, loss, recipe, [x, y], validation_data=(x_val, data.y_val),
            validation_batch_size=VALIDATION_BATCH, callbacks=[watch],
        )  # fmt: skip
    return Reader(recipe, int(seed), history, tuple(model.get_weights()))

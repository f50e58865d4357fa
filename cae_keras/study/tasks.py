"""What the store keeps: trained autoencoders, the reader, and what is measured."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.images import to_float
from cae_keras.measurements.cost import cost
from cae_keras.measurements.curves import last_gain, roughness
from cae_keras.measurements.reader import Reader, train_reader
from cae_keras.metrics import bce_floor, quality, sharpness
from cae_keras.progress import progress_bar
from cae_keras.study.store import Entry, digest
from cae_keras.training import Run, one_thread, train

TRAINING = ("config", "fit", "images", "layers", "models", "training")


@dataclass(frozen=True)
class Training:
    """The task of training one autoencoder."""

    config: CAEConfig
    recipe: Recipe
    seed: int
    kind: ClassVar = "run"
    code: ClassVar = TRAINING
    packages: ClassVar = ("keras", "torch")

    @property
    def label(self) -> str:
        filters = "-".join(map(str, self.config.filters))
        return f"training, {filters}, {self.config.latent_dim} latents"

    @property
    def steps(self) -> int:
        return self.recipe.steps

    effort = steps

    def asked(self) -> dict:
        return asdict(self)

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        return data.x_train[: self.recipe.images], data.x_val

    def do(self, data: Mnist) -> Entry:
        run = train(self.config, self.recipe, self.seed, data)
        return Entry(run.history, run.weights)

    def result(self, entry: Entry) -> Run:
        history = {name: tuple(values) for name, values in entry.values.items()}
        return Run(self.config, self.recipe, self.seed, history, entry.arrays)


@dataclass(frozen=True)
class Reading:
    """The task of training the machine reader."""

    recipe: Recipe
    seed: int
    kind: ClassVar = "reader"
    label: ClassVar = "training the reader"
    code: ClassVar = (*TRAINING, "reader")
    packages: ClassVar = ("keras", "torch")

    @property
    def steps(self) -> int:
        return self.recipe.steps

    effort = steps

    def asked(self) -> dict:
        return asdict(self)

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        images = self.recipe.images
        return data.x_train[:images], data.y_train[:images], data.x_val, data.y_val

    def do(self, data: Mnist) -> Entry:
        reader = train_reader(self.recipe, self.seed, data)
        return Entry(reader.history, reader.weights)

    def result(self, entry: Entry) -> Reader:
        history = {name: tuple(values) for name, values in entry.values.items()}
        return Reader(self.recipe, self.seed, history, entry.arrays)


@dataclass(frozen=True, eq=False)
class Measuring:
    """The task of measuring a run, on the test images and on its history."""

    run: Run
    reader: Reader
    kind: ClassVar = "measures"
    label: ClassVar = "measuring"
    steps: ClassVar = 1
    effort: ClassVar = 170
    code: ClassVar = (
        *TRAINING,
        "runs",
        "metrics",
        "smoothness",
        "cost",
        "reader",
        "tasks",
    )
    packages: ClassVar = ("keras", "torch", "numpy", "scipy", "scikit-image")

    def asked(self) -> dict:
        """Names the run and the reader by a digest of what they are."""
        return {
            "run": digest(Entry(self.run.history, self.run.weights)),
            "reader": digest(Entry(self.reader.history, self.reader.weights)),
        }

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        return data.x_val, data.x_test, data.y_test

    def do(self, data: Mnist) -> Entry:
        with progress_bar(self.steps, self.label) as bar, one_thread():
            x_test = to_float(data.x_test)
            x_hat = self.run.reconstruct(x_test)
            curve = self.run.history["val_loss"], bce_floor(data.x_val)
            values = {
                **quality(x_test, x_hat),
                "sharpness": sharpness(x_test, x_hat),
                "read": self.reader.share_right(x_hat, data.y_test),
                "roughness": roughness(*curve),
                "last_gain": last_gain(*curve),
                "seconds": sum(self.run.history["seconds"]),
                **cost(self.run.config),
            }
            bar.update()
        return Entry({name: float(value) for name, value in values.items()}, ())

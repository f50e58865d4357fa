"""What is done and kept: trained autoencoders, the reader, and what is measured."""

from dataclasses import asdict, dataclass
from typing import ClassVar, Protocol

import numpy as np

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.measurements.measured import measure_run
from cae_keras.measurements.reader import Reader, train_reader
from cae_keras.measurements.trials import losses, watched
from cae_keras.progress import progress_bar
from cae_keras.study.store import Entry, digest
from cae_keras.training import Run, train


class Task(Protocol):
    """Something to do whose result is worth keeping."""

    kind: str  # one word
    label: str  # what a progress bar says
    steps: int  # how many a progress bar sees
    effort: int  # about as many steps of training take as long
    module: str  # which does the work, by its path in the package
    packages: tuple[str, ...]  # the installed ones that decide the result

    def asked(self) -> dict:
        """Returns what decides the result besides images and code, as JSON values."""

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        """Returns the arrays of the data that decide the result."""

    def do(self, data: Mnist) -> Entry:
        """Does it."""


class _Fitting:
    """What is the same whatever network is trained."""

    packages: ClassVar = ("keras", "torch")
    asked = asdict

    @property
    def steps(self) -> int:
        return self.recipe.steps

    effort = steps

    def _result(self, entry: Entry) -> tuple:
        history = {name: tuple(values) for name, values in entry.values.items()}
        return self.recipe, self.seed, history, entry.arrays


@dataclass(frozen=True)
class Training(_Fitting):
    """The task of training one autoencoder."""

    config: CAEConfig
    recipe: Recipe
    seed: int
    kind: ClassVar = "run"
    module: ClassVar = "training.py"

    @property
    def label(self) -> str:
        filters = "-".join(map(str, self.config.filters))
        return f"training, {filters}, {self.config.latent_dim} latents"

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        return data.x_train[: self.recipe.images], data.x_val

    def do(self, data: Mnist) -> Entry:
        run = train(self.config, self.recipe, self.seed, self.learnt_from(data))
        return self.kept(run, data)

    def learnt_from(self, data: Mnist) -> Mnist:
        return data

    def kept(self, run: Run, data: Mnist) -> Entry:
        return Entry(run.history, run.weights)

    def result(self, entry: Entry) -> Run:
        return Run(self.config, *self._result(entry))


@dataclass(frozen=True)
class Trial(Training):
    """The task of training one autoencoder for its losses: nothing else is kept."""

    kind: ClassVar = "trial"
    module: ClassVar = "measurements/trials.py"
    packages: ClassVar = (*_Fitting.packages, "numpy")

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        return *super().images(data), data.x_test

    def learnt_from(self, data: Mnist) -> Mnist:
        return watched(data)

    def kept(self, run: Run, data: Mnist) -> Entry:
        return Entry(losses(run, data), ())

    def result(self, entry: Entry) -> dict[str, float]:
        return entry.values


@dataclass(frozen=True)
class Reading(_Fitting):
    """The task of training the machine reader."""

    recipe: Recipe
    seed: int
    kind: ClassVar = "reader"
    label: ClassVar = "training the reader"
    module: ClassVar = "measurements/reader.py"

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        images = self.recipe.images
        return data.x_train[:images], data.y_train[:images], data.x_val, data.y_val

    def do(self, data: Mnist) -> Entry:
        reader = train_reader(self.recipe, self.seed, data)
        return Entry(reader.history, reader.weights)

    def result(self, entry: Entry) -> Reader:
        return Reader(*self._result(entry))


@dataclass(frozen=True, eq=False)
class Measuring:
    """The task of measuring a run, on a split of images and on its history."""

    run: Run
    reader: Reader
    split: str = "test"
    kind: ClassVar = "measures"
    label: ClassVar = "measuring"
    steps: ClassVar = 1
    effort: ClassVar = 170
    module: ClassVar = "measurements/measured.py"
    packages: ClassVar = ("keras", "torch", "numpy", "scipy", "scikit-image")

    def asked(self) -> dict:
        """Names the run and the reader by a digest of what they are."""
        return {
            "run": digest(Entry(self.run.history, self.run.weights)),
            "reader": digest(Entry(self.reader.history, self.reader.weights)),
            "split": self.split,
        }

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        x, y = data.x_test, data.y_test
        if self.split == "validation":
            x, y = data.x_val, data.y_val
        return x, y, data.x_val

    def do(self, data: Mnist) -> Entry:
        with progress_bar(self.steps, self.label) as bar:
            values = measure_run(self.run, self.reader, *self.images(data))
            bar.update()
        return Entry(values, ())

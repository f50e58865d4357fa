"""Runs judged on the validation images, so that the test images choose nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from cae_keras.data import Mnist, load_mnist
from cae_keras.measurements.reader import Reader
from cae_keras.study.store import Entry
from cae_keras.study.study import Results, load_or_train_reader
from cae_keras.study.tasks import Measuring
from cae_keras.study.workers import complete
from cae_keras.training import Run


@dataclass(frozen=True, eq=False)
class Validating(Measuring):
    """The task of measuring a run as `Measuring` does, on the validation images."""

    kind: ClassVar = "validation"
    label: ClassVar = "validating"
    code: ClassVar = (*Measuring.code, "search")

    def images(self, data: Mnist) -> tuple[np.ndarray, ...]:
        return data.x_val, data.y_val

    def do(self, data: Mnist) -> Entry:
        return super().do(replace(data, x_test=data.x_val, y_test=data.y_val))


def validate(
    runs: Mapping[str, Sequence[Run]],
    data: Mnist | None = None,
    reader: Reader | None = None,
) -> Results:
    """Returns what `measure` does, of the validation images instead of the test images.

    No choice between networks may see the test images; this is what to choose by. (The
    reader was watched on these images too, but chosen by nothing.)

    Args:
        runs: Runs by names, as `run` returns them.
        data: Where the images come from; without it, `load_mnist()`.
        reader: The machine reader; without it, that of the build.

    Returns:
        For each name and measure an array of one float a seed.
    """
    data = data or load_mnist()
    reader = reader or load_or_train_reader(data=data)
    tasks = [Validating(one, reader) for several in runs.values() for one in several]
    entries = iter(complete(tasks, data))
    results = {}
    for name, several in runs.items():
        values = [next(entries).values for _ in several]
        results[name] = {
            what: np.array([of_seed[what] for of_seed in values]) for what in values[0]
        }
    return results

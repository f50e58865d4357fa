"""How the time of a study grows with images, seeds and workers."""

import math
import os
import time
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.study.study import run


class Timing(NamedTuple):
    """What was trained, for one epoch, and how long it took."""

    images: int  # of each run
    seeds: int  # runs of the baseline, one a seed
    workers: int
    seconds: float  # to the last run, the start of the workers included


def growth(
    data: Mnist, images: Sequence[int], seeds: Sequence[int], workers: Sequence[int]
) -> list[Timing]:
    """Measures three series: one thing grows, the others stay as small as they get.

    Nothing is read from the run store, and nothing is kept. One worker is the calling
    process itself, and needs no start; several are started for each measurement, which
    is of the most seeds.
    """
    few, many = min(images), max(seeds)
    asked = [
        *((n, 1, 1) for n in images),
        *((few, n, 1) for n in seeds),
        *((few, many, n) for n in workers),
    ]
    _once(data, few, 1, 1)  # not timed: what is done for the first time takes longer
    return [Timing(*what, _once(data, *what)) for what in dict.fromkeys(asked)]


def _once(data: Mnist, images: int, seeds: int, workers: int) -> float:
    recipe = Recipe(images=images, epochs=1)
    with (
        TemporaryDirectory() as folder,
        patch.dict(os.environ, CAE_RUNS=folder, CAE_WORKERS=str(workers)),
    ):
        start = time.perf_counter()
        run({"": CAEConfig()}, recipe=recipe, seeds=range(seeds), data=data)
        return time.perf_counter() - start


def expected_seconds(timings: Sequence[Timing]) -> list[float]:
    """Returns what each timing should be if only work counted, and it were shared.

    A run takes a + b · images: b is the training, a the rest (building the network, and
    5,000 images of validation). Both are fitted by least squares to the single runs on
    one worker. Several runs take as long as the worker that has the most of them.

    Example:
        >>> single = [Timing(n, 1, 1, seconds=1 + 2 * n) for n in (1, 2)]
        >>> several = Timing(2, 4, 2, seconds=19.0)
        >>> [round(seconds, 6) for seconds in expected_seconds([*single, several])]
        [3.0, 5.0, 10.0]
    """
    single = [timing for timing in timings if timing.seeds == timing.workers == 1]
    line = np.polyfit([t.images for t in single], [t.seconds for t in single], 1)
    return [
        float(np.polyval(line, t.images)) * math.ceil(t.seeds / t.workers)
        for t in timings
    ]

"""The study: runs of many configurations and seeds, and what is measured on them."""

from collections.abc import Mapping, Sequence

import numpy as np

from cae_keras.config import CAEConfig, Recipe, get_preset, one_of
from cae_keras.data import Mnist, load_mnist
from cae_keras.experiments import configurations
from cae_keras.measurements.reader import Reader, reader_recipe
from cae_keras.study.complete import complete
from cae_keras.study.keys import task_key
from cae_keras.study.store import Store
from cae_keras.study.tasks import Measuring, Reading, Training, Trial
from cae_keras.training import Run, check_run

Runs = dict[str, tuple[Run, ...]]
Results = dict[str, dict[str, np.ndarray]]


def run(
    *experiments: str | Mapping[str, CAEConfig | tuple[CAEConfig, Recipe]],
    recipe: Recipe | None = None,
    seeds: Sequence[int] | None = None,
    data: Mnist | None = None,
) -> Runs:
    """Returns the runs of experiments; what the store lacks is trained, side by side.

    Args:
        *experiments: Names out of `EXPERIMENTS` or `BEYOND`, or configurations by names
            of your own; a pair of configuration and recipe has its own budget. Without
            any, the whole study; the machine reader is then trained beside it.
        recipe: The budget of all others; without it, that of the build's preset.
        seeds: Their random seeds; without them, those of the build's preset.
        data: Where the images come from; without it, `load_mnist()`.

    Returns:
        For each variant its runs, one a seed.

    Raises:
        ValueError: If there is no such experiment, or an argument is none that `train`
            takes; nothing is trained then.

    Example:
        >>> run("depht")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: experiment='depht': it must be one of 'baseline', 'filters', ...
    """
    return _results(Training, experiments, recipe, seeds, data or load_mnist())


def try_all(
    *experiments: str | Mapping[str, CAEConfig | tuple[CAEConfig, Recipe]],
    recipe: Recipe | None = None,
    seeds: Sequence[int] | None = None,
    data: Mnist | None = None,
) -> Results:
    """Trains as `run` does, which has the arguments, but keeps the losses alone.

    Returns:
        For each name `bce` and `excess_bce` of the test images, and `val_bce` and
        `val_excess_bce` of the validation images: arrays of one float a seed.
    """
    found = _results(Trial, experiments, recipe, seeds, data or load_mnist())
    return {
        name: {what: np.array([of[what] for of in several]) for what in several[0]}
        for name, several in found.items()
    }


def is_trained(
    *experiments: str | Mapping[str, CAEConfig | tuple[CAEConfig, Recipe]],
    recipe: Recipe | None = None,
    seeds: Sequence[int] | None = None,
    data: Mnist | None = None,
) -> bool:
    """Tells whether the store has all that `run` would train; trains nothing.

    A damaged run is set aside and counts as missing.
    """
    data, store = data or load_mnist(), Store()
    _, to_do = _tasks(Training, experiments, recipe, seeds, data)
    return all(store.read(task_key(task, data)) for task in to_do)


def _results(kind: type, experiments, recipe, seeds, data: Mnist) -> dict[str, tuple]:
    """Returns for each variant what its tasks give; what the store lacks is done."""
    tasks, to_do = _tasks(kind, experiments, recipe, seeds, data)
    found = dict(zip(to_do, complete(to_do, data), strict=True))
    return {
        name: tuple(task.result(found[task]) for task in several)
        for name, several in tasks.items()
    }


def _tasks(kind: type, experiments, recipe, seeds, data: Mnist) -> tuple[dict, list]:
    """Returns the tasks by variant, and what to do, no long run at the end."""
    variants, preset = configurations(*experiments), get_preset()
    recipe, seeds = recipe or preset.recipe, preset.seeds if seeds is None else seeds
    if not isinstance(recipe, Recipe):
        raise ValueError(f"recipe={recipe!r}: it must be a Recipe")
    if not isinstance(seeds, Sequence) or not 0 < len(set(seeds)) == len(seeds):
        raise ValueError(f"seeds={seeds!r}: it must be a sequence of distinct integers")
    tasks = {}
    for name, variant in variants.items():
        config, own = variant if isinstance(variant, tuple) else (variant, recipe)
        for seed in seeds:
            check_run(own, seed, data)
        tasks[name] = [kind(config, own, int(seed)) for seed in seeds]
    to_do = sorted(
        {task for several in tasks.values() for task in several},
        key=lambda task: (-sum(task.config.filters) * task.steps, repr(task)),
    )
    if kind is Training and not experiments:
        to_do.append(_reading(None, data))
    return tasks, to_do


def load_or_train_reader(
    recipe: Recipe | None = None, data: Mnist | None = None
) -> Reader:
    """Returns the machine reader of this build from the store, or trains and keeps it.

    Args:
        recipe: The budget of the autoencoders it goes with (see `reader_recipe`);
            without it, that of the build's preset.
    """
    data = data or load_mnist()
    task = _reading(recipe, data)
    return task.result(*complete([task], data))


def _reading(recipe: Recipe | None, data: Mnist) -> Reading:
    recipe = reader_recipe(recipe or get_preset().recipe)
    check_run(recipe, 0, data)
    return Reading(recipe, seed=0)


def measure(
    runs: Mapping[str, Sequence[Run]],
    data: Mnist | None = None,
    reader: Reader | None = None,
    split: str = "test",
) -> Results:
    """Returns what is measured on runs, one value a seed; kept in the store as well.

    Args:
        reader: The machine reader; without it, that of the build.
        split: Which images: `"test"`, or `"validation"` for a choice between networks,
            which must not see the test images. (The reader was watched on the
            validation images too, but chosen by nothing.)

    Returns:
        For each name and measure an array of one float a seed. Measured on the images:
        `bce`, `excess_bce`, `mse`, `psnr`, `ssim`, `sharpness` and `read`, the share of
        reconstructions that the reader reads as the right digit. On the validation
        curve: `roughness` and `last_gain`, after so many `epochs`. Costs: `parameters`
        (trainable), `all_parameters`, `macs` (of one image), `code_bytes`, and
        `seconds` to train.

    Raises:
        ValueError: If a run has diverged, or had fewer than three steps, or there is
            no such split.
    """
    one_of("split", split, ("test", "validation"))
    data = data or load_mnist()
    reader = reader or load_or_train_reader(data=data)
    every = [one for several in runs.values() for one in several]
    tasks = [Measuring(one, reader, split) for one in every]
    entries = iter(complete(tasks, data))
    results = {}
    for name, several in runs.items():
        values = [next(entries).values for _ in several]
        results[name] = {
            what: np.array([of_seed[what] for of_seed in values]) for what in values[0]
        }
    return results

"""What a build was made of: machine, versions, budget, data and code."""

from importlib.metadata import version

from cae_keras.config import CAEConfig, get_preset
from cae_keras.data import Mnist, fingerprint
from cae_keras.deploy.machine import machine
from cae_keras.study.keys import task_key
from cae_keras.study.tasks import Training
from cae_keras.study.workers import number_of_workers

FURTHER = "scipy", "scikit-image", "matplotlib", "tensorflow-datasets", "jupyter-book"


def provenance(data: Mnist) -> dict[str, str]:
    """Returns what decides a build's numbers, and where they were computed, as text.

    Returns:
        What `machine` returns; the versions of further packages; `preset`, `recipe`,
        `seeds` and `workers`; `images`, 32 digits of a SHA-256 of images and labels;
        and `first run`, the key in the store of the baseline's first run.
    """
    preset = get_preset()
    task = Training(CAEConfig(), preset.recipe, preset.seeds[0])
    splits = (data.x_train, data.x_val, data.x_test)
    labels = (data.y_train, data.y_val, data.y_test)
    return {
        **machine(),
        **{package: version(package) for package in FURTHER},
        "preset": preset.name,
        "recipe": str(preset.recipe),
        "seeds": ", ".join(map(str, preset.seeds)),
        "workers": str(number_of_workers()),
        "images": fingerprint(*splits, *labels)[:32],
        "first run": task_key(task, data),
    }

"""What is in the store, run by run."""

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.experiments import BEYOND, EXPERIMENTS, configurations
from cae_keras.study.keys import task_key
from cae_keras.study.store import Store
from cae_keras.study.tasks import Measuring, Training

COLUMNS = ("bce", "excess_bce", "mse", "psnr", "ssim", "read", "parameters", "macs")


def report(store: Store, data: Mnist) -> list[dict]:
    """Returns one row a run, of whatever recipe and seed, with what was measured on it.

    Args:
        store: Where the runs are.
        data: The images of today: a run of other images, other code or other packages
            is not `valid`, and will not be used again.

    Returns:
        Rows of what was asked, `val_bce`, `seconds`, `device`, the measures (None where
        nothing was measured, or by other code), `valid`, and the `history`.
    """
    named = configurations(*EXPERIMENTS, *BEYOND)
    names = {config: name for name, config in named.items()}
    measures, runs = {}, []
    for key, about in store.entries():
        asked = about["asked"]
        if about["kind"] == "run" and (task := _training(asked)):
            runs.append((key, task, about))
        elif key == task_key(Measuring(None, None), data, asked):
            measures[asked["run"]] = about["values"]
    rows = [
        _row(key, task, about, names, measures.get(about["digest"], {}), data)
        for key, task, about in runs
    ]
    return sorted(rows, key=lambda row: (row["name"], row["epochs"], row["seed"]))


def _training(asked: dict) -> Training | None:
    """Returns what was asked, or None if another version asked it in other words."""
    try:
        config, recipe = CAEConfig(**asked["config"]), Recipe(**asked["recipe"])
        return Training(config, recipe, asked["seed"])
    except (KeyError, TypeError, ValueError):
        return None


def _row(key, task: Training, about, names: dict, measures: dict, data: Mnist) -> dict:
    config, recipe, history = task.config, task.recipe, about["values"]
    return {
        "name": names.get(config, ""),
        "filters": "-".join(map(str, config.filters)),
        "latent_dim": config.latent_dim,
        "batch_norm": config.batch_norm,
        "activation": config.activation,
        "images": recipe.images,
        "epochs": recipe.epochs,
        "peak_rate": recipe.peak_learning_rate,
        "seed": task.seed,
        "val_bce": history["val_loss"][-1],
        "seconds": sum(history["seconds"]),
        "device": about["device"],
        **{name: measures.get(name) for name in COLUMNS},
        "valid": task_key(task, data) == key,
        "history": history,
    }

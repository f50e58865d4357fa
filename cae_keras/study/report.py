"""What is in the store, run by run."""

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist
from cae_keras.experiments import BEYOND, EXPERIMENTS, configurations
from cae_keras.study.keys import task_key
from cae_keras.study.store import Store
from cae_keras.study.tasks import Measuring, Training

COLUMNS = ("bce", "excess_bce", "mse", "psnr", "ssim", "read", "parameters", "macs")


def report(data: Mnist) -> list[dict]:
    """Returns one row a run, of whatever recipe and seed, with what was measured on it.

    A run of other images, code or packages than today's is not `valid`, and will not
    be used again. Measures are None where nothing was measured, or by other code.
    """
    named = configurations(*EXPERIMENTS, *BEYOND)
    names = {config: name for name, config in named.items()}
    rows, measures = [], {}
    for key, about in Store().entries():
        asked, values = about["asked"], about["values"]
        if about["kind"] == "run" and (task := _training(asked)):
            config, recipe = task.config, task.recipe
            row = {
                "name": names.get(config, ""),
                "filters": "-".join(map(str, config.filters)),
                "latent_dim": config.latent_dim,
                "batch_norm": config.batch_norm,
                "activation": config.activation,
                "images": recipe.images,
                "epochs": recipe.epochs,
                "optimizer": recipe.optimizer,
                "peak_rate": recipe.peak_learning_rate,
                "seed": task.seed,
                "val_bce": values["val_loss"][-1],
                "seconds": sum(values["seconds"]),
                "device": about["device"],
                **dict.fromkeys(COLUMNS),
                "valid": task_key(task, data) == key,
                "history": values,
            }
            rows.append((about["digest"], row))
        elif key == task_key(Measuring(None, None), data, asked):
            measures[asked["run"]] = {name: values.get(name) for name in COLUMNS}
    rows = [row | measures.get(run, {}) for run, row in rows]
    return sorted(rows, key=lambda row: (row["name"], row["epochs"], row["seed"]))


def _training(asked: dict) -> Training | None:
    """Returns what was asked, or None if another version asked it in other words."""
    try:
        config, recipe = CAEConfig(**asked["config"]), Recipe(**asked["recipe"])
        return Training(config, recipe, asked["seed"])
    except (KeyError, TypeError, ValueError):
        return None

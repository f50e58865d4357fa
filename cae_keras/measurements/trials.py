"""A network's losses alone: what many small comparisons need of it."""

from dataclasses import replace

import numpy as np

from cae_keras.data import Mnist
from cae_keras.metrics import bce, bce_floor
from cae_keras.training import Run, pinned

WATCHED = 64  # of the validation images, while it learns: nobody looks at its curve


def watched(data: Mnist) -> Mnist:
    """Returns the data with few validation images, for the training itself."""
    few = {"x_val": data.x_val[:WATCHED], "y_val": data.y_val[:WATCHED]}
    return replace(data, **few)


def losses(run: Run, data: Mnist) -> dict[str, float]:
    """Returns the BCE of a run, and that above the floor, in nats a pixel.

    On test images they are called `bce` and `excess_bce`, on validation images
    `val_bce` and `val_excess_bce`. What has diverged has infinite ones.
    """
    values = {}
    with pinned():
        for split, x in (("", data.x_test), ("val_", data.x_val)):
            x_hat = run.reconstruct(x)
            loss = bce(x, x_hat) if np.isfinite(x_hat).all() else np.inf
            values[f"{split}bce"] = float(loss)
            values[f"{split}excess_bce"] = float(loss - bce_floor(x))
    return values

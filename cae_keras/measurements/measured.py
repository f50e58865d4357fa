"""All that is measured of one run: its reconstructions, its curve, its costs."""

import numpy as np

from cae_keras.images import to_float
from cae_keras.measurements.cost import cost
from cae_keras.measurements.curves import last_gain, roughness
from cae_keras.measurements.reader import Reader
from cae_keras.measurements.sharpness import sharpness
from cae_keras.metrics import bce_floor, quality
from cae_keras.training import Run, pinned


def measure_run(
    run: Run, reader: Reader, x: np.ndarray, y: np.ndarray, x_val: np.ndarray
) -> dict[str, float]:
    """Measures a run on images and their labels, as `measure` lists it, on one thread.

    The floor of its curve is that of the images it was validated on.
    """
    with pinned():
        x = to_float(x)
        x_hat = run.reconstruct(x)
        curve = run.history["val_loss"], bce_floor(x_val)
        epochs = run.history["epoch"]
        values = {
            **quality(x, x_hat),
            "sharpness": sharpness(x, x_hat),
            "read": reader.share_right(x_hat, y),
            "roughness": roughness(*curve),
            "last_gain": last_gain(*curve, epochs),
            "epochs": epochs[-1],
            "seconds": sum(run.history["seconds"]),
            **cost(run.config),
        }
    return {name: float(value) for name, value in values.items()}

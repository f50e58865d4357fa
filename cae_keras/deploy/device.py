"""What computes: the processor, or a graphics card by its name."""

import keras
import torch


def device() -> str:
    """Returns where Keras computes, such as `"cpu"` or `"cuda: NVIDIA L4"`."""
    where = keras.ops.zeros(1).device
    if where.type != "cuda":
        return where.type
    return f"cuda: {torch.cuda.get_device_name(where)}"

"""A trained network as files that run without this package: Keras' own, and ONNX."""

import os
import warnings
from collections.abc import Callable

import keras
import numpy as np
import torch

from cae_keras.training import BATCH


def save_onnx(model: keras.Model, path: str | os.PathLike):
    """Writes a model as an ONNX file that takes any number of images.

    Args:
        model: What `fold_batch_norm` returns, or its encoder or decoder. (Keras 3.15.1
            fails at a `BatchNormalization`.)
        path: The file to write.

    Example:
        >>> import tempfile
        >>> images = keras.Input((28, 28, 1))
        >>> model = keras.Model(images, layers.Flatten()(images))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_onnx(model, f"{folder}/flat.onnx")
        ...     load_onnx(f"{folder}/flat.onnx")(np.zeros((2, 28, 28, 1), "f4")).shape
        (2, 784)
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: shapes that are the same anyway
        model(keras.ops.zeros((1, *model.input_shape[1:])))  # or Keras refuses
        model.export(path, format="onnx", verbose=False)


def load_onnx(path: str | os.PathLike) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what an ONNX file computes, as a function; ONNX Runtime, on one thread.

    Args:
        path: A file with one input and one output, float32, as `save_onnx` writes it.

    Raises:
        ValueError: If there is no ONNX file.
    """
    import onnxruntime  # here: no other page needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has a class for each of many
        raise ValueError(
            f"path={str(path)!r}: it must be an ONNX file ({error})"
        ) from error
    name = session.get_inputs()[0].name

    def compute(inputs: np.ndarray) -> np.ndarray:
        blocks = (inputs[i : i + BATCH] for i in range(0, len(inputs), BATCH))
        return np.concatenate([session.run(None, {name: x})[0] for x in blocks])

    return compute

"""A trained network as a file for others: of Keras, or ONNX with 32 or 8 bits."""

import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import torch

from cae_keras.config import is_int
from cae_keras.training import BATCH

LARGEST = 127  # of an int8; −128 is left out, so that both signs reach equally far
OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1}  # which axis of the weights
OPSET = 17  # of ONNX: ONNX Runtime 1.15 knows it; the exporter's own choice grows
NEWER = {  # arguments that Keras has got since 3.11, and what each is by default
    "input_axes": None, "output_axes": None, "quantization_config": None,
    "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99,
}  # fmt: skip


def save_keras(model: keras.Model, path: str | os.PathLike):
    """Writes a model as a `.keras` file that Keras 3.11.0 and all later ones can read.

    `model.save` names arguments that older versions do not know, and so refuse. Here
    they are left out. Before 3.11 no layer takes a side of 4 to one of 7.

    Raises:
        ValueError: If such an argument is not what it is by default, or the path does
            not end in `.keras`.

    Example:
        >>> images = keras.Input((28, 28, 1))
        >>> model = keras.Model(images, keras.layers.Flatten()(images))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_keras(model, f"{folder}/flat.keras")
        ...     keras.saving.load_model(f"{folder}/flat.keras").output_shape
        (None, 784)
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"path={str(path)!r}: it must end in .keras")
    with tempfile.TemporaryDirectory() as folder:
        model.save(whole := Path(folder) / "model.keras")
        with zipfile.ZipFile(whole) as file:
            parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"], object_hook=_without_newer)
    parts["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)


def _without_newer(config: dict) -> dict:
    for name, default in NEWER.items():
        if (value := config.pop(name, default)) != default:
            raise ValueError(
                f"{name}={value!r}: it must be {default!r}, as Keras 3.11 knows no "
                "other; `model.save` keeps it, for newer ones"
            )
    return config


def save_onnx(model: keras.Model, path: str | os.PathLike):
    """Writes a model as an ONNX file that takes any number of images.

    ONNX Runtime opens it from version 1.15 on.

    Example:
        >>> images = keras.Input((28, 28, 1))
        >>> model = keras.Model(images, keras.layers.Flatten()(images))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_onnx(model, f"{folder}/flat.onnx")
        ...     load_onnx(f"{folder}/flat.onnx")(np.zeros((2, 28, 28, 1), "f4")).shape
        (2, 784)
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: shapes that are the same anyway
        model(keras.ops.zeros((1, *model.input_shape[1:])))  # or Keras refuses
        model.export(path, format="onnx", verbose=False, opset_version=OPSET)


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
        if len(inputs) == 0:
            raise ValueError(f"inputs has shape {inputs.shape}: it must have some")
        blocks = (inputs[i : i + BATCH] for i in range(0, len(inputs), BATCH))
        return np.concatenate([session.run(None, {name: x})[0] for x in blocks])

    return compute


def quantise_weights(weights: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights as int8 codes, and the scale of each output along `axis`.

    The largest weight of an output becomes ±127; code · scale is the weight again, but
    for at most half a scale: Krishnamoorthi (2018), arXiv:1806.08342, sections 2.2
    (symmetric) and 3.1 (weights alone, a scale for each channel).
    """
    weights = np.asarray(weights, np.float32)
    if not np.isfinite(weights).all():
        raise ValueError("weights holds NaN or infinity: all must be finite")
    if not is_int(axis) or not 0 <= axis < weights.ndim:
        raise ValueError(
            f"axis={axis!r}: it must be an axis of weights, 0 to {weights.ndim - 1}"
        )
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scale = abs(weights).max(axis=others, keepdims=True) / np.float32(LARGEST)
    scale[scale == 0] = 1  # an output whose weights are all 0 keeps them
    return np.rint(weights / scale).astype(np.int8), scale


def save_int8(source: str | os.PathLike, target: str | os.PathLike):
    """Writes a file of `save_onnx` again, with the weights of all its layers as int8.

    Whoever loads it needs nothing special: before each layer, a cast and a product make
    float32 of its codes, and a runtime does that once. Biases, and all arithmetic, stay
    float32. (With `DequantizeLinear` for both, ONNX Runtime would round the inputs of
    dense layers too.)

    Raises:
        ValueError: If the source is no ONNX file.
    """
    import onnx  # here: no other page needs it
    from google.protobuf.message import DecodeError
    from onnx import helper, numpy_helper

    try:
        model, float32 = onnx.load(source), onnx.TensorProto.FLOAT
    except (OSError, DecodeError) as error:
        raise ValueError(
            f"source={str(source)!r}: it must be an ONNX file ({error})"
        ) from error
    graph, nodes = model.graph, []
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in OUTPUTS:
            weights = stored[node.input[1]]
            name, axis = weights.name, OUTPUTS[node.op_type]
            arrays = quantise_weights(numpy_helper.to_array(weights), axis)
            names = (f"{name}_codes", f"{name}_scale")
            graph.initializer.remove(weights)
            graph.initializer.extend(map(numpy_helper.from_array, arrays, names))
            cast = helper.make_node("Cast", names[:1], [f"{name}_cast"], to=float32)
            nodes += [cast, helper.make_node("Mul", [*cast.output, names[1]], [name])]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)

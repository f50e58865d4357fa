"""A trained network as files that run without this package: Keras' own, and ONNX."""

import os
import warnings
from collections.abc import Callable, Iterator

import keras
import numpy as np
import torch
from keras import layers

from cae_keras.batch_norm import fold_batch_norm
from cae_keras.layers import KERAS
from cae_keras.runs import BATCH, Run

NAMES = [kind.__name__ for kind in KERAS]


def portable(run: Run) -> keras.Model:
    """Returns the trained autoencoder made of nothing but Keras' own layers.

    Batch normalisation is folded into the convolutions, and each layer of this package
    gives its weights to the layer of Keras that it is a faster form of.

    Args:
        run: The trained network.

    Returns:
        A `keras.Model` named `autoencoder` with the parts `encoder` and `decoder`. Its
        `.keras` file loads wherever Keras does.

    Example:
        >>> from cae_keras.config import CAEConfig, Recipe
        >>> from cae_keras.models import build_autoencoder
        >>> config = CAEConfig(filters=(4,), latent_dim=2, batch_norm=True)
        >>> weights = build_autoencoder(config).get_weights()
        >>> run = Run(config, Recipe(), seed=0, history={}, weights=weights)
        >>> decoder = portable(run).get_layer("decoder")
        >>> [type(layer).__name__ for layer in decoder.layers]
        ['InputLayer', 'Dense', 'Reshape', 'Conv2DTranspose', 'Activation']
    """
    folded = fold_batch_norm(run)
    encoder, decoder = (
        keras.models.clone_model(folded.get_layer(part), clone_function=_of_keras)
        for part in ("encoder", "decoder")
    )
    images = keras.Input(encoder.input_shape[1:], name="images")
    model = keras.Model(images, decoder(encoder(images)), name="autoencoder")
    model.set_weights(folded.get_weights())
    return model


def _of_keras(layer: layers.Layer) -> layers.Layer:
    return KERAS.get(type(layer), type(layer)).from_config(layer.get_config())


def save_onnx(model: keras.Model, path: str | os.PathLike):
    """Writes a model as an ONNX file that takes any number of images.

    Args:
        model: What `portable` returns, or its encoder or decoder.
        path: The file to write.

    Raises:
        ValueError: If the model holds layers of this package, not of Keras.

    Example:
        >>> import tempfile
        >>> images = keras.Input((28, 28, 1))
        >>> model = keras.Model(images, layers.Flatten()(images))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_onnx(model, f"{folder}/flat.onnx")
        ...     load_onnx(f"{folder}/flat.onnx")(np.zeros((2, 28, 28, 1), "f4")).shape
        (2, 784)
    """
    ours = sorted({type(layer).__name__ for layer in _layers(model)} & set(NAMES))
    if ours:
        raise ValueError(
            f"model={model.name!r} holds {', '.join(ours)}: pass portable(run)"
        )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: shapes that are the same anyway
        model(keras.ops.zeros((1, *model.input_shape[1:])))  # or Keras refuses
        model.export(path, format="onnx", verbose=False)


def _layers(model: keras.Model) -> Iterator[layers.Layer]:
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else [layer]


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

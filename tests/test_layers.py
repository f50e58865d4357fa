"""Our convolutions, down and up, give what Keras' own give, forwards and backwards."""

import keras
import numpy as np
import pytest
import torch

from cae_keras.fast import KERAS, Downsample, Upsample

CASES = [  # kind, filters, kernel, side before and after: those that networks use
    (Downsample, 5, 4, 28, 14),
    (Downsample, 5, 4, 14, 7),
    (Downsample, 5, 3, 7, 4),
    (Downsample, 5, 4, 4, 2),
    (Downsample, 1, 4, 2, 1),
    (Upsample, 1, 4, 14, 28),
    (Upsample, 5, 4, 7, 14),
    (Upsample, 5, 3, 4, 7),
    (Upsample, 1, 3, 4, 7),
    (Upsample, 1, 4, 1, 2),
]


def both(kind, filters, kernel_size, side):
    """Returns the two layers with the same weights, and an input."""
    settings = {"strides": 2, "padding": "same"}
    if kernel_size == 3 and kind is Upsample:
        settings["output_padding"] = 0
    ours = kind(filters, kernel_size, **settings)
    theirs = KERAS[kind](filters, kernel_size, **settings)
    x = np.random.default_rng(0).normal(size=(3, side, side, 6)).astype("float32")
    theirs.build(x.shape)
    ours.build(x.shape)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=w.shape).astype("float32") for w in theirs.get_weights()]
    for layer in (ours, theirs):
        layer.set_weights(weights)
    return ours, theirs, x


@pytest.mark.parametrize("kind, filters, kernel_size, side, after", CASES)
def test_outputs_and_gradients_are_those_of_keras(
    kind, filters, kernel_size, side, after
):
    *layers, x = both(kind, filters, kernel_size, side)
    found = []
    for layer in layers:
        images = torch.tensor(x, requires_grad=True)
        y = layer(images)
        assert y.shape == (3, after, after, filters)
        (y * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
        gradients = [weight.value.grad for weight in layer.trainable_weights]
        found.append([y.detach(), images.grad, *gradients])
    for ours, theirs in zip(*found, strict=True):
        assert np.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_it_is_saved_and_loaded_by_its_name(tmp_path):
    inputs = keras.Input((7, 7, 6))
    outputs = Upsample(1, 4, strides=2, padding="same", name="last")(inputs)
    model, path = keras.Model(inputs, outputs), tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    x = np.ones((2, 7, 7, 6), "float32")
    assert type(again.get_layer("last")) is Upsample
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))

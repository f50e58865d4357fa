"""Codes against torch's own quantisation, and the file against Keras with the weights of the codes."""

import keras
import numpy as np
import onnx
import pytest
import torch
from keras import layers
from onnx import numpy_helper

from cae_keras.config import CAEConfig, Recipe
from cae_keras.deploy.export import load_onnx, portable, save_onnx
from cae_keras.deploy.int8 import quantise_weights, save_int8
from cae_keras.images import to_float
from cae_keras.training import train

SHAPE = (5, 4, 3, 6)
CONFIG = CAEConfig((4, 6, 5), latent_dim=4, batch_norm=True, activation="leaky_relu")


def by_torch(weights, axis):
    """The weights after their way through int8, as torch computes it."""
    w = torch.tensor(weights)
    scale = w.movedim(axis, 0).flatten(1).abs().amax(1) / 127
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(
        w, scale, zeros, axis, -127, 127
    ).numpy()


@pytest.fixture(scope="module")
def model(tiny):
    recipe = Recipe(images=200, epochs=2, batch_size=16)
    return portable(train(CONFIG, recipe, 0, tiny))


@pytest.fixture(scope="module")
def paths(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    save_onnx(model, folder / "float32.onnx")
    save_int8(folder / "float32.onnx", folder / "int8.onnx")
    return folder / "float32.onnx", folder / "int8.onnx"


class TestWeights:
    @pytest.mark.parametrize("axis", [0, 1, 2, 3])
    def test_equals_torch(self, axis):
        weights = np.random.default_rng(0).normal(0, 0.2, SHAPE).astype("f4")
        codes, scale = quantise_weights(weights, axis)
        assert (codes.dtype, scale.dtype) == (np.int8, np.float32)
        assert scale.shape == tuple(n if i == axis else 1 for i, n in enumerate(SHAPE))
        np.testing.assert_allclose(codes * scale, by_torch(weights, axis), atol=1e-7)
        assert (abs(codes * scale - weights) <= scale * 0.5001).all()
        others = tuple({0, 1, 2, 3} - {axis})
        assert (abs(codes).max(axis=others) == 127).all()

    def test_an_output_of_zeros_keeps_them(self):
        codes, scale = quantise_weights(np.array([[0.0, 1.0], [0.0, -2.0]]), axis=1)
        assert codes.tolist() == [[0, 64], [0, -127]]
        assert np.isfinite(scale).all()

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_refuses_what_is_not_finite(self, bad):
        with pytest.raises(ValueError, match="weights holds NaN or infinity"):
            quantise_weights(np.array([[1.0, bad]]), axis=1)


class TestFile:
    def test_equals_keras_with_the_weights_of_the_codes(self, model, paths, tiny):
        images, rounded = to_float(tiny.x_test), keras.models.clone_model(model)
        rounded.set_weights(model.get_weights())
        outputs = {layers.Conv2D: 3, layers.Conv2DTranspose: 2, layers.Dense: 1}
        for part in ("encoder", "decoder"):
            for layer in rounded.get_layer(part).layers:
                if layer.weights:
                    kernel, bias = layer.get_weights()
                    axis = outputs[type(layer)]
                    layer.set_weights([by_torch(kernel, axis), bias])
        found = load_onnx(paths[1])(images)
        assert abs(found - rounded.predict(images, verbose=0)).max() < 1e-5
        assert abs(found - model.predict(images, verbose=0)).max() > 1e-5

    def test_every_weight_but_the_biases_has_8_bits(self, model, paths):
        stored = [
            numpy_helper.to_array(t) for t in onnx.load(paths[1]).graph.initializer
        ]
        codes = sum(array.size for array in stored if array.dtype == np.int8)
        kernels = [w for w in model.get_weights() if w.ndim > 1]
        assert codes == sum(kernel.size for kernel in kernels)
        floats = sum(array.size for array in stored if array.dtype == np.float32)
        biases = sum(w.size for w in model.get_weights() if w.ndim == 1)
        assert floats == 2 * biases  # a scale for each output, as many as biases

    def test_is_sound_and_smaller_by_three_bytes_a_weight(self, model, paths):
        onnx.checker.check_model(paths[1], full_check=True)
        before, after = (path.stat().st_size for path in paths)
        kernels = sum(w.size for w in model.get_weights() if w.ndim > 1)
        assert 0 < 3 * kernels - (before - after) < 2_000  # scales, names and nodes

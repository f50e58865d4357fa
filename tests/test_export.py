"""The files against the network they were made from, also where this package is not; int8 codes against torch's own."""

import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import torch
from keras import layers
from onnx import numpy_helper
from PIL import Image

from cae_keras.config import CAEConfig, Recipe
from cae_keras.deploy.export import (
    NEWER,
    load_onnx,
    quantise_weights,
    save_int8,
    save_keras,
    save_onnx,
)
from cae_keras.images import to_float
from cae_keras.measurements.batch_norm import fold_batch_norm
from cae_keras.training import Run, train

ROOT = Path(__file__).parents[1]
SHAPE = (5, 4, 3, 6)
CONFIG = CAEConfig((4, 6, 5), latent_dim=4, batch_norm=True, activation="leaky_relu")
ONE_OF_EACH = [
    CAEConfig((3,), latent_dim=3),
    CAEConfig((3, 2), latent_dim=2, batch_norm=True),
    CAEConfig((3, 2, 4), latent_dim=3, activation="leaky_relu"),
    CAEConfig((3, 2, 4, 2), latent_dim=3, batch_norm=True, activation="leaky_relu"),
]


@pytest.fixture(scope="module")
def run(tiny):
    return train(CONFIG, Recipe(images=200, epochs=2, batch_size=16), 0, tiny)


@pytest.fixture(scope="module")
def model(run):
    return fold_batch_norm(run)


@pytest.fixture(scope="module")
def images(tiny):
    return to_float(tiny.x_test)


@pytest.fixture(scope="module")
def paths(model, tmp_path_factory):
    paths = [tmp_path_factory.mktemp("onnx") / f"{bits}.onnx" for bits in (32, 8)]
    save_onnx(model, paths[0])
    save_int8(*paths)
    return paths


def with_any_weights(config):
    """A run whose every weight differs from its first value, variances positive."""
    rng, run = np.random.default_rng(0), Run.untrained(config)
    signs = [rng.choice([-1, 1], w.shape) if w.ndim > 1 else 1 for w in run.weights]
    weights = [rng.uniform(0.1, 0.5, w.shape) for w in run.weights]
    weights = [(w * s).astype("f4") for w, s in zip(weights, signs, strict=True)]
    return Run(config, run.recipe, 0, {}, tuple(weights))


class TestOnnx:
    @pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
    def test_equals_keras_for_every_kind_of_network(self, config, images, tmp_path):
        run = with_any_weights(config)
        for model in (run.autoencoder, fold_batch_norm(run)):
            save_onnx(model, tmp_path / "model.onnx")
            found = load_onnx(tmp_path / "model.onnx")(images)
            assert np.ptp(found) > 0.2
            by_keras = run.autoencoder.predict(images, verbose=0)
            assert abs(found - by_keras).max() < 1e-5
            assert abs(model.predict(images, verbose=0) - by_keras).max() < 1e-5

    def test_takes_any_number_of_images_and_many_in_blocks(self, paths, run, mnist):
        images = to_float(mnist.x_test[:1001])
        compute, wanted = load_onnx(paths[0]), run.reconstruct(images)
        with pytest.raises(ValueError, match=r"inputs has shape \(0, 28, 28, 1\)"):
            compute(images[:0])
        for n in (1, 7, 1001):
            assert abs(compute(images[:n]) - wanted[:n]).max() < 1e-5

    def test_its_parts_encode_and_decode(self, run, model, images, tmp_path):
        for part in ("encoder", "decoder"):
            save_onnx(model.get_layer(part), tmp_path / part)
        latents = load_onnx(tmp_path / "encoder")(images)
        np.testing.assert_allclose(latents, run.encode(images), atol=1e-5, rtol=1e-5)
        found = load_onnx(tmp_path / "decoder")(latents)
        assert abs(found - run.reconstruct(images)).max() < 1e-5

    def test_stands_alone_and_says_nothing(self, model, tmp_path, capfd):
        """A page shows what its cell prints; the exporter would warn of its tracing."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            save_onnx(model, tmp_path / "model.onnx")
            load_onnx(tmp_path / "model.onnx")
        assert caught == []
        assert capfd.readouterr() == ("", "")
        assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]


BY_KERAS = """
import keras
found = keras.saving.load_model("model.keras").predict(images, verbose=0)
"""
BY_ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
(found,) = session.run(None, {session.get_inputs()[0].name: images})
"""


class TestOldReaders:
    def test_what_is_left_out_changes_nothing_here(self, run, images, tmp_path):
        for model in (run.autoencoder, fold_batch_norm(run)):
            save_keras(model, tmp_path / "model.keras")
            found = keras.saving.load_model(tmp_path / "model.keras")
            assert found.to_json() == model.to_json()
            with zipfile.ZipFile(tmp_path / "model.keras") as file:
                config = file.read("config.json").decode()
            assert not [name for name in NEWER if name in config]
            wanted = model.predict(images, verbose=0)
            np.testing.assert_array_equal(found.predict(images, verbose=0), wanted)

    @pytest.mark.long
    @pytest.mark.parametrize("script, packages", [(BY_KERAS, ["keras==3.11.0"]), (BY_ONNX, ["onnxruntime==1.15.0", "numpy==1.26.4"])])  # fmt: skip
    def test_the_oldest_gives_the_same_numbers(self, run, model, images, tmp_path, script, packages):  # fmt: skip
        """It is installed into a folder that goes before all that is here."""
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--target"]
        done = subprocess.run([*pip, tmp_path / "old", *packages], capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode:
            pytest.skip(f"not to be had: {done.stderr.strip().splitlines()[-1]}")
        np.save(tmp_path / "images.npy", images)
        script = f"import numpy\nimages = numpy.load('images.npy')\n{script}\nnumpy.save('found.npy', found)"
        for network in (run.autoencoder, model):
            save_keras(network, tmp_path / "model.keras")
            save_onnx(model, tmp_path / "model.onnx")
            done = subprocess.run(
                [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
                env={"KERAS_BACKEND": "torch", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "old")},
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            wanted = model.predict(images, verbose=0)
            assert abs(np.load(tmp_path / "found.npy") - wanted).max() < 1e-5


def by_torch(weights, axis):
    """The weights after their way through int8, as torch computes it."""
    w = torch.tensor(weights)
    scale = w.movedim(axis, 0).flatten(1).abs().amax(1) / 127
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(w, scale, zeros, axis, -127, 127).numpy()  # fmt: skip


class TestInt8:
    @pytest.mark.parametrize("axis", range(4))
    def test_codes_are_those_of_torch_and_use_all_of_an_int8(self, axis):
        weights = np.random.default_rng(axis).normal(size=SHAPE).astype("f4")
        codes, scale = quantise_weights(weights, axis)
        assert codes.dtype == np.int8
        np.testing.assert_allclose(codes * scale, by_torch(weights, axis), atol=1e-6)
        others = tuple({0, 1, 2, 3} - {axis})
        assert (abs(codes).max(axis=others) == 127).all()

    def test_an_output_of_zeros_keeps_them(self):
        codes, _ = quantise_weights(np.array([[0.0, 1.0], [0.0, -2.0]]), axis=1)
        assert codes.tolist() == [[0, 64], [0, -127]]

    def test_the_file_equals_keras_with_the_weights_of_the_codes(self, model, paths, images):  # fmt: skip
        rounded = keras.models.clone_model(model)
        rounded.set_weights(model.get_weights())
        outputs = {layers.Conv2D: 3, layers.Conv2DTranspose: 2, layers.Dense: 1}
        for part in ("encoder", "decoder"):
            for layer in rounded.get_layer(part).layers:
                if layer.weights:
                    kernel, bias = layer.get_weights()
                    layer.set_weights([by_torch(kernel, outputs[type(layer)]), bias])
        found = load_onnx(paths[1])(images)
        assert abs(found - rounded.predict(images, verbose=0)).max() < 1e-5
        assert abs(found - model.predict(images, verbose=0)).max() > 1e-5

    def test_every_weight_but_the_biases_has_8_bits(self, model, paths):
        for path in paths:
            onnx.checker.check_model(path, full_check=True)
        graph = onnx.load(paths[1]).graph
        stored = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
        sizes = {kind: sum(a.size for a in stored if a.dtype == kind) for kind in (np.int8, np.float32)}  # fmt: skip
        kernels = sum(w.size for w in model.get_weights() if w.ndim > 1)
        biases = sum(w.size for w in model.get_weights() if w.ndim == 1)
        assert sizes == {np.int8: kernels, np.float32: 2 * biases}  # and a scale each
        before, after = (path.stat().st_size for path in paths)
        assert 0 < 3 * kernels - (before - after) < 2_000  # scales, names and nodes


def test_the_snippet_of_the_readme(run, model, tiny, tmp_path):
    """In a folder of its own and a process without this package: Keras and Pillow are all it needs."""
    section = (ROOT / "README.md").read_text("utf-8").split("\n## Use the trained")[1]
    snippet = re.search(r"```python\n(.*?)```", section, re.S)[1]
    save_keras(model, tmp_path / "tradeoff.keras")
    Image.fromarray(tiny.x_test[0, :, :, 0]).save(tmp_path / "digit.png")
    script = f"""{snippet}
import numpy, sys
assert "cae_keras" not in sys.modules
numpy.savez("found.npz", digit=digit, reconstruction=reconstruction)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True,
        env={"KERAS_BACKEND": "torch", "HOME": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    wanted = run.reconstruct(found["digit"])
    assert abs(found["reconstruction"] - wanted).max() < 1e-5

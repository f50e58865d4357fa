"""The files against the network they were made from, and in a process that knows nothing of this package."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from PIL import Image

from cae_keras.config import CAEConfig, Recipe
from cae_keras.deploy.export import load_onnx, portable, save_onnx
from cae_keras.images import to_float
from cae_keras.models import build_autoencoder
from cae_keras.training import Run, train

ROOT = Path(__file__).parents[1]
CONFIG = CAEConfig((4, 6, 5), latent_dim=4, batch_norm=True, activation="leaky_relu")


@pytest.fixture(scope="module")
def run(tiny):
    return train(CONFIG, Recipe(images=200, epochs=2, batch_size=16), 0, tiny)


@pytest.fixture(scope="module")
def images(tiny):
    return to_float(tiny.x_test)


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    save_onnx(portable(run), path)
    return path


def all_layers(model):
    for layer in model.layers:
        yield from all_layers(layer) if isinstance(layer, keras.Model) else [layer]


def with_any_weights(config):
    """A run whose every weight differs from its initial value, variances positive."""
    rng = np.random.default_rng(0)
    shapes = [w.shape for w in build_autoencoder(config).get_weights()]
    weights = tuple(rng.uniform(0.1, 0.5, shape).astype("f4") for shape in shapes)
    signs = [rng.choice([-1, 1], s) if len(s) > 1 else 1 for s in shapes]
    weights = tuple((w * s).astype("f4") for w, s in zip(weights, signs, strict=True))
    return Run(config, Recipe(), 0, {}, weights)


class TestPortable:
    @pytest.mark.parametrize("batch_norm", [False, True])
    @pytest.mark.parametrize("filters", [(3,), (3, 2), (3, 2, 4), (3, 2, 4, 2)])
    def test_equals_the_network_at_every_depth(self, filters, batch_norm, images):
        run = with_any_weights(CAEConfig(filters, latent_dim=3, batch_norm=batch_norm))
        found = portable(run).predict(images, verbose=0)
        assert np.ptp(found) > 0.2
        assert abs(found - run.reconstruct(images)).max() < 1e-5

    def test_equals_the_trained_network_with_the_layers_of_keras(self, run, images):
        model = portable(run)
        assert {type(x).__module__.split(".")[0] for x in all_layers(model)} == {
            "keras"
        }
        kinds = [type(x) for x in all_layers(model)]
        assert layers.BatchNormalization not in kinds
        assert kinds.count(layers.Conv2DTranspose) == 3
        found = model.predict(images, verbose=0)
        assert abs(found - run.reconstruct(images)).max() < 1e-5

    def test_its_parts_encode_and_decode(self, run, images):
        model = portable(run)
        latents = model.get_layer("encoder").predict(images, verbose=0)
        np.testing.assert_allclose(latents, run.encode(images), atol=1e-5, rtol=1e-5)
        found = model.get_layer("decoder").predict(latents, verbose=0)
        assert abs(found - run.reconstruct(images)).max() < 1e-5


class TestOnnx:
    @pytest.mark.parametrize("n", [1, 7, 50])
    def test_equals_keras_for_any_number_of_images(self, path, run, images, n):
        found = load_onnx(path)(images[:n])
        assert found.shape == (n, 28, 28, 1)
        assert abs(found - run.reconstruct(images[:n])).max() < 1e-5

    def test_goes_through_many_images_in_blocks(self, path, run, mnist):
        images = to_float(mnist.x_test[:1001])
        assert abs(load_onnx(path)(images) - run.reconstruct(images)).max() < 1e-5

    def test_is_sound_and_stands_alone(self, path):
        onnx.checker.check_model(path, full_check=True)
        assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]

    def test_its_parts_encode_and_decode(self, run, images, tmp_path):
        for part in ("encoder", "decoder"):
            save_onnx(portable(run).get_layer(part), tmp_path / part)
        latents = load_onnx(tmp_path / "encoder")(images)
        np.testing.assert_allclose(latents, run.encode(images), atol=1e-5, rtol=1e-5)
        found = load_onnx(tmp_path / "decoder")(latents)
        assert abs(found - run.reconstruct(images)).max() < 1e-5

    def test_says_nothing(self, run, tmp_path, capfd):
        """A page shows what its cell prints; the exporter would warn of its tracing."""
        model = portable(run)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            save_onnx(model, tmp_path / "model.onnx")
            load_onnx(tmp_path / "model.onnx")
        assert caught == []
        assert capfd.readouterr() == ("", "")

    def test_refuses_what_the_exporter_does_not_know(self, run, tmp_path):
        said = r"model='autoencoder' holds .*Upsample: pass portable\(run\)"
        with pytest.raises(ValueError, match=said):
            save_onnx(run.autoencoder, tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())


def test_the_snippet_of_the_readme(run, tiny, tmp_path):
    """In a folder of its own and a process without this package: Keras is all it needs."""
    section = (ROOT / "README.md").read_text("utf-8").split("\n## Use the trained")[1]
    snippet = re.search(r"```python\n(.*?)```", section, re.S)[1]
    assert len([line for line in snippet.splitlines() if line]) == 5
    portable(run).save(tmp_path / "tradeoff.keras")
    Image.fromarray(tiny.x_test[0, :, :, 0]).save(tmp_path / "digit.png")
    script = f"""{snippet}
import importlib.util, numpy
assert importlib.util.find_spec("cae_keras") is None
numpy.savez("found.npz", latents=latents, reconstruction=reconstruction)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True,
        env={"KERAS_BACKEND": "torch", "HOME": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, digit = np.load(tmp_path / "found.npz"), tiny.x_test[:1]
    np.testing.assert_allclose(
        found["latents"], run.encode(digit), atol=1e-5, rtol=1e-5
    )
    assert abs(found["reconstruction"] - run.reconstruct(digit)).max() < 1e-5

"""Fair contenders: the same network in Keras, PyTorch and here, loops that learn, and a limit from counted operations."""

import json
import time
from pkgutil import resolve_name
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cae_keras import CAEConfig, bce, build_autoencoder, to_float
from cae_keras.bench import contenders, networks, speed
from cae_keras.bench.networks import stock_autoencoder, torch_autoencoder
from cae_keras.fast import binary_crossentropy
from cae_keras.measurements.cost import cost
from cae_keras.optimisers import FusedAdam, FusedMuon


class Enough(Exception):
    """Stops a training that has no end."""


@pytest.fixture
def digits(tiny):
    return contenders.whole_batches(tiny)


def only(steps):
    """Returns what to call after each step: it counts, and stops the training after so many."""
    done = []

    def step():
        done.append(1)
        if len(done) == steps:
            raise Enough

    return step


def as_torch(weights):
    """Returns Keras' weights as PyTorch has them: outputs first, channels before rows and columns."""
    kernels, biases = list(weights[::2]), list(weights[1::2])
    kernels[3] = kernels[3].reshape(4, 4, 64, 32).transpose(3, 2, 0, 1).reshape(32, -1)
    kernels[4] = kernels[4].reshape(32, 4, 4, 64).transpose(3, 1, 2, 0).reshape(-1, 32)
    biases[4] = biases[4].reshape(4, 4, 64).transpose(2, 0, 1).ravel()
    kernels = [k.transpose(3, 2, 0, 1) if k.ndim == 4 else k for k in kernels]
    return [torch.tensor(w) for pair in zip(kernels, biases, strict=True) for w in pair]


def test_with_the_same_weights_all_three_networks_give_the_same_images(mnist):
    images = to_float(mnist.x_test[:20])
    ours, stock, plain = build_autoencoder(), stock_autoencoder(), torch_autoencoder()
    rng = np.random.default_rng(0)  # biases too are not 0
    weights = [rng.normal(0, 0.1, w.shape).astype("f4") for w in ours.get_weights()]
    ours.set_weights(weights)
    stock.set_weights(weights)
    for parameter, weight in zip(plain.parameters(), as_torch(weights), strict=True):
        parameter.data = weight
    expected = ours.predict(images, verbose=0)
    assert expected.std() > 0.01
    found = plain(torch.from_numpy(images).movedim(-1, 1)).sigmoid().movedim(1, -1)
    assert np.allclose(expected, found.detach(), atol=1e-6)
    assert np.allclose(expected, stock.predict(images, verbose=0), atol=1e-6)


class TestLimit:
    @pytest.mark.parametrize("build", [build_autoencoder, stock_autoencoder])
    def test_counted_operations_are_those_of_the_formula_and_of_a_step_in_keras(self, build):  # fmt: skip
        """Two a multiply-accumulate; forwards, for the weights, for the inputs of all layers but the first."""
        formula = 2 * (3 * cost(CAEConfig())["macs"] - 14**2 * 4**2 * 1 * 32)
        assert networks.flops_per_image() == formula
        network, images = build(), torch.zeros((3, 28, 28, 1))
        with FlopCounterMode(display=False) as counter:
            binary_crossentropy(images, network(images)).backward()
        assert counter.get_total_flops() == 3 * formula

    def test_a_matrix_product_has_two_operations_for_each_of_n_cubed(self, monkeypatch):
        now = iter(range(100))
        clock = SimpleNamespace(perf_counter=lambda: next(now))  # a second a look
        monkeypatch.setattr(speed, "time", clock)
        assert speed.gemm_gflops(5, side=100) == pytest.approx(2 * 100**3 / 1e9)
        assert 5 < next(now) < 10


class TestContenders:
    @pytest.mark.parametrize(
        "name, kind, builder, memory_format",
        [
            ("stock_keras", keras.optimizers.Adam, "bench.contenders.stock_autoencoder", None),
            ("tutorial_torch", torch.optim.Adam, "bench.contenders.torch_autoencoder", None),
            *(("careful_torch", torch.optim.Adam, "bench.contenders.torch_autoencoder", one) for one in contenders.FORMATS),
            ("one_worker", FusedAdam, "training.build_autoencoder", None),
            ("book_recipe", FusedMuon, "training.build_autoencoder", None),
        ],
    )  # fmt: skip
    def test_each_learns_by_its_optimiser(self, name, kind, builder, memory_format, digits, monkeypatch):  # fmt: skip
        keras.utils.set_random_seed(0)
        kinds, make, builder = [], kind.__init__, f"cae_keras.{builder}"
        monkeypatch.setattr(kind, "__init__", lambda self, *args, **more: kinds.append(type(self).__name__) or make(self, *args, **more))  # fmt: skip
        networks, build = [], resolve_name(builder)
        monkeypatch.setattr(builder, lambda *args: networks.append(build(*args)) or networks[-1])  # fmt: skip
        monkeypatch.setattr(contenders, "faster_format", lambda x: memory_format)
        with pytest.raises(Enough):
            contenders.CONTENDERS[name](digits, only(40))
        assert kinds == [kind.__name__]
        x, (network,) = to_float(digits.x_train), networks
        images, plain = torch.from_numpy(x), kind is torch.optim.Adam
        found = network(images.movedim(-1, 1)).sigmoid().movedim(1, -1) if plain else network(images)  # fmt: skip
        assert bce(x, found.numpy(force=True)) < 0.35  # 0.69 at first

    def test_one_thread_is_one_thread(self, digits):
        seen, before = [], torch.get_num_threads()
        look = lambda: seen.append(torch.get_num_threads()) or only(1)()  # noqa: E731
        with pytest.raises(Enough):
            contenders.CONTENDERS["careful_torch_one_thread"](digits, look)
        assert seen == [1]
        assert torch.get_num_threads() == before

    @pytest.mark.parametrize("fast", contenders.FORMATS)
    def test_the_trial_finds_the_faster_format(self, fast, monkeypatch):
        def steps(x, memory_format):
            while True:
                time.sleep(0.0 if memory_format == fast else 0.01)
                yield

        monkeypatch.setattr(contenders, "careful_steps", steps)
        assert contenders.faster_format(None) == fast

    def test_an_image_is_transformed_as_to_tensor_does(self, tiny):
        images = contenders.Digits(tiny.x_train, tiny.y_train)
        image, label = images[7]
        assert image.shape == (1, 28, 28)
        assert image.dtype == torch.float32
        assert np.array_equal(image[0], tiny.x_train[7, :, :, 0] / np.float32(255))
        assert (label, len(images)) == (tiny.y_train[7], 300)

    def test_a_window_counts_whole_batches_after_the_warm_up(self, digits, monkeypatch, capsys):  # fmt: skip
        assert (len(digits.x_train), len(digits.x_val)) == (4 * contenders.BATCH, 1)
        clock = SimpleNamespace(at=0)  # two steps a second; the processor works 3/4
        clock.perf_counter, clock.process_time = lambda: clock.at / 2, lambda: clock.at * 3 / 8  # fmt: skip
        monkeypatch.setattr(contenders, "time", clock)
        window = contenders.window(warm_up=2.5, seconds=4)

        def without_end():
            while True:
                next(window)
                clock.at += 1

        with pytest.raises(SystemExit):
            without_end()
        assert clock.at == 5 + 8
        assert json.loads(capsys.readouterr().out) == [2 * contenders.BATCH, 0.75]

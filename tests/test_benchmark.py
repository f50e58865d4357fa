"""Costs that are measured: what is called, how often and in which order; sizes against formulas; no golden times."""

import itertools
import time

import numpy as np
import pytest
import torch

from cae_keras import CAEConfig, Recipe, Run, medians
from cae_keras.compare.tables import SIZES, SPEED
from cae_keras.deploy import benchmark, latency
from cae_keras.deploy import memory as footprint
from cae_keras.deploy.machine import machine
from cae_keras.deploy.memory import peak_memory, saved_bytes
from cae_keras.measurements.cost import cost
from cae_keras.models import build_autoencoder

SMALL = CAEConfig(filters=(4, 4), latent_dim=3, batch_norm=True)
LARGE = CAEConfig(filters=(32, 64, 512), latent_dim=64)  # some 10 MB of weights


def run_of(config, seconds=(1.0, 2.0)):
    weights = tuple(build_autoencoder(config).get_weights())
    return Run(config, Recipe(), 0, {"seconds": seconds}, weights)


class TestLatency:
    def test_finds_who_is_slower(self):
        found = latency(
            {"fast": lambda: time.sleep(0.001), "slow": lambda: time.sleep(0.004)},
            rounds=3,
        )
        assert found["fast"].shape == found["slow"].shape == (3,)
        assert (found["fast"] >= 0.001).all()
        assert (found["slow"] >= 0.004).all()
        assert np.median(found["slow"]) > np.median(found["fast"])

    def test_goes_round_in_turns_there_and_back_after_a_warm_up(self):
        log = []

        def call(name):
            def slow_enough():
                log.append(name)
                time.sleep(0.002)

            return slow_enough

        latency({name: call(name) for name in "abc"}, rounds=4, least=0.001)
        turns = [log[0]]
        turns += [b for a, b in itertools.pairwise(log) if a != b]
        assert "".join(turns) == "abc" + "abcbabcba"  # ends of a round meet
        assert log[:4] == ["a"] * 4  # warmed up twice, then timed twice

    def test_a_short_call_is_repeated(self):
        log = []
        latency({"short": lambda: log.append(1)}, rounds=1, least=0.002)
        assert len(log) > 100

    def test_uses_one_thread_and_no_gradients_and_leaves_both_as_they_were(self):
        seen, before = [], torch.get_num_threads()
        call = {"look": lambda: seen.append((torch.get_num_threads(), torch.is_grad_enabled()))}  # fmt: skip
        latency(call, rounds=1, least=1e-6)
        assert set(seen) == {(1, False)}
        assert torch.get_num_threads() == before
        assert torch.is_grad_enabled()

    @pytest.mark.parametrize("rounds", [0, -1, 1.5, True])
    def test_refuses_what_is_no_number_of_rounds(self, rounds):
        with pytest.raises(ValueError, match=r"rounds=.*positive integer"):
            latency({}, rounds=rounds)


class TestFootprint:
    @pytest.mark.parametrize("config", [SMALL, CAEConfig()])
    def test_a_file_holds_the_weights_and_little_else(self, config):
        weights = 4 * cost(config)["all_parameters"]
        assert weights < saved_bytes(build_autoencoder(config)) < weights + 120_000

    def test_memory_grows_with_weights_and_with_the_batch(self):
        found = peak_memory({"small": SMALL, "large": LARGE}, (1, 256), repeats=1)
        assert found["small"].shape == (1, 2)
        weights = 4 * (cost(LARGE)["parameters"] - cost(SMALL)["parameters"])
        more = found["large"][0, 0] - found["small"][0, 0]
        assert weights < more < 6 * weights
        first_maps = 4 * 256 * 14 * 14 * 32  # what the first layer returns
        assert found["large"][0, 1] - found["large"][0, 0] > first_maps

    @pytest.mark.parametrize(
        "batches, repeats", [((0,), 1), ((1.5,), 1), ((256, 1), 1), ((1,), 0)]
    )
    def test_refuses_what_cannot_be_measured(self, batches, repeats):
        with pytest.raises(ValueError, match=r"(batches|repeats)=.* must "):
            peak_memory({}, batches, repeats)

    def test_without_fork_it_is_not_a_number(self, monkeypatch):
        monkeypatch.delattr(footprint.os, "fork")
        assert np.isnan(peak_memory({"small": SMALL})["small"]).all()


def test_a_benchmark_has_every_cost_of_every_network(monkeypatch):
    found = benchmark({"a": [run_of(SMALL), run_of(SMALL, (5.0,))]}, rounds=2)["a"]
    assert set(SIZES) | set(SPEED) == set(found)
    counted = cost(SMALL)
    for name in ("parameters", "macs", "code_bytes"):
        assert found[name].tolist() == [counted[name]]
    assert found["compression"] == pytest.approx([784 / 12])
    assert found["seconds"].tolist() == [3.0, 5.0]
    for name in SPEED:
        assert (found[name] > 0).all()
    for name in ("encode", "decode", "both"):
        assert found[name].shape == (2,)
    assert np.median(found["both"]) < 1_000  # milliseconds, not microseconds
    row, = medians({"a": found}, SIZES)  # fmt: skip
    assert row["compression"] == "65.3 ×"


def test_medians_with_quartiles():
    found = {
        "both": np.array([1.0, 2.0, 3.0, 4.0, 100.0]),
        "memory": np.array([np.nan]),
    }
    (row,) = medians({"x": found}, ["both", "memory"])
    assert row["both (ms)"] == "3.00 (2.00–4.00)"
    assert row["peak memory, one image (MB)"] == "–"


def test_the_machine_names_itself():
    about = machine()
    assert all(isinstance(value, str) and value for value in about.values())
    assert about["torch"] == torch.__version__
    assert about["date"][:2] == "20"

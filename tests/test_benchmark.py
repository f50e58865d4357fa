"""Costs that are measured: what is called, how often and in which order; sizes against formulas; no golden times."""

import os
import sys
import time
from dataclasses import replace

import nbclient
import nbformat
import numpy as np
import pytest
import torch

from cae_keras.compare.tables import GROUPS
from cae_keras.config import CAEConfig
from cae_keras.deploy.benchmark import benchmark
from cae_keras.deploy.latency import latency
from cae_keras.deploy.memory import peak_memory, saved_bytes
from cae_keras.measurements.cost import cost
from cae_keras.models import build_autoencoder
from cae_keras.training import Run

SMALL = CAEConfig(filters=(4, 4), latent_dim=3, batch_norm=True)
LARGE = CAEConfig(filters=(32, 64, 512), latent_dim=64)  # some 10 MB of weights


class TestLatency:
    def test_finds_who_is_slower(self):
        waits = {"fast": 0.001, "slow": 0.004}
        calls = {name: lambda wait=wait: time.sleep(wait) for name, wait in waits.items()}  # fmt: skip
        found = latency(calls, rounds=3)
        assert found["fast"].shape == found["slow"].shape == (3,)
        assert all((found[name] >= wait).all() for name, wait in waits.items())
        assert np.median(found["slow"]) > np.median(found["fast"])

    def test_each_round_is_shuffled_anew_and_a_repeat_is_the_same(self):
        def calls(rounds):
            log = []
            call = lambda name: lambda: (log.append(name), time.sleep(0.002))  # noqa: E731
            latency({name: call(name) for name in "abcd"}, rounds, least=0.001)
            return "".join(log)

        log = calls(6)
        warm_up, rounds = log[:16], log[16:]
        assert warm_up == "aaaabbbbccccdddd"  # warmed up twice, then timed twice
        orders = [rounds[12 * i : 12 * i + 12 : 3] for i in range(6)]
        assert rounds == "".join(3 * name for order in orders for name in order)
        assert all(sorted(order) == [*"abcd"] for order in orders)
        assert len({*orders}) > 3
        assert calls(6) == log

    def test_repeats_a_short_call_on_one_thread_without_gradients(self):
        seen, before = [], torch.get_num_threads()

        def look():
            seen.append((torch.get_num_threads(), torch.is_grad_enabled()))

        latency({"look": look}, rounds=1, least=0.002)
        assert len(seen) > 100
        assert set(seen) == {(1, False)}
        assert (torch.get_num_threads(), torch.is_grad_enabled()) == (before, True)


class TestMemory:
    @pytest.mark.parametrize("config", [SMALL, CAEConfig()])
    def test_a_file_holds_the_weights_and_little_else(self, config):
        weights = 4 * cost(config)["all_parameters"]
        assert weights < saved_bytes(build_autoencoder(config)) < weights + 120_000

    def test_it_grows_with_weights_and_with_the_batch_and_repeats_itself(self):
        found = peak_memory({"small": SMALL, "large": LARGE})
        small, large = found["small"], found["large"]
        assert small.shape == large.shape == (2, 2)
        weights = 4 * (cost(LARGE)["parameters"] - cost(SMALL)["parameters"])
        assert (weights < large[:, 0] - small[:, 0]).all()
        assert (large[:, 0] - small[:, 0] < 3 * weights).all()
        first_maps = 4 * 256 * 14 * 14 * 32  # what the first layer returns
        assert (large[:, 1] - large[:, 0] > first_maps).all()
        assert large[0, 1] == pytest.approx(large[1, 1], rel=0.1)

    @pytest.mark.skipif(sys.platform != "linux", reason="not measured there")
    def test_a_notebook_measures_it_and_shows_nothing_else(self, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(__file__)))
        code = "import cae_keras\nfound = cae_keras.deploy.memory.peak_memory({'a': cae_keras.CAEConfig()})"
        cells = [nbformat.v4.new_code_cell(text) for text in (code, "found['a'].shape")]
        notebook = nbformat.v4.new_notebook(cells=cells)
        nbclient.NotebookClient(notebook, timeout=300).execute()
        silent, (shape,) = (cell.outputs for cell in notebook.cells)
        assert (silent, shape["data"]["text/plain"]) == ([], "(2, 2)")

    def test_where_a_fork_cannot_be_trusted_it_is_not_a_number(self, monkeypatch):
        monkeypatch.setattr("sys.platform", "win32")
        assert np.isnan(peak_memory({"small": SMALL})["small"]).all()


def test_a_benchmark_has_every_cost_of_every_network():
    run = replace(Run.untrained(SMALL), history={"seconds": (1.0, 2.0)})
    other = replace(run, history={"seconds": (5.0,)})
    both = benchmark({"a": [run, other], "a, again": [run, other]}, rounds=2)
    found, again = both.values()
    measured = {*GROUPS["speed"], *GROUPS["memory"]}
    assert measured | {*GROUPS["sizes"]} == set(found)
    counted = cost(SMALL)
    for name in ("parameters", "macs", "code_bytes"):
        assert found[name].tolist() == [counted[name]]
    assert found["compression"] == pytest.approx([784 / 12])
    assert found["seconds"].tolist() == [3.0, 5.0]
    assert all((found[name] > 0).all() for name in measured)
    for name in ("encode", "decode", "both"):
        assert found[name].shape == (2,)
        assert (found[name] != again[name]).any(), "each name is timed by itself"
    assert np.median(found["both"]) < 1_000  # milliseconds, not microseconds

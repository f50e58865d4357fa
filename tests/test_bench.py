"""`python -m cae_keras bench`: its arithmetic, what it prints, and no result where there is noise."""

import json
import multiprocessing
import os
import statistics
from functools import partial

import numpy as np
import pytest
import torch
from fake_contenders import Sleeps

from cae_keras import CAEConfig, Recipe, __main__, bce, train
from cae_keras.__main__ import main
from cae_keras.bench import quality, speed, summary, text, turns

QUIET = [99.0, 100.0, 101.0]
NAMES = list(speed.CONTENDERS)


@pytest.fixture
def forked(monkeypatch):
    monkeypatch.setattr(turns, "SPAWN", multiprocessing.get_context("fork"))
    monkeypatch.setattr(turns, "SETTLE", 0.05)


class TestSummary:
    def rates(self, **others):
        return {name: QUIET for name in (*NAMES, "gemm_gflops")} | others

    def shares(self, **others):
        return {name: [0.99, 0.98, 0.99] for name in speed.ONE_THREADED} | others

    def test_ratios_are_taken_in_each_round(self):
        rates = self.rates(
            all_workers=[10, 30, 20], stock_keras=[10, 10, 5], tutorial_torch=[5, 30, 5],
            careful_torch=[20, 15, 10], one_worker=[8, 9, 9], careful_torch_one_thread=[10, 10, 20],
            limit_images_per_s=[100, 60, 80],
        )  # fmt: skip
        assert summary.ratios(rates) == {
            "e/a": 3.0,  # of 1, 3, 4; that of the medians would be 2
            "e/b": 2.0,  # of 2, 1, 4
            "e/c": 2.0,  # of 0.5, 2, 2
            "d/c": 0.8,  # one thread each: of 0.8, 0.9, 0.45
            "e/limit": 0.25,  # of 0.1, 0.5, 0.25
        }

    def test_of_a_quiet_run(self):
        rates = self.rates(all_workers=[396, 400, 404], gemm_gflops=[180, 182, 184])
        found = summary.summary(rates, self.shares(), 14.8e6)
        assert found["all_workers"] == 400
        assert found["limit_images_per_s"] == pytest.approx(182e9 / 14.8e6)
        assert found["ratios"]["e/a"] == pytest.approx(4)
        assert found["ratios"]["e/limit"] == pytest.approx(400 * 14.8e6 / 182e9)
        assert found["noisy"] == {}
        assert found["spread"]["stock_keras"] == pytest.approx(0.01)
        assert found["cpu_share"]["one_worker"] == 0.99
        assert found["rounds"] == 3

    def test_many_rounds_make_up_for_a_spread(self):
        """A median of 30 uneven rounds is more certain than one of 3."""
        rates = self.rates(stock_keras=[80, 100, 120] * 10, gemm_gflops=[1.0] * 30)
        rates = {name: list(values) * (30 // len(values)) for name, values in rates.items()}  # fmt: skip
        found = summary.summary(rates, self.shares(), 1e7)
        assert found["spread"]["stock_keras"] == pytest.approx(0.4)
        expected = 1.2533 * 0.4 / 1.349 / 30**0.5  # of a normal median
        assert found["standard_error"]["stock_keras"] == pytest.approx(
            expected, rel=1e-2
        )
        assert found["noisy"] == {}

    @pytest.mark.parametrize("name", [*NAMES, "gemm_gflops"])
    def test_one_whose_rates_spread_withholds_all_ratios(self, name):
        found = summary.summary(self.rates(**{name: [80, 100, 120]}), self.shares(), 1e7)  # fmt: skip
        assert found["ratios"] is None
        assert found[name] == 100
        assert "is 11 %, at most 8 %" in found["noisy"][name]
        assert set(found["noisy"]) <= {name, "limit_images_per_s"}

    @pytest.mark.parametrize("name", speed.ONE_THREADED)
    def test_so_does_one_that_had_to_share_its_processors_evenly(self, name):
        shares = self.shares(**{name: [0.5, 0.5, 0.5]})
        found = summary.summary(self.rates(), shares, 1e7)
        assert found["ratios"] is None
        assert "for 50 % of the time" in found["noisy"][name]

    def test_spread_is_that_of_numpy(self):
        values = np.random.default_rng(0).random(7) + 1
        low, high = np.percentile(values, (25, 75))
        expected = (high - low) / np.median(values)
        assert summary.spread(values.tolist()) == pytest.approx(expected)


class TestQuality:
    def test_the_published_schedule_halves_the_rate_on_a_plateau(
        self, tiny, monkeypatch
    ):
        """The first epoch is the best; after more than three that are no better the rate is halved."""
        rates = []

        def epoch(network, loader, optimizer, step):
            assert (loader.batch_size, len(loader.dataset)) == (32, 64)
            rates.append(optimizer.param_groups[0]["lr"])

        monkeypatch.setattr(quality, "tutorial_epoch", epoch)
        monkeypatch.setattr(quality, "_error", lambda *_: 0.07)
        quality.published(tiny, 64, 20)
        assert rates == [1e-3] * 5 + [5e-4] * 4 + [2.5e-4] * 4 + [1.25e-4] * 4 + [6.25e-5] * 3  # fmt: skip

    def test_what_is_measured_is_the_error_on_the_test_images(self, tiny, monkeypatch):
        seen = []
        error = quality._error
        monkeypatch.setattr(quality, "_error", lambda network, images: seen.append(len(images)) or error(network, images))  # fmt: skip
        found = quality.published(tiny, 256, 3)
        assert seen == [130, 130, 130, 50]
        assert found["test_bce"] < 0.4
        assert found["seconds"] > 0

    def test_a_process_that_dies(self, monkeypatch):
        with pytest.raises(RuntimeError, match=r"^_exit: its process died$"):
            quality._apart(os._exit, 3)


class TestCommand:
    @pytest.fixture(autouse=True)
    def few_images(self, monkeypatch, tiny):
        monkeypatch.setattr(__main__, "load_mnist", lambda: tiny)

    @pytest.fixture
    def short(self, monkeypatch):
        for name, value in (("WINDOW", 0.2), ("ROUNDS", 2), ("WARM_UP", 2)):
            monkeypatch.setattr(speed, name, value)
        monkeypatch.setattr(speed.loky, "cpu_count", lambda: 2)
        monkeypatch.setattr(turns, "SETTLE", 0.0)

    @pytest.fixture
    def no_start_up(self, monkeypatch):
        seconds = {"imported": 1.0, "data_loaded": 2.0}
        monkeypatch.setattr(speed, "startup_seconds", lambda: seconds)

    def test_a_short_real_run(self, capsys, short, monkeypatch):
        once = partial(speed.startup_seconds, repeats=1)
        monkeypatch.setattr(speed, "startup_seconds", once)
        status = main(["bench", "--json"])
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert err == ""
        rates = [*NAMES, "gemm_gflops", "limit_images_per_s"]
        assert {*rates, "ratios", "startup_seconds", "machine"} <= set(found)
        assert all(found[name] > 0 for name in rates)
        assert set(found["spread"]) == set(rates)
        assert (found["rounds"], found["cores"], found["window_seconds"]) == (2, 2, 0.2)
        seconds = found["startup_seconds"]
        assert 0.1 < seconds["imported"] < seconds["data_loaded"]
        assert status == (1 if found["noisy"] else 0)
        assert (found["ratios"] is None) == bool(found["noisy"])

    def test_a_noisy_run_is_no_result(self, capsys, monkeypatch, short, no_start_up, forked):  # fmt: skip
        """Sleepers use no processor, so they look as if others had it."""
        monkeypatch.setattr(speed, "CONTENDERS", dict.fromkeys(NAMES, Sleeps()))
        assert main(["bench", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        assert found["ratios"] is None
        assert set(speed.ONE_THREADED) <= set(found["noisy"])
        assert main(["bench"]) == 1
        out = capsys.readouterr().out
        assert "\ntoo noisy: " in out
        assert "\nratios: " not in out
        assert "(e) this project, one worker a core" in out

    def test_a_contender_that_dies_is_one_line_and_status_1(
        self, capsys, monkeypatch, short, no_start_up, forked
    ):
        fates = dict.fromkeys(NAMES, Sleeps()) | {"careful_torch": Sleeps(9, "fails")}
        monkeypatch.setattr(speed, "CONTENDERS", fates)
        assert main(["bench"]) == 1
        out, err = capsys.readouterr()
        reason = "careful_torch: its process died (ZeroDivisionError: a line)"
        assert (out, err) == ("", f"error: {reason}\n")
        assert multiprocessing.active_children() == []

    def test_a_gpu_is_refused(self, capsys, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert main(["bench"]) == 2
        assert capsys.readouterr().err.startswith("error: CUDA_VISIBLE_DEVICES: it must be ")  # fmt: skip

    def test_quality(self, capsys, monkeypatch, tiny):
        small = {"recipe": Recipe(images=128, epochs=2), "epochs": 1}
        monkeypatch.setattr(__main__, "time_to_quality", partial(quality.time_to_quality, **small))  # fmt: skip
        assert main(["bench", "--quality", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert list(found) == ["book", "published"]
        run = train(CAEConfig(), small["recipe"], 0, tiny)
        error = bce(tiny.x_test, run.reconstruct(tiny.x_test))
        assert found["book"]["test_bce"] == pytest.approx(error, abs=1e-5)
        assert found["book"]["threads"] == 1
        assert 0.1 < found["published"]["test_bce"] < 1
        assert all(measured["seconds"] > 0 for measured in found.values())
        shown = text.quality_text(found).splitlines()[2]
        assert f"{found['book']['test_bce']:.4f}" in shown


def test_a_result_as_text(capsys, monkeypatch):
    rates = {name: [1000.0, 1010.0, 990.0] for name in (*NAMES, "gemm_gflops")}
    rates["all_workers"] = [2010.0, 2000.0, 1990.0]
    shares = {name: [1.0] * 3 for name in speed.ONE_THREADED}
    measured = {
        **summary.summary(rates, shares, 1e8),
        "startup_seconds": {"imported": 3.25, "data_loaded": 4.5}, "window_seconds": 3.0, "cores": 2,
        "machine": {"processor": "a processor", "keras": "3", "torch": "2", "date": "today"},
    }  # fmt: skip
    monkeypatch.setattr(__main__, "measure_speed", lambda mnist: measured)
    monkeypatch.setattr(__main__, "load_mnist", lambda: None)
    assert main(["bench"]) == 0
    shown = capsys.readouterr().out
    e = statistics.median([2010 / 1000, 2000 / 1010, 1990 / 990])
    assert f"ratios: e/a {e:.2f}, e/b {e:.2f}, e/c {e:.2f}, d/c 1.00" in shown
    assert "(e) reaches 20 % of the limit" in shown
    assert "1000 GFLOP/s over 100.0 MFLOP an image" in shown
    assert "4.5 s until MNIST is loaded, of which 3.2 s" in shown
    rows = [line.split() for line in shown.splitlines() if line.startswith("(e)")]
    assert rows[0][-6:-4] == ["core", "2,000"]

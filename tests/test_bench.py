"""`python -m cae_keras bench`: its processes, its arithmetic, what it prints, and no result where there is noise."""

import itertools
import json
import signal
import statistics
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_tasks import alive, gone

from cae_keras import CAEConfig, Recipe, __main__, bce, load_mnist
from cae_keras.__main__ import main
from cae_keras.bench import quality, results, speed, text
from cae_keras.bench.apart import Apart
from cae_keras.training import train

QUIET = [99.0, 100.0, 101.0]
NAMES = list(speed.CONTENDERS)
RATES = [*NAMES, "gemm_gflops"]
SLEEP = "import time; time.sleep(600)"


class TestApart:
    def test_it_ends_with_the_context(self):
        with Apart("a", SLEEP) as process:
            pids = {process.process.pid}
            assert alive(pids) == pids
        assert not alive(pids)

    @pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
    def test_it_ends_with_its_caller(self, end, start_python):
        script = f"""
import signal
from cae_keras.bench.apart import Apart
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background is deaf
child = "from cae_keras.bench.apart import listen, say; listen(); say(1); {SLEEP}"
with Apart("a", child) as process:
    process.hear()
    print(process.process.pid, flush=True)
    process.hear()
"""
        caller = start_python(script)
        child = {int(caller.stdout.readline())}
        assert alive(child)
        caller.send_signal(end)
        assert gone(child, 30)
        caller.communicate()


class TestResults:
    def rates(self, **others):
        return {name: QUIET for name in RATES} | others

    def shares(self, **others):
        return {name: [0.99, 0.98, 0.99] for name in NAMES} | others

    def test_ratios_are_taken_in_each_round(self):
        rates = self.rates(
            all_workers=[10, 30, 20], stock_keras=[10, 10, 5], tutorial_torch=[5, 30, 5],
            careful_torch=[20, 15, 10], one_worker=[8, 9, 9], careful_torch_one_thread=[10, 10, 20],
            gemm_gflops=[100, 60, 80],
        )  # fmt: skip
        # So many rounds are quiet
        rates = {name: values * 9_999 for name, values in rates.items()}
        found = results.sum_up(rates, self.shares(), 1e9)
        assert (found["all_workers"], found["limit_images_per_s"]) == (20, 80)
        assert found["cpu_share"] == dict.fromkeys(results.ONE_THREADED, 0.99)
        assert (found["noisy"], found["rounds"]) == ({}, 3 * 9_999)
        assert found["ratios"] == {
            "e/a": 3.0,  # of 1, 3, 4; that of the medians would be 2
            "e/b": 2.0,  # of 2, 1, 4
            "e/c": 2.0,  # of 0.5, 2, 2
            "d/c": 0.8,  # one thread each: of 0.8, 0.9, 0.45
            "e/limit": 0.25,  # of 0.1, 0.5, 0.25
        }

    def test_spread_is_that_of_numpy_and_rounds_make_up_for_it(self):
        values = np.random.default_rng(0).normal(100, 20, 30)
        low, high = np.percentile(values, (25, 75))
        spread = (high - low) / np.median(values)
        rates = dict.fromkeys(RATES, [1.0] * 30) | {"stock_keras": values.tolist()}
        found = results.sum_up(rates, self.shares(), 1e7)
        assert found["spread"]["stock_keras"] == pytest.approx(spread)
        expected = 1.2533 * spread / 1.349 / 30**0.5  # of a normal median
        assert found["standard_error"]["stock_keras"] == pytest.approx(expected, rel=1e-2)  # fmt: skip
        assert found["noisy"] == {}

    @pytest.mark.parametrize(
        "name, uneven, had, reason",
        [(name, [80, 100, 120], 1, "is 11 %, at most 8 %") for name in RATES]
        + [(name, QUIET, 0.5, "for 50 % of the time") for name in results.ONE_THREADED],
    )
    def test_one_that_is_noisy_withholds_all_ratios(self, name, uneven, had, reason):
        shares = self.shares(**{name: [had] * 3})
        found = results.sum_up(self.rates(**{name: uneven}), shares, 1e7)
        assert found["ratios"] is None
        assert found[name] == 100
        assert reason in found["noisy"][name]
        assert set(found["noisy"]) <= {name, "limit_images_per_s"}


class TestSpeed:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        short = {"WARM_UP": 0.1, "WINDOW": 0.1, "ROUNDS": 2, "PAGES": 1}
        for name, value in short.items():
            monkeypatch.setattr(speed, name, value)
        monkeypatch.setattr(speed.loky, "cpu_count", lambda: 2)

    @pytest.fixture
    def pretend(self, monkeypatch, tmp_path):
        """Has contenders that only pretend; returns the log of who had a turn."""
        path = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); "
        monkeypatch.setattr(speed, "TURN", path + speed.TURN.replace("cae_keras.bench.contenders", "fake_contenders"))  # fmt: skip
        monkeypatch.setattr(__main__, "load_mnist", lambda: None)
        monkeypatch.setenv("LOG", str(tmp_path / "log"))
        monkeypatch.setenv("FATES", "{}")
        return tmp_path / "log"

    def test_a_round_of_real_contenders(self):
        found = {name: (rate, share) for name, rate, share in speed._round(RATES, 2)}
        assert list(found) == RATES
        assert all(rate > 1 for rate, _ in found.values())
        assert all(0.1 < found[name][1] < 1.1 for name in results.ONE_THREADED)

    def test_the_order_rotates_and_workers_add_up(self, pretend, monkeypatch):
        monkeypatch.setattr(speed, "ROUNDS", 3)
        monkeypatch.setattr(speed, "gemm_gflops", lambda _: 5.0)
        rates, shares = speed.measure_rounds(4)
        every = {**dict.fromkeys(NAMES, [10.0] * 3), "all_workers": [40.0] * 3}
        assert rates == every | {"gemm_gflops": [5.0] * 3}
        assert all(shares[name] == [0.5] * 3 for name in NAMES)
        turns = pretend.read_text().split()
        assert Counter(turns) == {**dict.fromkeys(NAMES, 3), "all_workers": 12}
        order = [name for name, _ in itertools.groupby(turns)]
        assert order == NAMES + NAMES[1:] + NAMES[:1] + NAMES[2:] + NAMES[:2]

    def test_a_noisy_run_is_no_result(self, pretend, capsys):
        """Those who pretend use no processor, so they look as if others had it."""
        assert main(["bench", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        rates = {*RATES, "limit_images_per_s"}
        assert rates | {"startup_seconds", "machine", "flops_per_image"} <= set(found)
        assert set(found["spread"]) == set(found["standard_error"]) == rates
        assert (found["rounds"], found["cores"], found["window_seconds"]) == (2, 2, 0.1)
        imported, data_loaded = found["startup_seconds"].values()
        assert 0.1 < imported < data_loaded
        assert found["ratios"] is None
        assert set(results.ONE_THREADED) <= set(found["noisy"])
        assert main(["bench"]) == 1
        out = capsys.readouterr().out
        assert "\ntoo noisy: " in out
        assert "\nratios: " not in out

    @pytest.mark.parametrize(
        "fate, reason",
        [("dies", "exit code 3"), ("is silent", "it said nothing for 5 s")],
    )
    def test_one_who_dies_or_is_silent_is_named(self, pretend, monkeypatch, capsys, fate, reason):  # fmt: skip
        hear = Apart.hear
        monkeypatch.setattr(Apart, "hear", lambda process: hear(process, 5))
        monkeypatch.setattr(speed, "PAGE", "print(1); print(2)")
        monkeypatch.setenv("FATES", json.dumps({"careful_torch": fate}))
        assert main(["bench"]) == 1
        message = f"error: careful_torch: its process died ({reason})\n"
        assert capsys.readouterr() == ("", message)

    def test_a_gpu_is_refused(self, pretend, capsys, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert main(["bench"]) == 2
        assert capsys.readouterr().err.startswith("error: CUDA_VISIBLE_DEVICES: it must be ")  # fmt: skip


class TestQuality:
    def test_the_published_schedule_halves_the_rate_on_a_plateau(self, tiny, monkeypatch):  # fmt: skip
        """The first epoch is the best; after more than three that are no better the rate is halved."""
        rates = []

        def epoch(network, loader, optimizer, step):
            assert (loader.batch_size, len(loader.dataset)) == (32, 64)
            rates.append(optimizer.param_groups[0]["lr"])

        seen = []  # the validation images; at the end the test images
        error = lambda _, images: seen.append(len(images)) or 0.07  # noqa: E731
        monkeypatch.setattr(quality, "tutorial_epoch", epoch)
        monkeypatch.setattr(quality, "_error", error)
        quality.published(tiny, 64, 20)
        assert seen == [130] * 20 + [50]
        assert rates == [1e-3] * 5 + [5e-4] * 4 + [2.5e-4] * 4 + [1.25e-4] * 4 + [6.25e-5] * 3  # fmt: skip

    def test_both_recipes_in_processes_of_their_own(self, capsys, monkeypatch):
        monkeypatch.setenv("CAE_PRESET", "quick")
        mnist, recipe = load_mnist(), Recipe(images=128, epochs=2)
        monkeypatch.setattr(__main__, "load_mnist", lambda: mnist)
        monkeypatch.setattr(__main__, "time_to_quality", partial(quality.time_to_quality, recipe, 1))  # fmt: skip
        assert main(["bench", "--quality", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert list(found) == ["book", "published"]
        run = train(CAEConfig(), recipe, 0, mnist)
        error = bce(mnist.x_test, run.reconstruct(mnist.x_test))
        assert found["book"]["test_bce"] == pytest.approx(error, abs=1e-5)
        assert found["book"]["threads"] == 1
        assert 0.1 < found["published"]["test_bce"] < 1
        assert all(measured["seconds"] > 0 for measured in found.values())
        shown = text.quality_text(found).splitlines()[2]
        assert f"{found['book']['test_bce']:.4f}" in shown


def test_a_result_as_text():
    rates = {name: [1000.0, 1010.0, 990.0] for name in RATES}
    rates["all_workers"] = [2010.0, 2000.0, 1990.0]
    shown = text.speed_text({
        **results.sum_up(rates, dict.fromkeys(NAMES, [1.0] * 3), 1e8),
        "startup_seconds": {"imported": 3.25, "data_loaded": 4.5}, "window_seconds": 3.0, "cores": 2,
        "machine": {"processor": "a processor", "keras": "3", "torch": "2", "date": "today"},
    })  # fmt: skip
    e = statistics.median([2010 / 1000, 2000 / 1010, 1990 / 990])
    for words in (
        f"ratios: e/a {e:.2f}, e/b {e:.2f}, e/c {e:.2f}, d/c 1.00; (e) reaches 20 % of the limit",
        "1000 GFLOP/s over 100.0 MFLOP an image", "4.5 s until MNIST is loaded, of which 3.2 s",
        "worker a core 2,000 0 0",
    ):  # fmt: skip
        assert words in " ".join(shown.split())

"""`python -m cae_keras bench`: its processes, its arithmetic, what it prints, and no ratio where there is noise."""

import itertools
import json
import signal
import statistics
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_tasks import alive, gone

from cae_keras import CAEConfig, Recipe, __main__, bce, load_mnist
from cae_keras.__main__ import main
from cae_keras.bench import quality, results, speed, text
from cae_keras.bench.apart import Apart
from cae_keras.training import train

NAMES = list(speed.CONTENDERS)
RATES = [*NAMES, "gemm_gflops"]
SHARES = {name: [0.98, 0.99, 0.99] for name in NAMES}
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
    @pytest.mark.parametrize("slower, medians", [(1, (20, 80)), (2, (10, 30))])
    def test_what_slows_a_whole_round_moves_no_ratio(self, slower, medians):
        rates = dict(
            all_workers=[10, 30, 20], stock_keras=[10, 10, 5], tutorial_torch=[5, 30, 5],
            careful_torch=[20, 15, 10], one_worker=[8, 9, 9], careful_torch_one_thread=[10, 10, 20],
            gemm_gflops=[100, 60, 80], book_recipe=[9, 15, 12],
        )  # fmt: skip
        for name, values in rates.items():  # so many rounds leave no doubt
            rates[name] = [values[i] / slower**i for i in range(3)] * 99
        found = results.sum_up(rates, SHARES, 1e9)
        assert (found["all_workers"], found["limit_images_per_s"]) == medians
        assert (found["noisy"], found["rounds"]) == ({}, 3 * 99)
        assert found["intervals"] == {name: [x, x] for name, x in found["ratios"].items()}  # fmt: skip
        assert found["ratios"] == {
            "e/a": 3.0, "e/b": 2.0,  # of 1, 3, 4 (that of the medians would be 2); of 2, 1, 4
            "e/c": 2.0, "d/c": 0.8,  # of 0.5, 2, 2; of 0.8, 0.9, 0.45
            "e/limit": 0.25, "book/e": 0.6,  # of 0.1, 0.5, 0.25; of 0.9, 0.5, 0.6
        }  # fmt: skip

    def test_spread_is_that_of_numpy(self):
        values = np.random.default_rng(0).normal(100, 20, 30)
        spread = np.ptp(np.percentile(values, (25, 75))) / np.median(values)
        assert results.spread(values.tolist()) == pytest.approx(spread)

    def test_an_interval_covers_the_median_as_often_as_it_says(self):
        rng = np.random.default_rng(0)  # 1 is the median of exp(normal)
        found = [results.interval(rng.lognormal(0, 0.1, 12)) for _ in range(300)]
        assert 0.90 < np.mean([low < 1 < high for low, high in found]) < 0.99

    @pytest.mark.parametrize("high, given", [(1.14, 1), (1.16, None)])
    def test_only_a_ratio_whose_interval_is_wide_is_refused(self, high, given):
        """A low share of the processor is no reason."""
        rates = dict.fromkeys(RATES, [1.0] * 3) | {"one_worker": [0.99, 1, high]}
        found = results.sum_up(rates, SHARES | {"one_worker": [0.2, 0.3, 0.9]}, 1e9)
        assert found["cpu_share"]["one_worker"] == 0.3
        assert found["ratios"] == dict.fromkeys(results.RATIOS, 1) | {"d/c": given}
        assert found["intervals"]["d/c"] == [0.99, high]
        assert [(name, why[:25]) for name, why in found["noisy"].items()] == [("d/c", "its interval reaches 16 %")] * (not given)  # fmt: skip


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
        four = speed.SIDE_BY_SIDE  # of each
        every = dict.fromkeys(NAMES, [10.0] * 3) | dict.fromkeys(four, [40.0] * 3)
        assert rates == every | {"gemm_gflops": [5.0] * 3}
        assert all(shares[name] == [0.5] * 3 for name in NAMES)
        turns = pretend.read_text().split()
        assert Counter(turns) == dict.fromkeys(NAMES, 3) | dict.fromkeys(four, 12)
        order = [name for name, _ in itertools.groupby(turns)]
        assert order == NAMES + NAMES[1:] + NAMES[:1] + NAMES[2:] + NAMES[:2]

    @pytest.mark.parametrize(
        "name, uneven, seconds, rounds",
        [
            # That four of seven draws are the third: 1 %; that three of six are: 6 %
            ("stock_keras", 1, 60, 7), ("careful_torch", 1, 60, 7),
            ("tutorial_torch", 1, 60, 3),  # no other depends on it
            ("stock_keras", 9, 100, 6), ("stock_keras", 9, 400, 3),  # it is late
        ],
    )  # fmt: skip
    def test_rounds_go_on_until_it_is_certain_or_late(self, name, uneven, seconds, rounds, monkeypatch):  # fmt: skip
        clock = SimpleNamespace(at=0, perf_counter=lambda: clock.at)
        rates = itertools.chain([1, 1], [1.2] * uneven, itertools.repeat(1))

        def a_round(names, cores):
            clock.at += seconds
            yield from ((x, rate if x == name else 1, 1) for rate in [next(rates)] for x in names)  # fmt: skip

        for what, value in {"time": clock, "_round": a_round, "ROUNDS": 3}.items():
            monkeypatch.setattr(speed, what, value)
        monkeypatch.setenv("CAE_PROGRESS", "bar")
        assert len(speed.measure_rounds(2)[0][name]) == rounds
        assert f" left [{min(600, rounds * seconds)}/600 in " in Path("bar").read_text()

    def test_a_noisy_ratio_is_not_given(self, pretend, capsys, monkeypatch):
        monkeypatch.setattr(speed, "gemm_gflops", lambda _: 5.0)
        monkeypatch.setenv("FATES", json.dumps({"tutorial_torch": "is uneven"}))
        assert main(["bench", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        rates = {*RATES, "limit_images_per_s"}
        assert rates | {"startup_seconds", "machine", "flops_per_image"} <= set(found)
        assert set(found["spread"]) == rates
        assert (found["rounds"], found["cores"], found["window_seconds"]) == (2, 2, 0.1)
        imported, data_loaded = found["startup_seconds"].values()
        assert 0.1 < imported < data_loaded
        assert list(found["noisy"]) == ["e/b"]
        assert (found["ratios"]["e/b"], found["ratios"]["e/a"]) == (None, 2)
        assert main(["bench"]) == 1
        assert " e/b too noisy " in " ".join(capsys.readouterr().out.split())

    @pytest.mark.parametrize("fate, reason", [("dies", "exit code 3"), ("is silent", "it said nothing for 5 s")])  # fmt: skip
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
        assert list(found) == ["book", "published", "seconds_ratio"]
        run = train(CAEConfig(), recipe, 0, mnist)
        error = bce(mnist.x_test, run.reconstruct(mnist.x_test))
        assert found["book"]["test_bce"] == pytest.approx(error, abs=1e-5)
        assert found["book"]["threads"] == 1
        assert 0.1 < found["published"]["test_bce"] < 1
        ratio = found["book"]["seconds"] / found["published"]["seconds"]
        assert found["seconds_ratio"] == ratio > 0
        assert f" {error:.4f} " in (shown := text.quality_text(found))
        assert f": {ratio:.2f} of the seconds" in shown


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
        f"e/a {e:.2f} {2000 / 1010:.2f} {1990 / 990:.2f}", "d/c 1.00 1.00 1.00", "e/limit 0.20 0.20 0.20",
        "1000 GFLOP/s over 100.0 MFLOP an image", "4.5 s until MNIST is loaded, of which 3.2 s",
        "worker a core 2,000 0 100",
    ):  # fmt: skip
        assert words in " ".join(shown.split())

"""The README's table: what is committed, how it is drawn, and who is the best on the front."""

import copy
import json
from datetime import datetime

import numpy as np
import pytest

from cae_keras.study import readme
from cae_keras.study.readme import ROOT, best_on_front, render, split

COMMITTED = json.loads((ROOT / "results.json").read_text("utf-8"))
RESULTS = {
    "preset": "full", "images": 55000, "epochs": 10, "seeds": [0, 1, 2], "best": "narrow",
    "configurations": {
        "baseline": {
            "parameters": 137441, "macs": 2461696, "code_bytes": 128,
            "bce": [0.1, 0.2, 0.3], "excess_bce": [0.01, 0.01, 0.04], "mse": [0.004] * 3,
            "ssim": [0.95, 0.96, 0.97], "read": [0.97, 0.98, 0.99],
            "latency_ms": {"low": 1.0, "median": 1.25, "high": 2.5},
        },
    },
    "machine": {
        "processor": "Z80", "cores": 1, "memory": "64 KiB", "system": "CP/M", "python": "3.11",
        "keras": "3.15", "torch": "2.13", "numpy": "2.4", "date": "1982-04-23 12:00 UTC",
    },
}  # fmt: skip


class TestCommitted:
    def test_the_table_is_the_rendering_of_the_numbers(self):
        assert split((ROOT / "README.md").read_text("utf-8"))[1] == render(COMMITTED)

    def test_the_file_is_as_the_command_writes_it(self):
        kept = (ROOT / "results.json").read_text("utf-8")
        assert kept == json.dumps(COMMITTED, indent=1) + "\n"

    def test_it_has_what_the_table_is_for(self):
        names = list(COMMITTED["configurations"])
        best = {COMMITTED["best"]} - {None}
        assert set(names) == {"baseline", "trade-off"} | best
        datetime.strptime(COMMITTED["machine"]["date"][:16], "%Y-%m-%d %H:%M")
        for figures in COMMITTED["configurations"].values():
            for what in readme.SHOWN:
                values = np.atleast_1d(figures[what])
                assert np.isfinite(values).all(), what
                assert values.size in (1, len(COMMITTED["seeds"]))
            times = figures["latency_ms"]
            assert 0 < times["low"] <= times["median"] <= times["high"]


class TestRender:
    def cells(self, text):
        lines = [line for line in text.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]

    def test_every_figure_by_hand(self):
        header, rule, *rows = self.cells(render(RESULTS))
        assert header == ["", "baseline"]
        assert set("".join(rule)) <= set("-:")
        assert rows == [
            ["parameters", "137,441"],
            ["MACs", "2,461,696"],
            ["bytes of a code", "128"],
            ["BCE", "0.20000 ± 0.10000"],
            ["excess BCE", "0.02000 ± 0.01732"],
            ["MSE", "0.00400 ± 0.00000"],
            ["SSIM", "0.9600 ± 0.0100"],
            ["read right", "98.00 ± 1.00%"],
            ["latency of one image (ms)", "1.25 (1.00–2.50)"],
        ]

    def test_says_preset_seeds_rule_machine_versions_and_date(self):
        text = " ".join(render(RESULTS).split())
        for words in (
            "Preset `full`: 55,000 training images, 10 epochs, seeds 0, 1, 2.",
            f"Best on the front: **narrow** ({readme.BEST}).",
            "Z80, 1 cores, 64 KiB, CP/M", "Python 3.11, Keras 3.15, PyTorch 2.13, NumPy 2.4",
            "1982-04-23 12:00 UTC",
        ):  # fmt: skip
            assert words in text

    def test_other_results_other_text(self):
        changed = copy.deepcopy(RESULTS)
        changed |= {"preset": "quick", "best": None}
        text = render(changed)
        assert "Preset `quick`, for a first look only: 55,000" in text
        assert "Best on the front: none (of the study" in text
        assert "first look" not in render(RESULTS)

    def test_one_seed_has_no_spread(self):
        changed = copy.deepcopy(RESULTS)
        changed["configurations"]["baseline"]["ssim"] = [0.95]
        assert ["SSIM", "0.9500"] in self.cells(render(changed))


class TestBestOnFront:
    def made(self, **points):
        fine = {"read": [0.99], "ssim": [0.95], "mse": [0.003]}
        return {
            name: {**fine, "parameters": [p, p], "excess_bce": [0.5 * e, 1.5 * e]}
            for name, (p, e) in points.items()
        }

    def best(self, results):
        return best_on_front(results, dict.fromkeys(results, 0.01))

    def test_is_the_smallest_product_by_brute_force(self):
        p, e = np.random.default_rng(0).uniform(0.1, 1, (2, 30))
        points = {str(i): point for i, point in enumerate(zip(p, e, strict=True))}
        assert self.best(self.made(**points)) == str(np.argmin(p * e))

    @pytest.mark.parametrize(
        "measure, value", [("read", 0.94), ("ssim", 0.89), ("mse", 0.02)]
    )
    def test_who_misses_the_floor_is_out(self, measure, value):
        results = self.made(small=(50, 0.04), medium=(70, 0.02), large=(200, 0.01))
        assert self.best(results) == "medium"
        results["medium"][measure] = [0.99, value]
        assert self.best(results) == "small"

    def test_who_is_dominated_is_out_whoever_dominates_it(self):
        """Someone below the floor strikes out as well: the front is that of all."""
        results = self.made(good=(50, 0.02), better=(40, 0.01), large=(200, 0.005))
        results["better"]["ssim"] = [0.5]
        assert self.best(results) == "large"

    def test_it_may_be_none(self):
        results = self.made(only=(50, 0.02))
        assert best_on_front(results, {"only": 0.001}) is None


def test_a_file_that_cannot_be_written_leaves_both_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    monkeypatch.setattr(readme, "collect", lambda _: RESULTS)
    text = "<!-- results --><!-- /results -->"
    (tmp_path / "README.md").write_text(text)
    (tmp_path / "README.part").mkdir()  # in the way of the second file
    with pytest.raises(ValueError, match="cannot be written"):
        readme.update(None)
    assert (tmp_path / "README.md").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "README.part",
    ]

"""The README's table: what is committed, and how it is drawn."""

import json
from datetime import datetime

import numpy as np

from cae_keras.config import ROOT
from cae_keras.study import readme
from cae_keras.study.readme import render, split

COMMITTED = json.loads((ROOT / "results.json").read_text("utf-8"))
RESULTS = {
    "preset": "full", "images": 55000, "epochs": 5, "optimizer": "muon", "seeds": [0, 1, 2],
    "configurations": {
        "baseline": {
            "parameters": 137441, "macs": 2461696, "code_bytes": 128,
            "bce": [0.1, 0.2, 0.3], "excess_bce": [0.01, 0.01, 0.04], "mse": [0.004] * 3,
            "ssim": [0.95, 0.96, 0.97], "read": [0.97, 0.98, 0.99],
            "latency_ms": {"least": 1.0, "lower_quartile": 1.25, "median": 2.5},
        },
    },
    "machine": {
        "processor": "Z80", "cores": 1, "memory": "64 KiB", "system": "CP/M", "python": "3.11",
        "keras": "3.15", "torch": "2.13", "numpy": "2.4", "date": "1982-04-23 12:00 UTC",
    },
}  # fmt: skip


def test_what_is_committed_is_drawn_from_numbers_as_the_command_writes_them():
    assert split((ROOT / "README.md").read_text("utf-8"))[1] == render(COMMITTED)
    kept = (ROOT / "results.json").read_text("utf-8")
    assert kept == json.dumps(COMMITTED, indent=1) + "\n"
    assert tuple(COMMITTED["configurations"]) == readme.CONFIGURATIONS
    datetime.strptime(COMMITTED["machine"]["date"][:16], "%Y-%m-%d %H:%M")
    for figures in COMMITTED["configurations"].values():
        for what in readme.KEPT:
            values = np.atleast_1d(figures[what])
            assert np.isfinite(values).all(), what
            assert values.size in (1, len(COMMITTED["seeds"]))
        times = figures["latency_ms"]
        assert 0 < times["least"] <= times["lower_quartile"] <= times["median"]


def table(results):
    lines = [line for line in render(results).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_every_figure_by_hand():
    header, rule, *rows = table(RESULTS)
    assert header == ["", "baseline"]
    assert set("".join(rule)) <= set("-:")
    assert rows == [
        ["parameters", "137,441"],
        ["bytes of a code", "128"],
        ["BCE", "0.20000 ± 0.10000"],
        ["accuracy", "98.00 ± 1.00%"],
        ["latency of one image (ms)", "1.25 (1.00–2.50)"],
    ]


def test_it_says_preset_seeds_machine_versions_and_date():
    text = " ".join(render(RESULTS).split())
    for words in (
        "Preset `full`: 55,000 training images, 5 epochs with Muon, seeds 0, 1, 2.",
        "Z80, 1 cores, 64 KiB, CP/M", "Python 3.11, Keras 3.15, PyTorch 2.13, NumPy 2.4",
        "1982-04-23 12:00 UTC",
    ):  # fmt: skip
        assert words in text
    first_look = render(RESULTS | {"preset": "quick"})
    assert "Preset `quick`, for a first look only: 55,000" in first_look

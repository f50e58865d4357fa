"""The README's table of results: measured, kept in `results.json`, drawn from it."""

import json
import os
import re

import numpy as np

from cae_keras.compare.comparison import QUANTITIES, cost_range
from cae_keras.compare.tables import Table, summary
from cae_keras.config import ROOT, get_preset
from cae_keras.data import Mnist
from cae_keras.deploy.benchmark import benchmark
from cae_keras.deploy.machine import machine
from cae_keras.study.store import Store
from cae_keras.study.study import is_trained, measure, run

MARKERS = ["<!-- results -->", "<!-- /results -->"]
CONFIGURATIONS = ("baseline", "narrow", "trade-off")
KEPT = ("parameters", "macs", "code_bytes", "bce", "excess_bce", "mse", "ssim", "read")
SHOWN = ("parameters", "code_bytes", "bce", "read")  # and the latency
LATENCY = ("least", "lower_quartile", "median")  # a disturbance only adds


def update(data: Mnist) -> str:
    """Writes `results.json` and the README's table, and returns the table.

    Nothing is trained; if anything is missing, nothing is written.
    """
    readme = ROOT / "README.md"
    try:
        before, _, after = split(readme.read_text("utf-8"))
        results = collect(data)
        drawn, kept = render(results), json.dumps(results, indent=1) + "\n"
        (ROOT / "results.json").write_text(kept, "utf-8", newline="\n")
        readme.write_text(before + drawn + after, "utf-8", newline="\n")
    except (OSError, UnicodeError) as error:
        raise ValueError(
            f"README.md and results.json cannot be read or written ({error})"
        ) from error
    return drawn.strip()


def split(readme: str) -> tuple[str, str, str]:
    """Returns what comes before the table, the table, and what comes after it.

    The markers belong to what is around.
    """
    parts = re.split(f"({'|'.join(MARKERS)})", readme)
    if parts[1::2] != MARKERS:
        raise ValueError(
            f"README.md has the markers {parts[1::2]}: they must be {MARKERS}"
        )
    return parts[0] + parts[1], parts[2], parts[3] + parts[4]


def collect(data: Mnist) -> dict:
    """Returns what the table is drawn from, as JSON values; trains nothing."""
    preset = get_preset()
    if not is_trained(data=data):
        raise ValueError(
            f"CAE_RUNS={str(Store().folder)!r} lacks runs: it must have the study with "
            f"preset {preset.name!r}, seeds {_listed(preset.seeds)}; "
            "`python -m cae_keras train`, with the same settings, gets them"
        )
    runs = run(data=data)
    shown = {name: runs[name] for name in CONFIGURATIONS if name in runs}
    measured, costs = measure(shown, data), benchmark(shown)
    figures = {}
    for name in shown:
        found = {what: list(map(_rounded, measured[name][what])) for what in KEPT}
        exact = {what: int(found[what][0]) for what in KEPT if QUANTITIES[what].exact}
        times = map(_rounded, cost_range(costs, name, "both"))
        latency = dict(zip(LATENCY, times, strict=True))
        figures[name] = found | exact | {"latency_ms": latency}
    return {
        "preset": preset.name,
        "images": preset.recipe.images,
        "epochs": preset.recipe.epochs,
        "optimizer": preset.recipe.optimizer,
        "seeds": list(preset.seeds),
        "configurations": figures,
        "machine": machine() | {"cores": os.cpu_count()},
    }


def render(results: dict) -> str:
    """Returns what `results.json` holds as Markdown: a table, and what it rests on."""
    shown, of = results["configurations"], results["machine"]
    found = {
        name: {what: np.atleast_1d(figures[what]) for what in SHOWN}
        for name, figures in shown.items()
    }
    columns = summary(found, SHOWN)
    rows = [[what, *(column[what] for column in columns)] for what in columns.headers]
    times = [figures["latency_ms"] for figures in shown.values()]
    form = "{lower_quartile:.2f} ({least:.2f}–{median:.2f})".format
    rows.append(["latency of one image (ms)", *(form(**each) for each in times)])
    preset = "" if results["preset"] == "full" else ", for a first look only"
    return (
        f"\n{Table(rows[1:], ['', *shown]).markdown()}\n\n"
        f"Preset `{results['preset']}`{preset}: {results['images']:,} training images, "
        f"{results['epochs']} epochs with {results['optimizer'].capitalize()}, seeds "
        f"{_listed(results['seeds'])}. Measured on "
        "the test images, mean ± standard deviation over the seeds; latency: lower "
        "quartile (least–median) through encoder and decoder, on one thread.\n"
        f"Machine: {of['processor']}, {of['cores']} cores, {of['memory']}, "
        f"{of['system']}; Python {of['python']}, Keras {of['keras']}, PyTorch "
        f"{of['torch']}, NumPy {of['numpy']}; {of['date']}.\n"
    )


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")  # about what float32 knows


def _listed(seeds) -> str:
    return ", ".join(map(str, seeds))

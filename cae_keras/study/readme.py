"""The README's table of results: measured, kept in `results.json`, drawn from it."""

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tabulate import tabulate

from cae_keras.compare.comparison import QUANTITIES
from cae_keras.compare.front import dominators, meets_quality_floor, pca_errors
from cae_keras.compare.tables import summary
from cae_keras.config import get_preset
from cae_keras.data import Mnist
from cae_keras.deploy.benchmark import benchmark
from cae_keras.deploy.machine import machine
from cae_keras.experiments import configurations
from cae_keras.measurements.baselines import fit_pca
from cae_keras.study.search import validate
from cae_keras.study.store import Store
from cae_keras.study.study import has_reader, is_trained, measure, run

ROOT = Path(__file__).parents[1]
MARKERS = ["<!-- results -->", "<!-- /results -->"]
SHOWN = ("parameters", "macs", "code_bytes", "bce", "excess_bce", "mse", "ssim", "read")
BEST = (
    "of the study's configurations that lie on the front of trainable parameters "
    "against excess BCE and meet the quality floor of `book/tradeoff.md`, the one with "
    "the smallest product of the two, judged on the validation images"
)


def update(data: Mnist) -> str:
    """Writes `results.json` and the README's table, and returns the table.

    The figures are those of the build's preset, from the runs in the store and measured
    today. Nothing is trained; on an error both files are left as they are.

    Raises:
        ValueError: If the store lacks a run, the README has not its two markers, or a
            file cannot be read or written.
    """
    readme = ROOT / "README.md"
    try:
        before, _, after = split(readme.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"README.md cannot be read ({error})") from error
    results = collect(data)
    drawn = render(results)
    kept = json.dumps(results, indent=1) + "\n"
    _write({ROOT / "results.json": kept, readme: before + drawn + after})
    return drawn.strip()


def split(readme: str) -> tuple[str, str, str]:
    """Returns what comes before the table, the table, and what comes after it.

    The markers belong to what is around.

    Raises:
        ValueError: If there are not these two, in this order.
    """
    parts = re.split(f"({'|'.join(MARKERS)})", readme)
    if parts[1::2] != MARKERS:
        raise ValueError(
            f"README.md has the markers {parts[1::2]}: they must be {MARKERS}"
        )
    return parts[0] + parts[1], parts[2], parts[3] + parts[4]


def collect(data: Mnist) -> dict:
    """Returns what the table shows, as JSON values; trains nothing.

    Returns:
        The preset with its budget and seeds; the name of the `best` on the front; of
        each of the `configurations` shown the measures, one value a seed where they
        depend on it, and the quartiles of the latency; and the `machine`.

    Raises:
        ValueError: If the store lacks a run of the study, or the reader.
    """
    preset = get_preset()
    if not (is_trained(data=data) and has_reader(data)):
        raise ValueError(
            f"CAE_RUNS={str(Store().folder)!r} lacks runs: it must have the study with "
            f"preset {preset.name!r}, seeds {_listed(preset.seeds)}; "
            "`python -m cae_keras train`, with the same settings, gets them"
        )
    runs = run(data=data)
    errors = pca_errors(fit_pca(data.x_train), data.x_val, configurations())
    best = best_on_front(validate(runs, data), errors)
    shown = {
        name: several
        for name, several in runs.items()
        if name in ("baseline", "trade-off", best)
    }
    measured, costs = measure(shown, data), benchmark(shown)
    return {
        "preset": preset.name,
        "images": preset.recipe.images,
        "epochs": preset.recipe.epochs,
        "seeds": list(preset.seeds),
        "best": best,
        "configurations": {
            name: _figures(measured[name], costs[name]["both"]) for name in shown
        },
        "machine": machine() | {"cores": os.cpu_count()},
    }


def best_on_front(
    results: Mapping[str, Mapping[str, np.ndarray]], errors: Mapping[str, float]
) -> str | None:
    """Returns the best on the front of trainable parameters against excess BCE.

    Of those on it that meet the quality floor, the one with the smallest product of the
    two: a percent of one weighs as much as a percent of the other. The fewest
    parameters alone, or the least error alone, would name an end of the front.

    Args:
        results: `{configuration: {measure: one value a seed}}`.
        errors: The MSE that each must not exceed, as `pca_errors` gives it.

    Returns:
        Its name, or None if no configuration on the front meets the floor.

    Example:
        >>> fine = {"read": [0.99], "ssim": [0.95], "mse": [0.003]}
        >>> results = {
        ...     "small": {**fine, "parameters": [50], "excess_bce": [0.04]},
        ...     "medium": {**fine, "parameters": [70], "excess_bce": [0.02]},
        ...     "large": {**fine, "parameters": [200], "excess_bce": [0.01]},
        ... }
        >>> best_on_front(results, dict.fromkeys(results, 0.01))
        'medium'
    """
    beaten_by, met = (
        dominators(results, "parameters"),
        meets_quality_floor(results, errors),
    )
    able = [name for name in results if not beaten_by[name] and all(met[name].values())]
    product = {
        name: results[name]["parameters"][0] * np.mean(results[name]["excess_bce"])
        for name in able
    }
    return min(product, key=product.get, default=None)


def render(results: dict) -> str:
    """Returns what `results.json` holds as Markdown: a table, and what it rests on."""
    shown = results["configurations"]
    found = {
        name: {what: np.atleast_1d(figures[what]) for what in SHOWN}
        for name, figures in shown.items()
    }
    columns = summary(found, SHOWN)
    rows = [[label, *(column[label] for column in columns)] for label in columns[0]]
    latencies = (_latency(**figures["latency_ms"]) for figures in shown.values())
    rows.append(["latency of one image (ms)", *latencies])
    table = tabulate(
        rows[1:], ["", *shown], tablefmt="github", disable_numparse=True,
        colalign=["left", *("right" for _ in shown)],
    )  # fmt: skip
    return f"\n{table}\n\n{_about(results)}\n"


def _about(results: dict) -> str:
    best, of = results["best"], results["machine"]
    preset = "" if results["preset"] == "full" else ", for a first look only"
    return (
        f"Preset `{results['preset']}`{preset}: {results['images']:,} training images, "
        f"{results['epochs']} epochs, seeds {_listed(results['seeds'])}. Measured on "
        "the test images, mean ± standard deviation over the seeds; latency: median "
        "(quartiles) through encoder and decoder, on one thread.\n"
        f"Best on the front: {f'**{best}**' if best else 'none'} ({BEST}).\n"
        f"Machine: {of['processor']}, {of['cores']} cores, {of['memory']}, "
        f"{of['system']}; Python {of['python']}, Keras {of['keras']}, PyTorch "
        f"{of['torch']}, NumPy {of['numpy']}; {of['date']}."
    )


def _figures(measured: Mapping[str, np.ndarray], latency: np.ndarray) -> dict:
    names, quartiles = ("low", "median", "high"), np.percentile(latency, (25, 50, 75))
    figures = {
        what: int(measured[what][0])
        if QUANTITIES[what].exact
        else list(map(_rounded, measured[what]))
        for what in SHOWN
    }
    figures["latency_ms"] = dict(zip(names, map(_rounded, quartiles), strict=True))
    return figures


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")  # about what float32 knows


def _latency(low: float, median: float, high: float) -> str:
    return f"{median:.2f} ({low:.2f}–{high:.2f})"


def _listed(seeds) -> str:
    return ", ".join(map(str, seeds))


def _write(texts: Mapping[Path, str]):
    """Writes all under temporary names, then renames: no half file is left."""
    parts = {path: path.with_suffix(".part") for path in texts}
    try:
        for path, text in texts.items():
            parts[path].write_text(text, "utf-8", newline="\n")
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink()
        raise ValueError(f"{ROOT} cannot be written ({error})") from error

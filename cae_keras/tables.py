"""What was measured, as rows of text for a table."""

from collections.abc import Sequence

import numpy as np

from cae_keras.comparison import Results, change, estimate, known, values
from cae_keras.units import show

QUALITY = ("bce", "excess_bce", "mse", "psnr", "ssim", "read")
COST = ("parameters", "macs", "code_bytes", "seconds")
SIZES = ("parameters", "saved_bytes", "code_bytes", "compression", "macs", "seconds")
SPEED = ("encode", "decode", "both", "throughput", "memory", "batch_memory")


def summary(
    results: Results, measures: Sequence[str] = QUALITY
) -> list[dict[str, str]]:
    """Returns one row a configuration: means over seeds ± their standard deviation.

    Args:
        results: What was measured, `{configuration: {measure: one value a seed}}`.
        measures: Which of it, one a column. `QUALITY` and `COST` are two choices.

    Returns:
        Rows `{column: text}`, as `tabulate(rows, headers="keys")` takes them. With one
        seed, or a value that does not depend on it, there is no ±.

    Example:
        >>> summary({"baseline": {"mse": [0.003, 0.004]}}, ["mse"])
        [{'configuration': 'baseline', 'MSE': '0.00350 ± 0.00071'}]
    """
    return [
        {"configuration": name}
        | {
            known(measure).label: _text(values(results, name, measure), measure)
            for measure in measures
        }
        for name in results
    ]


def differences(
    results: Results,
    measures: Sequence[str] = ("excess_bce", "mse", "ssim", "read"),
) -> list[dict[str, str]]:
    """Returns a table of paired changes from the baseline, with their 95 % intervals.

    Args:
        results: What was measured.
        measures: Which of them, one a column.

    Returns:
        One row a variant, `{column: text}`, as `tabulate(rows, headers="keys")` takes
        it.

    Example:
        >>> results = {"baseline": {"ssim": [0.9]}, "wide": {"ssim": [0.95]}}
        >>> differences(results, ["ssim"])
        [{'variant': 'wide', 'SSIM': '+0.0500 (one seed: no interval)'}]
    """
    return [
        {"variant": name}
        | {known(measure).label: _shown(results, measure, name) for measure in measures}
        for name in results
        if name != "baseline"
    ]


def medians(results: Results, measures: Sequence[str] = SPEED) -> list[dict[str, str]]:
    """Returns one row a configuration: medians, and from which to which quartile.

    Times have outliers, all to one side: whatever else the machine did. The median and
    the quartiles do not mind a few.

    Args:
        results: What was measured, as `benchmark` returns it.
        measures: Which of it, one a column. `SIZES` and `SPEED` are two choices.

    Returns:
        Rows `{column: text}`. A value that does not vary has no quartiles, and one
        that could not be measured is a dash.

    Example:
        >>> medians({"baseline": {"both": [1.5, 1.0, 1.1, 1.2, 9.0]}}, ["both"])
        [{'configuration': 'baseline', 'both (ms)': '1.20 (1.10–1.50)'}]
    """
    return [
        {"configuration": name}
        | {
            known(measure).label: _quartiles(values(results, name, measure), measure)
            for measure in measures
        }
        for name in results
    ]


def _quartiles(found: np.ndarray, measure: str) -> str:
    if not np.isfinite(found).all():
        return "–"
    form = known(measure).form.format
    low, median, high = np.percentile(found, (25, 50, 75))
    if known(measure).exact or len(found) == 1:
        return form(median)
    return f"{form(median)} ({form(low)}–{form(high)})"


def _text(found: np.ndarray, measure: str) -> str:
    form = known(measure).form.format
    if known(measure).exact or len(found) == 1:
        return form(found[0])
    mean, spread = form(found.mean()), form(found.std(ddof=1))
    return f"{mean} ± {spread}".replace("% ±", " ±")


def _shown(results: Results, measure: str, variant: str) -> str:
    unit, exact = known(measure).unit, known(measure).exact
    return show(estimate(change(results, measure, variant), unit, exact), unit)

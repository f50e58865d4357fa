"""What was measured, as rows of text for a table."""

from collections.abc import Sequence

import numpy as np

from cae_keras.comparison import MEASURES, Results, values

FORMATS = {  # how one value of a measure is written; its spread alike
    "bce": "{:.5f}",
    "excess_bce": "{:.5f}",
    "mse": "{:.5f}",
    "psnr": "{:.2f}",
    "ssim": "{:.4f}",
    "read": "{:.2%}",
    "sharpness": "{:.3f}",
    "roughness": "{:.3f}",
    "last_gain": "{:.2%}",
    "seconds": "{:.0f}",
    "parameters": "{:,.0f}",
    "all_parameters": "{:,.0f}",
    "macs": "{:,.0f}",
    "code_bytes": "{:,.0f}",
}
QUALITY = ("bce", "excess_bce", "mse", "psnr", "ssim", "read")
COST = ("parameters", "macs", "code_bytes", "seconds")


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
            MEASURES[measure].label: _text(values(results, name, measure), measure)
            for measure in measures
        }
        for name in results
    ]


def _text(found: np.ndarray, measure: str) -> str:
    form = FORMATS[measure].format
    if MEASURES[measure].exact or len(found) == 1:
        return form(found[0])
    mean, spread = form(found.mean()), form(found.std(ddof=1))
    return f"{mean} ± {spread}".replace("% ±", " ±")

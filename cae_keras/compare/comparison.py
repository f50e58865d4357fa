"""A variant against the baseline, seed by seed, for every measure of the study.

`results` is what `measure` returns: `{configuration: {measure: one value a seed}}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cae_keras.compare.statistics import Interval, interval, relative_change
from cae_keras.compare.text import DECIBELS, PERCENT, PLAIN, POINTS, Unit
from cae_keras.config import one_of

Results = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Quantity:
    """A measure: its name in a table, and how a change of it is shown."""

    label: str
    unit: Unit = PERCENT  # of a relative change; any other unit is of a difference
    exact: bool = False  # it follows from the configuration, the same for all seeds
    form: str = "{:.5f}"  # of one value, and of its spread
    rate: bool = False  # more is better: a disturbance takes from it


QUANTITIES = {
    "bce": Quantity("BCE"),
    "excess_bce": Quantity("excess BCE"),
    "mse": Quantity("MSE"),
    "psnr": Quantity("PSNR (dB)", DECIBELS, form="{:.2f}"),
    "ssim": Quantity("SSIM", PLAIN, form="{:.4f}"),
    "read": Quantity("accuracy", POINTS, form="{:.2%}"),
    "sharpness": Quantity("sharpness", form="{:.3f}"),
    "roughness": Quantity("roughness", form="{:.3f}"),
    "last_gain": Quantity("gain of the last epoch", POINTS, form="{:.2%}"),
    "seconds": Quantity("seconds to train", form="{:.0f}"),
    "parameters": Quantity("parameters", exact=True, form="{:,.0f}"),
    "all_parameters": Quantity(
        "parameters with moving statistics", exact=True, form="{:,.0f}"
    ),
    "macs": Quantity("MACs", exact=True, form="{:,.0f}"),
    "code_bytes": Quantity("bytes of a code", exact=True, form="{:,.0f}"),
    "compression": Quantity("compression", exact=True, form="{:.3g} ×"),
    "saved_bytes": Quantity("bytes of the file", exact=True, form="{:,.0f}"),
    "encode": Quantity("encode (ms)", form="{:.2f}"),
    "decode": Quantity("decode (ms)", form="{:.2f}"),
    "both": Quantity("both (ms)", form="{:.2f}"),
    "throughput": Quantity("images per second", form="{:,.0f}", rate=True),
    "memory": Quantity("peak memory, one image (MB)", form="{:.1f}"),
    "batch_memory": Quantity("peak memory, 256 images (MB)", form="{:.1f}"),
}


def known(measure: str) -> Quantity:
    """Returns what is known of a measure, or a `ValueError` that lists them."""
    return QUANTITIES[one_of("measure", measure, QUANTITIES)]


def values(results: Results, name: str, measure: str) -> np.ndarray:
    """Returns what was measured of one configuration, if all is there as it must be."""
    for kind, asked, there in (
        ("configuration", name, results),
        ("measure", measure, results.get(name, {})),
    ):
        if asked not in there:
            raise ValueError(
                f"{kind}={asked!r}: the results must have it; they have "
                f"{', '.join(map(repr, there)) or 'none'}"
            )
    found = np.asarray(results[name][measure], np.float64)
    if measure in QUANTITIES and QUANTITIES[measure].exact and np.ptp(found):
        raise ValueError(
            f"{measure} of {name!r} is {found.tolist()}: it must not depend on the seed"
        )
    return found


def cost_range(results: Results, name: str, cost: str) -> np.ndarray:
    """Returns least, lower quartile and median of a cost; `cost_of` says why.

    Of a rate, which a disturbance lowers, they are median, upper quartile and most.
    """
    rate = cost in QUANTITIES and QUANTITIES[cost].rate
    percentiles = (50, 75, 100) if rate else (0, 25, 50)
    return np.percentile(values(results, name, cost), percentiles)


def cost_of(results: Results, name: str, cost: str) -> float:
    """Returns what counts of a cost that was measured repeatedly: the lower quartile.

    A disturbance only adds to a time, so the low end of many is nearest to what a quiet
    machine would take. The least of all is a single measurement, though, and may be low
    by luck: of a network that was timed twice, the two lower quartiles lay closer
    together than the two least, and than the two medians. Of a rate, such as images a
    second, it is the upper quartile.

    Example:
        >>> cost_of({"narrow": {"both": [1.5, 1.0, 1.1, 1.2, 9.0]}}, "narrow", "both")
        1.1
    """
    return float(cost_range(results, name, cost)[1])


def change(
    results: Results, measure: str, variant: str, baseline: str = "baseline"
) -> np.ndarray:
    """Returns how a measure changes from the baseline to a variant, seed by seed.

    It is ln(variant / baseline) of a measure that is shown in percent, and variant −
    baseline of any other.

    Raises:
        ValueError: If something is missing, or the two have not the same seeds.

    Example:
        >>> results = {"baseline": {"ssim": [0.9, 0.8]}, "wide": {"ssim": [0.9, 0.9]}}
        >>> change(results, "ssim", "wide").round(6)
        array([0. , 0.1])
    """
    after, before = (values(results, name, measure) for name in (variant, baseline))
    if after.shape != before.shape:
        raise ValueError(
            f"{variant!r} has {after.size} seeds, {baseline!r} {before.size}: they "
            "must have the same"
        )
    if known(measure).unit is PERCENT:
        return relative_change(after, before)
    return after - before


def estimate(changes: np.ndarray, exact: bool = False) -> Interval:
    """Returns the mean change with its interval, a point if it is exact."""
    found = interval(changes)
    return replace(found, low=found.mean, high=found.mean) if exact else found


def effects(results: Results, measure: str = "excess_bce") -> dict[str, Interval]:
    """Returns the interval of each variant's `change` of a measure.

    Example:
        >>> results = {"baseline": {"mse": [2.0, 2.0]}, "wide": {"mse": [1.0, 1.0]}}
        >>> round(float(np.exp(effects(results, "mse")["wide"].mean)), 6)
        0.5
    """
    return {
        name: interval(change(results, measure, name))
        for name in results
        if name != "baseline"
    }

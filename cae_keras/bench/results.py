"""From rates by rounds to medians and ratios, or to why there are none."""

import math
import statistics
from collections.abc import Mapping, Sequence

ERROR = 0.08  # of a median; a contender whose median is less certain is no result
SHARE = 0.90  # nor is one that had less of its processors' time
ONE_THREADED = ("careful_torch_one_thread", "one_worker", "all_workers")
HAD = "it had its processors for {:.0f} % of the time, at least {:.0f} % are needed"
IS = "the standard error of its median is {:.0f} %, at most {:.0f} % are allowed"
RATIOS = {
    "e/a": ("all_workers", "stock_keras"),
    "e/b": ("all_workers", "tutorial_torch"),
    "e/c": ("all_workers", "careful_torch"),
    "d/c": ("one_worker", "careful_torch_one_thread"),
    "e/limit": ("all_workers", "limit_images_per_s"),
}


def sum_up(
    rates: Mapping[str, Sequence[float]],
    shares: Mapping[str, Sequence[float]],
    flops: float,
) -> dict:
    """Sums up rates, and shares of a processor, that were measured in rounds.

    What slows the machine in a round slows all contenders of that round; so a ratio is
    taken in each round, and the median of them is the result. There is none if a median
    is too uncertain, or a contender had too little of its processors.
    """
    limits = [1e9 * gflops / flops for gflops in rates["gemm_gflops"]]
    rates = {**rates, "limit_images_per_s": limits}
    errors = {name: standard_error(values) for name, values in rates.items()}
    had = {name: statistics.median(shares[name]) for name in ONE_THREADED}
    noisy = {
        **{name: _say(HAD, x, SHARE) for name, x in had.items() if not x >= SHARE},
        **{name: _say(IS, x, ERROR) for name, x in errors.items() if not x <= ERROR},
    }
    return {
        **{name: statistics.median(values) for name, values in rates.items()},
        "flops_per_image": flops,
        "ratios": None if noisy else {
            ratio: statistics.median(map(lambda a, b: a / b, rates[one], rates[other]))
            for ratio, (one, other) in RATIOS.items()
        },
        "noisy": noisy,
        "spread": {name: spread(values) for name, values in rates.items()},
        "standard_error": errors,
        "cpu_share": had,
        "rounds": len(limits),
    }  # fmt: skip


def _say(sentence: str, found: float, allowed: float) -> str:
    return sentence.format(100 * found, 100 * allowed)


def spread(values: Sequence[float]) -> float:
    """Returns the distance between the quartiles over the median."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle


def standard_error(values: Sequence[float]) -> float:
    """Returns the standard error of the median over the median, by the quartiles.

    For n normal values it is √(π / 2n) standard deviations, each of which is 1 / 1.35
    of the distance between the quartiles.
    """
    return math.sqrt(math.pi / 2 / len(values)) * spread(values) / 1.35

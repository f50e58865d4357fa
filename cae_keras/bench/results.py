"""From rates by rounds to medians, ratios and intervals, or to why there is none."""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

CERTAIN = 0.05  # of a ratio: there are rounds until the watched intervals reach less
ALLOWED = 0.15  # of a ratio: one whose interval reaches further is not given
WATCHED = ("e/a", "e/c")
ONE_THREADED = (
    "careful_torch_one_thread", "one_worker", "all_workers", "book_recipe",
)  # fmt: skip
REFUSED = (
    "its interval reaches {:.0f} % from the median, at most {:.0f} % are allowed; "
    "measure again while less else is running"
)
RATIOS = {
    "e/a": ("all_workers", "stock_keras"),
    "e/b": ("all_workers", "tutorial_torch"),
    "e/c": ("all_workers", "careful_torch"),
    "d/c": ("one_worker", "careful_torch_one_thread"),
    "e/limit": ("all_workers", "limit_images_per_s"),
    "book/e": ("book_recipe", "all_workers"),
}
Rates = Mapping[str, Sequence[float]]  # by names, one a round


def sum_up(rates: Rates, shares: Rates, flops: float) -> dict:
    """Sums up rates, and shares of a processor, that were measured in rounds.

    What slows the machine in a round slows all contenders of that round; so a ratio is
    taken in each round, and the median of them is the result. It is None, and `noisy`
    says why, if its interval is too wide.
    """
    limits = [1e9 * gflops / flops for gflops in rates["gemm_gflops"]]
    rates = {**rates, "limit_images_per_s": limits}
    by_round = {ratio: in_rounds(rates, ratio) for ratio in RATIOS}
    noisy = {
        ratio: REFUSED.format(100 * reach(values), 100 * ALLOWED)
        for ratio, values in by_round.items()
        if not reach(values) <= ALLOWED
    }
    return {
        **{name: statistics.median(values) for name, values in rates.items()},
        "flops_per_image": flops,
        "ratios": {
            ratio: None if ratio in noisy else statistics.median(values)
            for ratio, values in by_round.items()
        },
        "intervals": {ratio: interval(values) for ratio, values in by_round.items()},
        "noisy": noisy,
        "spread": {name: spread(values) for name, values in rates.items()},
        "cpu_share": {name: statistics.median(shares[name]) for name in ONE_THREADED},
        "rounds": len(limits),
    }  # fmt: skip


def certain(rates: Rates) -> bool:
    """Tells whether the ratios that are watched need no further round."""
    return all(reach(in_rounds(rates, ratio)) <= CERTAIN for ratio in WATCHED)


def in_rounds(rates: Rates, ratio: str) -> list[float]:
    """Returns a ratio's value in each round."""
    above, below = (rates[name] for name in RATIOS[ratio])
    return [a / b for a, b in zip(above, below, strict=True)]


def reach(values: Sequence[float]) -> float:
    """Returns how far the interval reaches from the median, over the median."""
    middle = statistics.median(values)
    return max(abs(end - middle) for end in interval(values)) / middle


def interval(values: Sequence[float]) -> list[float]:
    """Returns the 95 % bootstrap interval of a median, by percentiles.

    Of five values it is from the least to the greatest.

    References:
        Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13
    """
    from scipy import stats  # most of a second, and only this needs it

    found = stats.bootstrap([values], np.median, method="percentile", random_state=0)
    return list(map(float, found.confidence_interval))


def spread(values: Sequence[float]) -> float:
    """Returns the distance between the quartiles over the median."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle

"""Does one factor at a time add up? The trade-off predicted from single effects."""

import math

import numpy as np

from cae_keras.compare.comparison import Results, change
from cae_keras.compare.interactions import interactions
from cae_keras.compare.statistics import FAILS, HOLDS, UNDECIDED, Interval, judge
from cae_keras.compare.text import TIMES, as_text

MARGIN = 0.05  # a prediction that misses by less counts as right
CHOICES = ("narrow", "16 latents", "batch norm", "Leaky ReLU")  # of the trade-off


def predicted_changes(results: Results, pairs: bool = False) -> dict[str, np.ndarray]:
    """Returns what each choice of the trade-off does alone, as ln(choice / baseline).

    It is a change of the excess BCE. Ratios multiply, so their logarithms add: the sum
    of all is the prediction, seed by seed.

    Args:
        pairs: Whether the interactions of their pairs are added.

    Example:
        >>> alone = {"narrow": 1.5, "16 latents": 2, "batch norm": 0.5, "Leaky ReLU": 1}
        >>> alone = {name: {"excess_bce": [ratio]} for name, ratio in alone.items()}
        >>> changes = predicted_changes({"baseline": {"excess_bce": [1]}} | alone)
        >>> round(float(np.exp(sum(changes.values())[0])), 6)  # 1.5 × 2 × 0.5 × 1
        1.5
    """
    alone = {name: change(results, "excess_bce", name) for name in CHOICES}
    return alone | (interactions(results, CHOICES) if pairs else {})


def missed_by(results: Results, pairs: bool = False) -> np.ndarray:
    """Returns ln(trained / predicted) of the trade-off, seed by seed.

    It is what the choices do together beyond what each does alone, or, with `pairs`,
    beyond what every two do.

    Example:
        >>> results = {name: {"excess_bce": [1.0]} for name in ("baseline", *CHOICES)}
        >>> missed_by(results | {"trade-off": {"excess_bce": [2.0]}}).round(3)
        array([0.693])
    """
    predicted = sum(predicted_changes(results, pairs).values())
    return change(results, "excess_bce", "trade-off") - predicted


def whether_it_adds_up(found: Interval) -> str:
    """Returns in words whether a prediction holds, by an interval of `missed_by`.

    Example:
        >>> whether_it_adds_up(Interval(0.01, -0.01, 0.03, 3))[:28]
        'One factor at a time adds up'
    """
    margin = f"{100 * MARGIN:g} %"
    verdict, reason = {
        HOLDS: ("adds up", f"within {margin} of 1"),
        FAILS: ("does not add up", f"off by more than {margin}"),
        UNDECIDED: (
            "may or may not add up",
            f"and these seeds cannot tell whether it is within {margin}",
        ),
    }[judge(found, math.log1p(-MARGIN), math.log1p(MARGIN))]
    return (
        f"One factor at a time {verdict}: trained over predicted, the error is "
        f"{as_text(found, TIMES)}, {reason}."
    )

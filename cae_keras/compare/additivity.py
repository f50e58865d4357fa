"""Does one factor at a time add up? The trade-off foretold from single effects."""

import math

import numpy as np

from cae_keras.compare.comparison import Results, change
from cae_keras.compare.statistics import FAILS, HOLDS, UNDECIDED, Interval, judge
from cae_keras.compare.text import TIMES, as_text

MARGIN = 0.05  # a prediction that misses by less counts as right


def predicted_changes(
    results: Results, measure: str = "excess_bce"
) -> dict[str, np.ndarray]:
    """Returns what each choice of the trade-off does alone, as ln(choice / baseline).

    Ratios multiply, so their logarithms add: the sum of all is the prediction, seed by
    seed. The measure must be compared by ratios. Without runs of 16 latents, these are
    put on the straight line between 8 and 32 latents, on axes of the logarithms of both
    size and error.

    Example:
        >>> alone = {"narrow": 1.5, "8 latents": 4, "batch norm": 0.5, "Leaky ReLU": 1}
        >>> alone = {name: {"mse": [ratio]} for name, ratio in alone.items()}
        >>> changes = predicted_changes({"baseline": {"mse": [1]}} | alone, "mse")
        >>> round(float(np.exp(sum(changes.values())[0])), 6)  # 1.5 × √4 × 0.5 × 1
        1.5
    """
    if "16 latents" in results:
        half_code = {"16 latents": change(results, measure, "16 latents")}
    else:
        between = math.log(32 / 16) / math.log(32 / 8)
        change_of_8 = change(results, measure, "8 latents")
        half_code = {"16 latents, interpolated": between * change_of_8}
    return {
        "narrow": change(results, measure, "narrow"),
        **half_code,
        "batch norm": change(results, measure, "batch norm"),
        "Leaky ReLU": change(results, measure, "Leaky ReLU"),
    }


def missed_by(results: Results, measure: str = "excess_bce") -> np.ndarray:
    """Returns ln(trained / predicted) of the trade-off, seed by seed.

    It is the interaction: what the choices do together beyond what each does alone, and
    the error of the interpolation, if `16 latents` is not among the results.

    Example:
        >>> alone = ("baseline", "narrow", "8 latents", "batch norm", "Leaky ReLU")
        >>> results = {name: {"mse": [1.0]} for name in alone}
        >>> missed_by(results | {"trade-off": {"mse": [2.0]}}, "mse").round(3)
        array([0.693])
    """
    predicted = np.sum([*predicted_changes(results, measure).values()], axis=0)
    return change(results, measure, "trade-off") - predicted


def whether_it_adds_up(found: Interval) -> str:
    """Returns in words whether single effects add up, by an interval of `missed_by`.

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

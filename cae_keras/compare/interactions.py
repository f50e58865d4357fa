"""What two changes do together beyond what each does alone, and how sure that is."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from cae_keras.compare.comparison import Results, change
from cae_keras.compare.statistics import interval

PAIR = "{} + {}"  # the name of a configuration with two changes


def interactions(
    results: Results, changes: Sequence[str], measure: str = "excess_bce"
) -> dict[str, np.ndarray]:
    """Returns the interaction of each pair of changes, seed by seed.

    It is the difference of differences ln(both / one) − ln(other / baseline) of a
    measure that is compared by ratios: zero if the ratios multiply. A pair is called as
    its configuration, by `PAIR`, in the order of the changes.

    Raises:
        ValueError: If the results lack a configuration.

    Example:
        >>> of = {"baseline": 2.0, "a": 4.0, "b": 1.0, "a + b": 3.0}
        >>> results = {name: {"mse": [value]} for name, value in of.items()}
        >>> interactions(results, ["a", "b"], "mse")["a + b"].round(3)  # ln(3 / 2)
        array([0.405])
    """
    alone = {name: change(results, measure, name) for name in changes}
    return {
        (pair := PAIR.format(a, b)): change(results, measure, pair)
        - (alone[a] + alone[b])
        for a, b in combinations(changes, 2)
    }


def p_value(values: Sequence[float]) -> float:
    """Returns how often a mean so far from zero comes by chance, by Student's t test.

    It is two-sided, of one value a seed; with one seed it is 1.

    Example:
        >>> round(p_value([1.0, 2.0, 3.0]), 4)
        0.0742
    """
    from scipy import stats  # half a second, and few pages call this

    interval(values)  # checks them
    return float(stats.ttest_1samp(values, 0).pvalue) if len(values) > 1 else 1.0


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Returns p values corrected for their number, by Holm's method.

    Whoever calls those below α a finding calls chance one in at most α of all studies,
    however many comparisons a study has.

    References:
        Holm, A simple sequentially rejective multiple test procedure (1979),
        Scandinavian Journal of Statistics 6(2)

    Example:
        >>> holm([0.04, 0.01, 0.03]).round(6)
        array([0.06, 0.03, 0.06])
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_values={p_values!r}: they must be numbers in [0, 1]")
    order, corrected = np.argsort(p), np.empty(len(p))
    times = np.arange(len(p), 0, -1) * p[order]
    corrected[order] = np.minimum(np.maximum.accumulate(times), 1)
    return corrected

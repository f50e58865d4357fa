"""What a few seeds can say: paired changes, their intervals, and verdicts by rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy import special

from cae_keras.config import is_int

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
LEVEL = 0.95  # how often an interval contains the true mean


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval from n seeds: infinite for one, a point if exact."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Sequence[float]) -> Interval:
    """Returns the mean of one value a seed, with its Student t interval of 95 %.

    It is mean ± t · s / √n, s the standard deviation over the seeds. Of differences
    between pairs it is the interval of the paired t test.

    Args:
        values: One finite number a seed.

    Raises:
        ValueError: If there is no value, or one is not finite.

    References:
        Student, The probable error of a mean (1908), doi:10.1093/biomet/6.1.1

    Example:
        >>> found = interval([1.0, 2.0, 3.0])
        >>> round(found.low, 3), found.mean, round(found.high, 3)
        (-0.484, 2.0, 4.484)
    """
    values = _finite("values", values)
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Interval(mean, -math.inf, math.inf, n)
    limit = special.stdtrit(n - 1, (1 + LEVEL) / 2)  # of Student's t
    half = float(limit * np.std(values, ddof=1) / n**0.5)
    return Interval(mean, mean - half, mean + half, n)


def relative_change(variant: Sequence[float], baseline: Sequence[float]) -> np.ndarray:
    """Returns ln(variant / baseline), seed by seed.

    The logarithm makes a halving and a doubling equally large, and changes add up;
    `as_percent` turns it into percent.

    Raises:
        ValueError: If the lengths differ, or a value is not positive and finite.

    Example:
        >>> relative_change([2.0, 8.0], [4.0, 4.0]).round(3)
        array([-0.693,  0.693])
    """
    variant, baseline = _finite("variant", variant), _finite("baseline", baseline)
    if variant.shape != baseline.shape:
        raise ValueError(
            f"variant has {len(variant)} values, baseline {len(baseline)}: they must "
            "have one for each seed"
        )
    for name, values in (("variant", variant), ("baseline", baseline)):
        if values.min() <= 0:
            raise ValueError(
                f"{name} has {values.min():g}: a ratio needs positive values"
            )
    return np.log(variant / baseline)


def as_percent(x):
    """Returns 100 · (exp(x) − 1): a change of logarithms, one or an array, in percent.

    Example:
        >>> round(as_percent(math.log(1.25)), 6)
        25.0
    """
    with np.errstate(over="ignore"):
        percent = 100 * np.expm1(x)
    return percent if np.ndim(x) else float(percent)


def judge(found: Interval, low: float = -math.inf, high: float = math.inf) -> str:
    """Judges a claim that a value is greater than `low` and less than `high`.

    Returns:
        `"holds"` if the whole interval lies between the bounds, `"fails"` if nothing of
        it does, and otherwise `"undecided"`.

    Raises:
        ValueError: If `low` is not less than `high`.

    Example:
        >>> judge(Interval(-3.0, -5.0, -1.0, n=3), low=-2, high=0)
        'undecided'
    """
    if not low < high:
        raise ValueError(f"low={low}, high={high}: low must be less than high")
    if low < found.low and found.high < high:
        return HOLDS
    return FAILS if found.high <= low or found.low >= high else UNDECIDED


def smallest_detectable(sd: float, n: int, power: float = 0.8) -> float:
    """Returns the difference that a paired t test of `n` seeds would probably find.

    Args:
        sd: Standard deviation, over seeds, of the paired difference.
        n: Number of seeds.
        power: How often the interval of 95 % leaves out zero if the true difference is
            the one returned, in (0.05, 1).

    Returns:
        A difference in the unit of `sd`; infinite with one seed.

    References:
        Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2

    Example:
        >>> [round(smallest_detectable(1.0, n), 2) for n in (3, 5, 10)]
        [3.26, 1.68, 1.0]
    """
    if not isinstance(power, Real) or not 1 - LEVEL < power < 1:
        raise ValueError(f"power={power!r}: it must be in ({1 - LEVEL:g}, 1)")
    if not isinstance(sd, Real) or not 0 <= sd < math.inf:
        raise ValueError(f"sd={sd!r}: it must be finite, and not negative")
    if not is_int(n) or n < 1:
        raise ValueError(f"n={n!r}: it must be a positive integer")
    if n == 1:
        return math.inf
    from scipy import optimize, stats  # half a second, and few pages call this

    limit = special.stdtrit(n - 1, (1 + LEVEL) / 2)

    def missing(shift):  # the power that is lacking; t is noncentral, by ± the shift
        return power - stats.nct.sf(limit, n - 1, (shift, -shift)).sum()

    far = 1.0
    while missing(far) > 0:
        far *= 2
    return float(optimize.brentq(missing, 0, far) * sd / n**0.5)


def _finite(name: str, values) -> np.ndarray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:  # text, or lists of different lengths
        raise ValueError(f"{name}={values!r}: it must be a number a seed") from error
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name}={array.tolist()}: it must be a finite number a seed")
    return array

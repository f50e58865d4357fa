"""Numbers with their intervals as text, each in its unit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from cae_keras.compare.statistics import Interval, as_percent


@dataclass(frozen=True)
class Unit:
    """How a number is shown: what is computed from it, and what stands around it."""

    convert: Callable[[float], float]  # a rising function
    before: str = ""
    after: str = ""
    signed: bool = True  # a gain has a plus sign
    decimals: int = 2  # the most that are worth showing


MOST = 100_000  # of a larger number, only that it is larger says anything
PERCENT = Unit(as_percent, after=" %")  # of logarithms
TIMES = Unit(lambda x: 1 + as_percent(x) / 100, before="×", signed=False)  # the same
POINTS = Unit(lambda x: 100 * x, after=" points")  # of shares
SHARE = Unit(lambda x: 100 * x, after=" %", signed=False)
DECIBELS = Unit(float, after=" dB")
PLAIN = Unit(float, decimals=4)


def in_unit(found: Interval, unit: Unit) -> Interval:
    """Returns an interval with its numbers in a unit."""
    return Interval(*map(unit.convert, (found.mean, found.low, found.high)), found.n)


def as_text(found: Interval, unit: Unit = PLAIN) -> str:
    """Returns an estimate with its interval as text, with the digits that it supports.

    For `PERCENT` and `TIMES` it is an interval of ln(variant / baseline).

    Example:
        >>> as_text(Interval(math.log(0.5), math.log(0.4), math.log(0.625), 3), PERCENT)
        '−50 % (−60 to −38)'
        >>> as_text(Interval(math.log(0.5), -math.inf, math.inf, 1), PERCENT)
        '−50.0 % (one seed: no interval)'
    """
    shown = in_unit(found, unit)
    decimals = min(_decimals(shown), unit.decimals)
    mean, low, high = (
        _number(x, decimals, unit.signed) for x in (shown.mean, shown.low, shown.high)
    )
    text = f"{unit.before}{mean}{unit.after}"
    if shown.low == shown.high:
        return text
    between = f"{low} to {high}" if shown.n > 1 else "one seed: no interval"
    return f"{text} ({between})"


def _decimals(found: Interval) -> int:
    """Two digits of half the interval's width; of a value without one, three."""
    half = (found.high - found.low) / 2
    known = 0 < half < math.inf and found.n > 1
    size, digits = (half, 2) if known else (abs(found.mean), 3)
    if not 0 < size < math.inf:
        return 0
    return max(digits - 1 - math.floor(math.log10(size)), 0)


def _number(x: float, decimals: int, signed: bool) -> str:
    """Returns a number with a real minus sign, and no sign at all if it rounds to 0."""
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    over = "over " if x > MOST else ""
    text = f"{min(x, MOST):{'+' if signed else ''},.{decimals}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return over + text.replace("-", "−")

"""Numbers with their intervals as text, each in its unit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from cae_keras.compare.statistics import Interval, as_percent


@dataclass(frozen=True)
class Unit:
    """How a number is shown: what is computed from it, and what is written around it.

    Args:
        convert: A rising function.
        before: Text before the number.
        after: Text after it.
        signed: Whether a gain has a plus sign.
        decimals: The most that are worth showing.
    """

    convert: Callable[[float], float]
    before: str = ""
    after: str = ""
    signed: bool = True
    decimals: int = 2


PERCENT = Unit(as_percent, after=" %")  # of logarithms
TIMES = Unit(lambda x: 1 + as_percent(x) / 100, before="×", signed=False)  # the same
POINTS = Unit(lambda x: 100 * x, after=" points")  # of shares
SHARE = Unit(lambda x: 100 * x, after=" %", signed=False)
DECIBELS = Unit(float, after=" dB")
PLAIN = Unit(float, decimals=4)


def as_text(found: Interval, unit: Unit = PLAIN) -> str:
    """Returns an estimate with its interval as text, with the digits that it supports.

    Args:
        found: In `PERCENT` or `TIMES` an interval of ln(variant / baseline), otherwise
            one of the value itself.
        unit: How to show it.

    Example:
        >>> as_text(Interval(math.log(0.5), math.log(0.4), math.log(0.625), 3), PERCENT)
        '−50 % (−60 to −38)'
    """
    return show(in_unit(found, unit), unit)


def in_unit(found: Interval, unit: Unit) -> Interval:
    """Returns an interval with its numbers in a unit."""
    return Interval(*map(unit.convert, (found.mean, found.low, found.high)), found.n)


def show(found: Interval, unit: Unit = PLAIN) -> str:
    """Returns as text an interval whose numbers are in the unit already.

    Its digits are two of half the interval's width; of a value without one, three.

    Example:
        >>> show(Interval(-12.26, -14.02, -10.5, n=3), PERCENT)
        '−12.3 % (−14.0 to −10.5)'
        >>> show(Interval(-12.26, -100.0, math.inf, n=1), PERCENT)
        '−12.3 % (one seed: no interval)'
    """
    half = (found.high - found.low) / 2
    exact = half == 0
    known = 0 < half < math.inf and found.n > 1
    size, digits = (half, 2) if known else (abs(found.mean), 3)
    decimals = digits - 1 - math.floor(math.log10(size)) if 0 < size < math.inf else 0
    mean, low, high = (
        _number(x, min(max(decimals, 0), unit.decimals), unit.signed)
        for x in (found.mean, found.low, found.high)
    )
    text = f"{unit.before}{mean}{unit.after}"
    if exact:
        return text
    between = f"{low} to {high}" if found.n > 1 else "one seed: no interval"
    return f"{text} ({between})"


def _number(x: float, decimals: int, signed: bool) -> str:
    """Returns a number with a real minus sign, and no sign at all if it rounds to 0."""
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    text = f"{x:{'+' if signed else ''},.{decimals}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", "−")

"""What a claim is made of, and how it is judged.

A claim puts measured values between bounds. A value is an interval over seeds: its part
of the claim holds if the whole interval lies between the bounds, fails if nothing of it
does, and is undecided otherwise, for a reason that the line says. A claim holds if all
its parts do, and fails if one fails.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cae_keras.compare.comparison import (
    QUANTITIES,
    Quantity,
    Results,
    change,
    estimate,
    values,
)
from cae_keras.compare.statistics import FAILS, HOLDS, UNDECIDED, Interval, judge
from cae_keras.compare.text import Unit, as_text, in_unit

HEADERS = (  # of a row of verdicts
    "claim", "the original study says", "rule, stated before the result",
    "measured", "verdict",
)  # fmt: skip
LATER_HEADERS = ("claim", "the later version says (our words)", "rule", *HEADERS[3:])
MOST_LINES = 3  # of a part that compares more, only the least favourable is shown


@dataclass(frozen=True)
class Part:
    """One thing that a claim says: values that must lie between bounds, each of them.

    `values` takes the results and returns `{compared: one value a seed}`.
    """

    quantity: Quantity
    values: Callable[[Results], Mapping[str, np.ndarray]]
    low: float = -math.inf  # in the unit of the quantity
    high: float = math.inf
    judged: bool = True  # else it is only shown beside
    every_seed: bool = False  # each seed by itself, instead of their mean's interval
    epochs: int = 0  # that it speaks of: a shorter budget cannot refute it


@dataclass(frozen=True)
class Claim:
    """A claim of the original study, and the rule in words and in numbers."""

    number: int | str
    says: str  # … stands for words left out
    rule: str
    parts: tuple[Part, ...]
    quoted: bool = True  # else in our words


def changed(measure: str, variant: str, start: str = "baseline", **rule) -> Part:
    """Returns the part of a claim on a measure's change from `start` to `variant`."""
    compared = variant if start == "baseline" else f"{start} → {variant}"
    return Part(
        QUANTITIES[measure],
        lambda results: {compared: change(results, measure, variant, start)},
        **rule,
    )


def verdict(claim: Claim, results: Results) -> list:
    """Judges a claim; returns its row: what was measured has a line for each part."""
    parts = [
        [_judged(part, results, *of) for of in part.values(results).items()]
        for part in claim.parts
    ]
    words = [word for part in parts for word, *_ in part if word]
    lines = [line for part in parts for line in _lines(part, len(words) > 1)]
    says = f"“{claim.says}”" if claim.quoted else claim.says
    return [claim.number, says, claim.rule, "\n".join(lines), _all_of(words)]


def _judged(
    part: Part, results: Results, compared: str, found: np.ndarray
) -> tuple[str, str, float]:
    """Returns a part's word on one value, its line, and how far it lies outside."""
    unit, n = part.quantity.unit, len(found)
    changes = estimate(found, part.quantity.exact)
    measured = in_unit(changes, unit)
    word, text = judge(measured, part.low, part.high), as_text(changes, unit)
    why = _across(measured, part, unit)
    if part.every_seed:
        agreeing = sum(part.low < unit.convert(x) < part.high for x in found)
        way = "lower" if part.high < math.inf else "higher"
        text = f"{way} in {agreeing} of {n} seed{'s' * (n > 1)}"
        word, why = _every_seed(agreeing, n), ", too few"
    if part.epochs and word == FAILS:
        epochs = values(results, "baseline", "epochs").min()
        word = UNDECIDED if epochs < part.epochs else FAILS
        why = f", but {epochs:g} epochs cannot refute it"
    outside = max(measured.mean - part.high, part.low - measured.mean)
    word = word if part.judged else ""
    line = f"{compared}: {part.quantity.label} {text}{why * (word == UNDECIDED)}"
    return word, line, outside


def _across(measured: Interval, part: Part, unit: Unit) -> str:
    """Says which bounds lie inside of an interval; that of one seed says why itself."""
    bounds = " and ".join(
        f"{unit.before}{bound:g}{unit.after}".replace("-", "−")
        for bound in (part.low, part.high)
        if measured.low <= bound <= measured.high and math.isfinite(bound)
    )
    return f", across {bounds}" if measured.n > 1 else ""


def _all_of(words: list[str]) -> str:
    return next((word for word in (FAILS, UNDECIDED) if word in words), HOLDS)


def _every_seed(agreeing: int, n: int) -> str:
    """One seed proves nothing; three that agree, and none that does not, are enough."""
    if agreeing < n and n >= 2:
        return FAILS
    return HOLDS if agreeing == n and n >= 3 else UNDECIDED


def _lines(part: list[tuple[str, str, float]], several: bool) -> list[str]:
    """Returns the lines of one part; of many configurations, the one that decides."""
    words = [word for word, *_ in part]
    if len(part) <= MOST_LINES or not any(words):
        return [f"{line}, {w}" if several and w else line for w, line, _ in part]
    decided = _all_of(words)
    deciding = [one for one in part if one[0] == decided]
    _, worst, _ = max(deciding, key=lambda one: one[2])
    kinds = [word for word in (HOLDS, FAILS, UNDECIDED) if word in words]
    counts = ", ".join(f"{word} for {words.count(word)}" for word in kinds)
    return [f"{worst}, the least favourable of {len(part)}: {counts}"]

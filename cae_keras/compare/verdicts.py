"""Verdicts on the claims of the original study, and the table that shows them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cae_keras.compare.claims import CLAIMS, Claim
from cae_keras.compare.comparison import Results, estimate
from cae_keras.compare.rules import Part
from cae_keras.compare.statistics import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Interval,
    all_of,
    judge,
)
from cae_keras.compare.tables import Table
from cae_keras.compare.text import show

HEADERS = (
    "claim",
    "the original study says",
    "rule, stated before the result",
    "measured",
    "verdict",
)
MOST_LINES = 3  # of a part that compares more, only the least favourable is shown


@dataclass(frozen=True)
class Finding:
    """What was found for one part of a claim, in one configuration.

    Args:
        part: The part.
        compared: The configuration, or the two that are compared.
        interval: The estimate, in the unit of the part.
        word: `"holds"`, `"fails"`, `"undecided"`, or `""` if it is only shown.
        agreeing: In how many seeds the value lies where the part says.
    """

    part: Part
    compared: str
    interval: Interval
    word: str
    agreeing: int

    @property
    def text(self) -> str:
        """What was measured, with its interval."""
        value = show(self.interval, self.part.unit)
        if self.part.every_seed:
            way = "lower" if self.part.high < math.inf else "higher"
            value = f"{way} in {self.agreeing} of {_seeds(self.interval.n)}"
        return f"{self.compared}: {self.part.what} {value}"


@dataclass(frozen=True)
class Verdict:
    """A claim, and what this build says: `"holds"`, `"fails"` or `"undecided"`."""

    claim: Claim
    word: str
    findings: tuple[Finding, ...]

    @property
    def measured(self) -> str:
        """What was measured, one line for each part."""
        several = sum(bool(finding.word) for finding in self.findings) > 1
        return "\n".join(
            line
            for part in self.claim.parts
            for line in _lines([f for f in self.findings if f.part is part], several)
        )


def judge_claims(
    results: Results,
    chapter: str | None = None,
    claims: Sequence[Claim] = CLAIMS,
) -> list[Verdict]:
    """Judges the claims of the original study by what this build measured.

    Args:
        results: `{configuration: {measure: one value a seed}}`, with all that the
            claims speak of.
        chapter: An experiment, or `"takeaways"`: its claims only.
        claims: Which are judged; `PROPOSAL` are others.

    Returns:
        One `Verdict` a claim. With one seed, whatever depends on the seed is undecided.

    Raises:
        ValueError: If there is no claim in that chapter, or the results lack a
            configuration or a measure.

    Example:
        >>> results = {
        ...     "baseline": {"excess_bce": [0.0125, 0.0124, 0.0126]},
        ...     "three blocks": {"excess_bce": [0.0130, 0.0130, 0.0131]},
        ... }
        >>> (verdict,) = judge_claims(results, "depth")
        >>> print(verdict.word, "–", verdict.measured)
        fails – three blocks: excess BCE +4.3 % (+3.1 to +5.5)
    """
    chapters = list(dict.fromkeys(claim.chapter for claim in claims))
    if chapter not in (None, *chapters):
        raise ValueError(
            f"chapter={chapter!r}: it must be one of {', '.join(map(repr, chapters))}"
        )
    return [
        _verdict(claim, results) for claim in claims if chapter in (None, claim.chapter)
    ]


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Returns verdicts as a table: claim, its words, its rule, what was measured.

    Example:
        >>> verdict_table([])._repr_html_().count("<th>")
        5
    """
    return Table(
        [
            [v.claim.number, f"“{v.claim.quote}”", v.claim.rule, v.measured, v.word]
            for v in verdicts
        ],
        HEADERS,
    )


def _verdict(claim: Claim, results: Results) -> Verdict:
    findings = tuple(
        _finding(part, compared, np.asarray(found))
        for part in claim.parts
        for compared, found in part.values(results).items()
    )
    return Verdict(claim, all_of(f.word for f in findings if f.word), findings)


def _finding(part: Part, compared: str, found: np.ndarray) -> Finding:
    measured = estimate(found, part.unit, part.exact)
    agreeing = sum(part.low < part.unit.convert(value) < part.high for value in found)
    if not part.judged:
        word = ""
    elif part.every_seed:
        word = _every_seed(agreeing, len(found))
    else:
        word = judge(measured, part.low, part.high)
    return Finding(part, compared, measured, word, agreeing)


def _every_seed(agreeing: int, n: int) -> str:
    """One seed proves nothing; three that agree, and none that does not, are enough."""
    if agreeing < n and n >= 2:
        return FAILS
    return HOLDS if agreeing == n and n >= 3 else UNDECIDED


def _lines(findings: list[Finding], several: bool) -> list[str]:
    """Returns the lines of one part; of many configurations, the one that decides."""
    words = [finding.word for finding in findings]
    if len(findings) > MOST_LINES and any(words):
        worst = max(
            (finding for finding in findings if finding.word == all_of(words)),
            key=_outside,
        )
        counts = Counter(words)
        summary = ", ".join(
            f"{word} for {counts[word]}"
            for word in (HOLDS, FAILS, UNDECIDED)
            if counts[word]
        )
        return [f"{worst.text}, the least favourable of {len(words)}: {summary}"]
    return [
        f"{finding.text}, {finding.word}" if several and finding.word
        else finding.text
        for finding in findings
    ]  # fmt: skip


def _outside(finding: Finding) -> float:
    """Returns how far an estimate lies outside its bounds, or, if negative, inside."""
    mean, part = finding.interval.mean, finding.part
    return max(mean - part.high, part.low - mean)


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"

"""How far a finding reaches: does a comparison keep its sign under other conditions?"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cae_keras.compare.comparison import Results
from cae_keras.compare.ledger import claims_of, judge_claims
from cae_keras.compare.statistics import interval
from cae_keras.compare.tables import Table
from cae_keras.compare.verdicts import Claim

KEPT, LOST, UNCLEAR, UNTOUCHED = "yes", "no", "unclear", "–"
ENOUGH = 3  # comparisons, and seeds of the study


def reach(
    results: Results,
    elsewhere: Mapping[str, Sequence[Results]],
    chapter: str | None = None,
) -> Table:
    """Returns the ledger, shortened, with a column for each place a claim was tried at.

    What a claim compares has a sign in the study: yes if it is the same in each seed of
    each trial there, no if it is so in none, and else unclear; as it is with fewer than
    three comparisons, with fewer than three seeds in the study, or if the study's own
    interval has both signs. A claim of several parts keeps its sign if all do, and has
    lost it if one has. A dash: the claim is not about what was measured there.

    Args:
        results: What the study measured.
        elsewhere: For each column some trials, as `try_all` returns them. One that
            lacks a configuration, or a measure, says nothing of what needs it.
        chapter: As `judge_claims` takes it.
    """
    judged, rows = judge_claims(results, chapter), []
    columns = [*judged.headers[:2], "verdict"]
    for claim, row in zip(claims_of(chapter), judged, strict=True):
        words = [_claim_keeps(claim, results, trials) for trials in elsewhere.values()]
        rows.append([*(row[column] for column in columns), *words])
    return Table(rows, [*columns, *elsewhere])


def keeps_sign(before: np.ndarray, found: Iterable[np.ndarray]) -> str:
    """Tells whether comparisons have the sign that they had before: see `reach`.

    Example:
        >>> keeps_sign(np.array([0.2, 0.3, 0.25]), [np.array([0.1, 0.4, 0.2])])
        'yes'
    """
    every, known = np.concatenate(list(found)), interval(before)
    if min(len(every), len(before)) < ENOUGH or known.low <= 0 <= known.high:
        return UNCLEAR
    same = np.sign(every) == np.sign(known.mean)
    return KEPT if same.all() else UNCLEAR if same.any() else LOST


def _claim_keeps(claim: Claim, results: Results, trials: Sequence[Results]) -> str:
    words = []
    for part in (part for part in claim.parts if part.judged):
        if found := [each for trial in trials if (each := _values(part, trial))]:
            words += [
                keeps_sign(before, [each[name] for each in found])
                for name, before in part.values(results).items()
            ]
    if not words:
        return UNTOUCHED
    return LOST if LOST in words else UNCLEAR if UNCLEAR in words else KEPT


def _values(part, trial: Results) -> Mapping[str, np.ndarray]:
    """Returns what a part compares in a trial; nothing if that lacks what it needs."""
    try:
        return part.values(trial)
    except ValueError:
        return {}

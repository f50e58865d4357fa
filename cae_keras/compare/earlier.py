"""What other recipes gave: why the book's was chosen, and which verdicts have turned.

`earlier.json` has, of each recipe that was tried, the last validation BCE of its runs,
and of the first one, ten epochs of Adam, all that was measured on the test images.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from cae_keras.compare.comparison import Results
from cae_keras.compare.ledger import judge_claims
from cae_keras.compare.statistics import FAILS, HOLDS, UNDECIDED, as_percent
from cae_keras.compare.tables import Table

FILE = Path(__file__).with_suffix(".json")
WAS = {HOLDS: "held", FAILS: "failed", UNDECIDED: "was undecided"}
IS = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "is undecided"}


@cache
def _kept() -> dict:
    return json.loads(FILE.read_text("utf-8"))


def first_study() -> Results:
    """Returns the measures of the study under its first recipe, as `measure` does."""
    return {
        name: {measure: np.array(values) for measure, values in measured.items()}
        for name, measured in _kept()["first_study"].items()
    }


def turned(results: Results, chapter: str | None = None) -> str:
    """Says in a sentence which verdicts are others than under the first recipe.

    Args:
        results: Those of this build.
        chapter: As `judge_claims` takes it.
    """
    tables = (judge_claims(each, chapter) for each in (first_study(), results))
    said = [
        f"claim {now['claim']} {WAS[before['verdict']]}, here it {IS[now['verdict']]}"
        for before, now in zip(*tables, strict=True)
        if before["verdict"] != now["verdict"]
    ]
    what = "; ".join(said) or "the verdicts were the same"
    recipe = f"the first edition's recipe, ten epochs of Adam ({_kept()['date']})"
    return f"By {recipe}, {what}."


def tried_recipes() -> Table:
    """Returns what each recipe that was tried did on validation images, a row each.

    First the processor's time beside that of the first recipe: by steps, and the time
    that a step was measured to take. Then by how many percent the mean excess BCE of
    each configuration's runs is above that of the first recipe with the same seeds; all
    stands for the geometric mean.
    """
    first, *others = _kept()["tried"]
    rows = []
    for tried in others:
        ratios = {
            name: _excess(found, found) - _excess(first["bce"][name], found)
            for name, found in tried["bce"].items()
        }
        cells = [as_percent(ratios[n]) if n in ratios else "" for n in first["bce"]]
        mean = "" if "" in cells else as_percent(np.mean([*ratios.values()]))
        rows.append([tried["recipe"], tried["time"], mean, *cells])
    headers = ["recipe", "time", "all", *first["bce"]]
    return Table(rows, headers, ("", ".2f", *["+.1f"] * (len(headers) - 2)))


def _excess(losses: dict[str, float], seeds) -> float:
    """Returns ln of the mean excess over some seeds."""
    return np.log(np.mean([losses[seed] for seed in seeds]) - _kept()["floor"])

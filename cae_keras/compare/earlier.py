"""What other recipes gave: why the book's was chosen, and which verdicts have turned.

`earlier.json` has, of each recipe that was tried, the last validation BCE of its runs,
and of the first one, ten epochs of Adam, all that was measured on the test images.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from cae_keras.compare.claims import judge_claims
from cae_keras.compare.comparison import Results
from cae_keras.compare.statistics import UNDECIDED, as_percent
from cae_keras.compare.tables import Table

FILE = Path(__file__).with_suffix(".json")


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
    """Says which verdicts on claims are others than under the first recipe.

    Args:
        results: Those of this build.
        chapter: As `judge_claims` takes it.
    """
    pairs = zip(
        judge_claims(first_study(), chapter), judge_claims(results, chapter),
        strict=True,
    )  # fmt: skip
    said = [
        f"claim {now['claim']} {_word(before)} there and {_word(now)} here"
        for before, now in pairs
        if before["verdict"] != now["verdict"]
    ]
    lead = f"Beside ten epochs of Adam ({_kept()['date']}), "
    return lead + ("; ".join(said) or "no verdict is another") + "."


def _word(row: dict) -> str:
    word = row["verdict"]
    return f"is {word}" if word == UNDECIDED else word


def tried_recipes() -> Table:
    """Returns what each recipe that was tried did on validation images, a row each.

    A column a configuration: by how many percent the mean excess BCE of its runs is
    above that of the first recipe with the same seeds; then their geometric mean, and
    the processor's time, by steps and the measured time of a step.
    """
    kept = _kept()
    first, *others = kept["tried"]
    rows = []
    for recipe in others:
        ratios = {
            name: _mean_excess(losses, losses)
            / _mean_excess(first["bce"][name], losses)
            for name, losses in recipe["bce"].items()
        }
        cells = [
            as_percent(np.log(ratios[n])) if n in ratios else "" for n in first["bce"]
        ]
        whole = as_percent(np.mean(np.log([*ratios.values()])))
        seeds = max(map(len, recipe["bce"].values()))
        rows.append(
            [
                recipe["name"],
                seeds,
                *cells,
                "" if "" in cells else whole,
                recipe["time"],
            ]
        )
    headers = ["recipe", "seeds", *first["bce"], "all (geometric mean)", "time"]
    return Table(rows, headers, ("", "", *11 * ["+.1f"], "× {:.2f}"))


def _mean_excess(losses: dict, seeds) -> float:
    return np.mean([losses[seed] for seed in seeds]) - _kept()["floor"]

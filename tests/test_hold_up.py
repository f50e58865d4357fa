"""How far findings reach: pairs and their correction, trials, and whether a sign is kept, on made-up results."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import special

from cae_keras import (
    CAEConfig,
    Recipe,
    holm,
    interactions,
    interval,
    p_value,
    reach,
    try_all,
)
from cae_keras.compare.reach import keeps_sign
from cae_keras.compare.statistics import Interval
from cae_keras.experiments import BEYOND, CHANGES, EXPERIMENTS
from cae_keras.figures import interaction_map
from cae_keras.measurements.trials import losses
from cae_keras.metrics import bce, excess_bce
from cae_keras.training import train

RNG = np.random.default_rng(7)
NAMES = list(CHANGES)
RECIPE = Recipe(images=64, epochs=2, batch_size=16)


def test_interactions_are_the_product_terms_of_a_regression():
    rows = [set(name.split(" + ")) - {"baseline"} for name in BEYOND["pairs"].variants]
    columns = [(), *((name,) for name in NAMES), *combinations(NAMES, 2)]
    design = np.array(
        [[float(row >= set(column)) for column in columns] for row in rows]
    )
    errors = RNG.lognormal(size=(len(rows), 3))
    fitted = np.linalg.solve(design, np.log(errors))[-10:]
    results = {
        name: {"mse": e}
        for name, e in zip(BEYOND["pairs"].variants, errors, strict=True)
    }
    found = interactions(results, NAMES, "mse")
    assert list(found) == [f"{a} + {b}" for a, b in combinations(NAMES, 2)]
    np.testing.assert_allclose(list(found.values()), fitted)


def test_the_first_four_changes_make_the_trade_off():
    made = CAEConfig()
    for name in NAMES[:4]:
        made = CHANGES[name](made)
    assert made == EXPERIMENTS["tradeoff"].variants["trade-off"]
    assert BEYOND["pairs"].variants["narrow + three blocks"].filters == (16, 32, 32, 32)


def test_a_p_value_is_below_one_in_twenty_where_the_interval_leaves_out_zero():
    for values in RNG.normal(0.8, 0.6, size=(50, 3)):
        found, t = p_value(values), values.mean() / values.std(ddof=1) * 3**0.5
        assert found == pytest.approx(2 * special.stdtr(2, -abs(t)))
        assert (found < 0.05) == (
            not interval(values).low <= 0 <= interval(values).high
        )
    assert p_value([0.3]) == 1


def test_holm_is_what_testing_every_subset_gives():
    """By closed testing: a comparison counts if each subset with it would, after Bonferroni."""
    for p in RNG.uniform(0, 0.3, size=(20, 5)):
        subsets = [s for n in range(1, 6) for s in combinations(range(5), n)]
        wanted = [
            max(min(1, len(s) * p[list(s)].min()) for s in subsets if i in s)
            for i in range(5)
        ]
        np.testing.assert_allclose(holm(p), wanted)
    with pytest.raises(
        ValueError, match=r"p_values=\[2\]: they must be numbers in \[0, 1\]"
    ):
        holm([2])


class TestTrials:
    config = CAEConfig(filters=(2, 2), latent_dim=2)

    def test_the_losses_are_those_of_a_run(self, tiny, monkeypatch):
        monkeypatch.setenv("CAE_WORKERS", "1")
        found = try_all({"a": self.config}, recipe=RECIPE, seeds=(3,), data=tiny)["a"]
        run = train(self.config, RECIPE, 3, tiny)
        for split, x in (("", tiny.x_test), ("val_", tiny.x_val)):
            for measure in (bce, excess_bce):
                expected = pytest.approx(measure(x, run.reconstruct(x)), rel=1e-5)
                assert found[f"{split}{measure.__name__}"] == expected

    def test_other_test_images_are_another_trial(self, tiny, monkeypatch):
        monkeypatch.setenv("CAE_WORKERS", "1")
        other = replace(tiny, x_test=255 - tiny.x_test)
        first, second = (
            try_all({"a": self.config}, recipe=RECIPE, seeds=(0,), data=data)["a"]
            for data in (tiny, other)
        )
        assert first["val_bce"] == second["val_bce"]
        assert first["bce"] != second["bce"]

    def test_what_has_diverged_has_an_infinite_loss(self, tiny):
        run = train(self.config, replace(RECIPE, peak_learning_rate=1e30), 0, tiny)
        values = losses(run, tiny)
        assert set(values.values()) == {np.inf}


@pytest.mark.parametrize(
    ("before", "found", "word"),
    [
        ([-0.2, -0.3, -0.25], [[-0.1, -0.4], [-0.2]], "yes"),
        ([-0.2, -0.3, -0.25], [[0.1, 0.4, 0.2]], "no"),
        ([-0.2, -0.3, -0.25], [[-0.1, 0.4, -0.2]], "unclear"),
        ([-0.2, -0.3, -0.25], [[-0.1, -0.4]], "unclear"),  # too few comparisons
        ([-0.2, -0.3], [[-0.1, -0.4, -0.2]], "unclear"),  # too few seeds
        (
            [-0.2, 0.3, -0.25],
            [[-0.1, -0.4, -0.2]],
            "unclear",
        ),  # the study does not know
    ],
)
def test_a_sign_is_kept_lost_or_unclear(before, found, word):
    assert keeps_sign(np.array(before), map(np.array, found)) == word


def test_a_claim_is_followed_to_where_its_measures_are():
    def measured(deeper):
        return {"baseline": {"excess_bce": np.full(3, 0.01)}, "three blocks": {"excess_bce": 0.01 * np.array(deeper)}}  # fmt: skip

    better, worse = measured([0.97, 0.968, 0.972]), measured([1.02, 1.01, 1.03])
    (row,) = reach(
        better, {"rates": [better, {}], "images": [worse], "nowhere": [{}]}, "depth"
    )
    assert (row["claim"], row["verdict"]) == ("12", "holds")
    assert (row["rates"], row["images"], row["nowhere"]) == ("yes", "no", "–")


def test_what_is_only_shown_beside_a_claim_has_no_sign_to_keep():
    names, measures = (
        ("baseline", "2 latents", "64 latents"),
        ("parameters", "read", "ssim"),
    )
    study = {
        n: dict.fromkeys((*measures, "excess_bce"), np.full(3, 0.5)) for n in names
    }
    trial = {name: {"excess_bce": np.full(3, 0.5)} for name in names}
    for row in reach(study, {"there": [trial]}, "latent_dim"):
        assert row["there"] == "–"


def test_a_cell_of_the_map_is_pale_where_zero_is_not_excluded():
    sure, unsure = Interval(0.2, 0.1, 0.3, 3), Interval(0.2, -0.1, 0.5, 3)
    figure = interaction_map({"a": sure, "b": unsure}, {"a + b": unsure}, ["a + b"])
    cells = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    assert [cell.get_facecolor()[3] for cell in cells] == [1, 0.3, 0.3]
    assert len(figure.axes[0].patches) == 4  # and one frame
    assert figure.alt.endswith(" Framed: a + b.")

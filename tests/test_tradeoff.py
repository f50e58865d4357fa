"""The last chapter's reasoning on made-up results: prediction, floor, fronts, choice, and every word that follows."""

import math

import numpy as np
import pytest
from test_claims import made

from cae_keras import CAEConfig, Interval, fit_pca, judge_claims, mse
from cae_keras.compare.additivity import (
    missed_by,
    predicted_changes,
    whether_it_adds_up,
)
from cae_keras.compare.choices import PROPOSAL
from cae_keras.compare.floor import (
    FLOOR,
    choose,
    meets_quality_floor,
    pca_errors,
    quality_floor_table,
)
from cae_keras.compare.front import dominators, front, place_on_front
from cae_keras.compare.statistics import interval
from cae_keras.experiments import BEYOND, EXPERIMENTS, configurations
from cae_keras.measurements.cost import cost

RATIOS = {"narrow": 1.2, "8 latents": 2.25, "batch norm": 0.9, "Leaky ReLU": 1.1}
FINE = {"read": [0.96, 0.97], "ssim": [0.91, 0.95], "mse": [0.004, 0.003]}


class TestPrediction:
    def results(self, tradeoff):
        levels = np.array([0.012, 0.024, 0.006])  # seeds differ; only ratios count
        ratios = {"baseline": 1.0, **RATIOS, "trade-off": tradeoff}
        return {name: {"excess_bce": r * levels} for name, r in ratios.items()}

    def test_ratios_multiply_and_half_the_way_is_a_square_root(self):
        parts = predicted_changes(self.results(1.0))
        assert list(parts) == [
            "narrow", "16 latents, interpolated", "batch norm", "Leaky ReLU"
        ]  # fmt: skip
        product = 1.2 * 1.5 * 0.9 * 1.1
        assert np.exp(sum(parts.values())) == pytest.approx(3 * [product])

    def test_16_lies_on_the_power_law_through_8_and_32(self):
        def error(k):
            return 0.3 * k**-0.7

        results = self.results(1.0)
        results["baseline"]["excess_bce"] = np.array([error(32)])
        results["8 latents"]["excess_bce"] = np.array([error(8)])
        for name in ("narrow", "batch norm", "Leaky ReLU"):
            results[name]["excess_bce"] = np.array([error(32)])
        ratio = np.exp(predicted_changes(results)["16 latents, interpolated"])
        assert ratio == pytest.approx(error(16) / error(32))

    def test_misses_by_trained_over_predicted(self):
        product = 1.2 * 1.5 * 0.9 * 1.1
        assert missed_by(self.results(product)) == pytest.approx(np.zeros(3))
        assert np.exp(missed_by(self.results(2 * product))) == pytest.approx(2)

    def test_16_latents_that_were_trained_take_the_place_of_the_line(self):
        results = self.results(1.2 * 1.5 * 0.9 * 1.1)
        trained = 1.8 * results["baseline"]["excess_bce"]
        results["16 latents"] = {"excess_bce": trained}
        parts = predicted_changes(results)
        assert np.exp(parts["16 latents"]) == pytest.approx(1.8)
        assert "16 latents, interpolated" not in parts
        assert np.exp(missed_by(results)) == pytest.approx(1.5 / 1.8)

    def test_predicts_without_the_result(self):
        results = self.results(1.0)
        del results["trade-off"]
        predicted_changes(results)

    @pytest.mark.parametrize(
        "low, high, words",
        [
            (0.97, 1.03, "adds up: "),
            (0.951, 1.049, "adds up: "),
            (1.06, 1.2, "does not add up: "),
            (0.8, 0.94, "does not add up: "),
            (0.9, 1.0, "may or may not add up: "),
            (1.0, 1.3, "may or may not add up: "),
            (0.5, 2.0, "may or may not add up: "),
        ],
    )
    def test_the_words_follow_from_the_interval(self, low, high, words):
        low, high = math.log(low), math.log(high)
        said = whether_it_adds_up(Interval((low + high) / 2, low, high, 3))
        assert said.startswith(f"One factor at a time {words}")

    def test_one_seed_cannot_tell(self):
        said = whether_it_adds_up(interval([0.0]))
        assert "may or may not" in said
        assert "one seed: no interval" in said
        assert "inf" not in said


class TestFloor:
    @pytest.mark.parametrize(
        "measure, values, ok",
        [
            ("read", [0.95, 0.99], True), ("read", [0.949, 0.99], False),
            ("ssim", [0.90, 0.99], True), ("ssim", [0.99, 0.899], False),
            ("mse", [0.005, 0.001], True), ("mse", [0.001, 0.0051], False),
        ],
    )  # fmt: skip
    def test_every_seed_counts_in_every_part(self, measure, values, ok):
        results = {"a": {**FINE, measure: np.array(values)}}
        expected = {"read": True, "ssim": True, "mse": True, measure: ok}
        assert meets_quality_floor(results, {"a": 0.005}) == {"a": expected}

    def test_the_table_shows_the_worst_seed_and_what_is_missed(self):
        (row,) = quality_floor_table(
            {"a": {**FINE, "ssim": [0.95, 0.89]}}, {"a": 0.0035}
        )
        assert list(row.values()) == [
            "a", "96.00%", "0.8900", "0.00400", "0.00350", "SSIM, MSE",
        ]  # fmt: skip
        (row,) = quality_floor_table({"a": FINE}, {"a": 0.004})
        assert row["misses"] == "nothing"

    def test_says_its_thresholds(self):
        for words in ("95%", "0.90", "2 times"):
            assert words in FLOOR

    def test_pca_gets_twice_the_numbers(self, mnist):
        images = mnist.x_val[:200]
        pca = fit_pca(images)
        configs = {"a": CAEConfig(latent_dim=3), "b": CAEConfig(latent_dim=8)}
        assert pca_errors(pca, images, configs) == {
            "a": mse(images, pca.reconstruct(images, 6)),
            "b": mse(images, pca.reconstruct(images, 16)),
        }

    def candidates(self, **changed):
        sizes = {"a": (64, 300), "b": (64, 200), "c": (32, 900)}
        return {
            name: {**FINE, "code_bytes": [code], "parameters": [parameters]}
            | changed.get(name, {})
            for name, (code, parameters) in sizes.items()
        }

    def test_the_smallest_code_then_the_fewest_parameters(self):
        limits = dict.fromkeys("abc", 0.005)
        assert choose(self.candidates(), limits) == "c"
        assert choose(self.candidates(c={"read": [0.5]}), limits) == "b"
        assert (
            choose(self.candidates(c={"read": [0.5]}, b={"ssim": [0.1]}), limits) == "a"
        )
        assert choose(self.candidates(), dict.fromkeys("abc", 0.0)) is None


class TestFronts:
    def test_against_the_definition_on_random_points(self):
        x, y = np.random.default_rng(0).integers(0, 12, (2, 40))
        points = {str(i): {"cost": [a], "error": [b]} for i, (a, b) in enumerate(zip(x, y, strict=True))}  # fmt: skip
        beaten_by = dominators(points, "cost", "error")
        for i in range(40):
            beating = {
                str(j)
                for j in range(40)
                if x[j] <= x[i] and y[j] <= y[i] and (x[j] < x[i] or y[j] < y[i])
            }
            assert set(beaten_by[str(i)]) == beating
        on = {int(name) for name, others in beaten_by.items() if not others}
        assert set(front(x, y)) == on
        assert list(x[front(x, y)]) == sorted(x[front(x, y)])

    def test_the_median_cost_and_the_mean_error_count(self):
        results = {
            "a": {"ms": [1.0, 1.0, 100.0], "mse": [1.0, 1.0, 4.0]},
            "b": {"ms": [2.0, 2.0, 2.0], "mse": [1.9, 1.9, 1.9]},
        }
        assert dominators(results, "ms", "mse") == {"a": [], "b": []}
        results["a"]["mse"] = [1.0, 1.0, 1.0]
        assert dominators(results, "ms", "mse") == {"a": [], "b": ["a"]}

    def test_equal_points_do_not_strike_each_other_out(self):
        same = {name: {"macs": [5], "excess_bce": [0.1]} for name in "ab"}
        assert dominators(same, "macs") == {"a": [], "b": []}

    def test_words(self):
        found = {"trade-off": ["a", "b"], "a": []}
        assert place_on_front("a", found) == "on the front"
        said = place_on_front("trade-off", found)
        assert said == "not on the front: dominated by a, b"


def made_besides(changes=None, s=0.01):
    """As `made`, with 16 latents besides, made as 8 latents would be."""
    changes = changes or {}
    of_16 = {
        ("8 latents", m): x for (name, m), x in changes.items() if name[:2] == "16"
    }
    return made(changes, s) | {"16 latents": made(of_16, s)["8 latents"]}


def word(number, changes, s, code=64):
    results = made_besides(changes, s)
    results["trade-off"]["code_bytes"] = np.full(3, code)
    (verdict,) = [
        v for v in judge_claims(results, claims=PROPOSAL) if v.claim.number == number
    ]
    return verdict.word


class TestTableOfChoices:
    @pytest.mark.parametrize(
        "number, expected, changes, s",
        [
            (15, "holds", {}, 0.01),
            (15, "fails", {("narrow", "parameters"): 90_000}, 0.01),
            (16, "holds", {("narrow", "bce"): 4}, 0.002),
            (16, "fails", {("narrow", "bce"): 8}, 0.002),
            (16, "undecided", {("narrow", "bce"): 4}, 0.02),
            (18, "holds", {("16 latents", "read"): -0.003, ("16 latents", "ssim"): -0.01}, 0.0001),
            (18, "fails", {("16 latents", "read"): -0.02}, 0.0001),
            (18, "fails", {("16 latents", "ssim"): -0.03}, 0.0001),
            (19, "holds", {("three blocks", "excess_bce"): 10}, 0.01),
            (19, "holds", {("three blocks", "excess_bce"): -1}, 0.01),
            (19, "fails", {("three blocks", "excess_bce"): -12}, 0.01),
            (19, "undecided", {("three blocks", "excess_bce"): -5}, 0.01),
            (20, "holds", {}, 0.01),
            (20, "fails", {("Leaky ReLU", "excess_bce"): -12}, 0.01),
            (20, "fails", {("Leaky ReLU", "excess_bce"): 12}, 0.01),
            (20, "undecided", {("Leaky ReLU", "excess_bce"): 5}, 0.01),
            (21, "holds", {("Leaky ReLU", "roughness"): -10}, 0.01),
            (21, "fails", {("Leaky ReLU", "roughness"): 10}, 0.01),
            (21, "undecided", {}, 0.01),
            (22, "holds", {}, 0.01),
            (22, "fails", {("batch norm", "parameters"): 139_000}, 0.01),
            (23, "holds", {("batch norm", "roughness"): -10}, 0.01),
            (23, "fails", {("batch norm", "roughness"): 10}, 0.01),
            (23, "undecided", {}, 0.01),
        ],
    )  # fmt: skip
    def test_verdict(self, number, expected, changes, s):
        assert word(number, changes, s) == expected

    @pytest.mark.parametrize("code, expected", [(64, "holds"), (128, "fails"), (32, "fails")])  # fmt: skip
    def test_half_the_code(self, code, expected):
        assert word(17, {}, 0.01, code) == expected

    def test_the_sweet_spot_may_stay_undecided(self):
        results = made_besides()
        noise = np.array([-0.01, 0.0, 0.01])
        results["16 latents"]["read"] = results["baseline"]["read"] + noise
        (verdict,) = (v for v in judge_claims(results, claims=PROPOSAL) if v.claim.number == 18)  # fmt: skip
        assert verdict.word == "undecided"

    def test_numbers_go_on_from_the_ledger(self):
        assert [claim.number for claim in PROPOSAL] == list(range(15, 24))
        assert {claim.chapter for claim in PROPOSAL} == {"tradeoff"}

    def test_the_rule_names_every_threshold(self):
        for claim in PROPOSAL:
            for part in claim.parts:
                for bound in {part.low, part.high} - {0, math.inf, -math.inf}:
                    assert f"{abs(bound):g}" in claim.rule, (claim.number, bound)


class TestBeyondTheStudy:
    def test_the_published_network_is_as_published(self):
        config = BEYOND["published"].variants["published trade-off"]
        dense = (7 * 7 * 32 + 1) * 16 + (16 + 1) * 7 * 7 * 32
        encoder = (16 * 1 * 32 + 32) + (16 * 32 * 32 + 32)
        decoder = (16 * 32 * 32 + 32) + (16 * 32 * 1 + 1)
        assert cost(config)["parameters"] == encoder + dense + decoder == 85_649

    def test_the_search_is_latents_times_filters(self):
        configs = configurations("search")
        assert {(c.latent_dim, c.filters) for c in configs.values()} == {
            (latents, filters)
            for latents in (8, 12, 16, 24)
            for filters in ((16, 32, 32), (32, 32, 64))
        }
        assert len(configs) == 8
        assert {(c.batch_norm, c.activation) for c in configs.values()} == {
            (False, "relu")
        }

    def test_is_no_part_of_the_study(self):
        besides = {"published trade-off", "16 latents", "narrow, 16 latents"}
        assert besides <= configurations(*BEYOND).keys()
        assert not besides & configurations().keys()
        assert not BEYOND.keys() & EXPERIMENTS.keys()

    def test_one_name_and_one_configuration_belong_together_in_all(self):
        together = configurations(*EXPERIMENTS, *BEYOND)
        count = len(configurations()) + 1 + 7  # the search has one of the study
        assert len(together) == len(set(together.values())) == count

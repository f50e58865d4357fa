"""The last chapter's reasoning on made-up results: prediction, floor, fronts, choice, and every word that follows."""

import math

import numpy as np
import pytest

import cae_keras as cae
from cae_keras.compare.statistics import Interval
from cae_keras.experiments import BEYOND, EXPERIMENTS, configurations

RATIOS = {"narrow": 1.2, "16 latents": 1.5, "batch norm": 0.9, "Leaky ReLU": 1.1}
FINE = {"read": [0.96, 0.97], "ssim": [0.91, 0.95], "mse": [0.004, 0.003]}


class TestPrediction:
    @pytest.mark.parametrize("times", [1, 2])
    def test_misses_by_trained_over_predicted(self, times):
        levels = np.array([0.012, 0.024, 0.006])  # seeds differ; only ratios count
        ratios = RATIOS | {"baseline": 1, "trade-off": times * 1.2 * 1.5 * 0.9 * 1.1}
        results = {name: {"excess_bce": r * levels} for name, r in ratios.items()}
        assert np.exp(cae.missed_by(results)) == pytest.approx(3 * [times])

    @pytest.mark.parametrize("low, high, words", [
        (0.951, 1.049, "adds up: "), (1.06, 1.2, "does not add up: "), (0.8, 0.94, "does not add up: "),
        (0.9, 1.0, "may or may not add up: "), (1.0, 1.3, "may or may not add up: "),
    ])  # fmt: skip
    def test_the_words_follow_from_the_interval(self, low, high, words):
        low, high = math.log(low), math.log(high)
        said = cae.whether_it_adds_up(Interval((low + high) / 2, low, high, 3))
        assert said.startswith(f"One factor at a time {words}")
        alone = cae.whether_it_adds_up(cae.interval([0.0]))
        assert "may or may not" in alone
        assert "one seed: no interval" in alone


class TestQualityFloor:
    @pytest.mark.parametrize("measure, values, ok", [
        ("read", [0.95, 0.99], True), ("read", [0.949, 0.99], False),
        ("ssim", [0.90, 0.99], True), ("ssim", [0.99, 0.899], False),
        ("mse", [0.005, 0.001], True), ("mse", [0.001, 0.0051], False),
    ])  # fmt: skip
    def test_every_seed_counts_in_every_part(self, measure, values, ok):
        results = {"a": {**FINE, measure: np.array(values)}}
        expected = {"read": True, "ssim": True, "mse": True, measure: ok}
        assert cae.meets_quality_floor(results, {"a": 0.005}) == {"a": expected}

    def test_the_table_shows_the_worst_seed_and_what_is_missed(self):
        (row,) = cae.quality_floor_table({"a": FINE | {"ssim": [0.95, 0.89]}}, {"a": 0.0035})  # fmt: skip
        assert list(row.values()) == ["a", "96.00%", "0.8900", "0.00400", "0.00350", "SSIM, MSE"]  # fmt: skip
        (row,) = cae.quality_floor_table({"a": FINE}, {"a": 0.004})
        assert row["misses"] == "nothing"
        assert len(cae.quality_floor_table({}, {})) == 0

    def test_pca_gets_twice_the_numbers(self, mnist):
        images = mnist.x_val[:200]
        pca = cae.fit_pca(images)
        configs = {"a": cae.CAEConfig(latent_dim=3), "b": cae.CAEConfig(latent_dim=8)}
        assert cae.pca_errors(pca, images, configs) == {
            "a": cae.mse(images, pca.reconstruct(images, 6)),
            "b": cae.mse(images, pca.reconstruct(images, 16)),
        }

    def test_the_smallest_code_then_the_fewest_parameters(self):
        sizes = {"a": (64, 300), "b": (64, 200), "c": (32, 900)}
        results = {
            name: FINE | {"code_bytes": [code], "parameters": [parameters]}
            for name, (code, parameters) in sizes.items()
        }
        limits = dict.fromkeys("abc", 0.005)
        assert cae.choose(results, limits) == "c"
        results["c"] |= {"read": [0.5]}
        assert cae.choose(results, limits) == "b"
        results["b"] |= {"ssim": [0.1]}
        assert cae.choose(results, limits) == "a"
        assert cae.choose(results, dict.fromkeys("abc", 0.0)) is None


class TestFronts:
    @pytest.mark.parametrize("margin", [1.0, 1.25, 2.0])
    def test_against_the_definition_on_random_points(self, margin):
        x, y = np.random.default_rng(0).integers(1, 12, (2, 40))
        points = {str(i): {"cost": [x[i]], "error": [y[i]]} for i in range(40)}
        found = cae.dominators(points, "cost", "error", margin)

        def beats(j, i):
            if margin > 1:  # only who costs less by more than the margin
                return x[i] / x[j] > margin and y[j] <= y[i]
            return x[j] <= x[i] and y[j] <= y[i] and (x[j] < x[i] or y[j] < y[i])

        for i in range(40):
            beating = {str(j) for j in range(40) if beats(j, i)}
            assert set(found[str(i)]) == beating  # equal points leave each other be
            errors = [y[int(name)] for name in found[str(i)]]
            assert errors == sorted(errors)

    def test_the_lower_quartile_of_cost_and_the_mean_error_count(self):
        results = {
            "a": {"ms": [3.0, 1.0, 1.0, 100.0, 3.0], "mse": [1.0, 1.0, 4.0]},
            "b": {"ms": [0.5, 2.0, 2.0, 2.0, 2.0], "mse": [1.9, 1.9, 1.9]},
        }
        assert cae.dominators(results, "ms", "mse") == {"a": [], "b": []}
        results["a"]["mse"] = [1.0, 1.0, 1.0]
        assert cae.dominators(results, "ms", "mse") == {"a": [], "b": ["a"]}
        # as far apart as two timings of one network: no difference
        assert cae.dominators(results, "ms", "mse", 2.0) == {"a": [], "b": []}


class TestBeyondTheStudy:
    def test_the_search_is_latents_times_filters(self):
        assert set(configurations("search").values()) == {
            cae.CAEConfig(filters, latents)
            for latents in (8, 12, 16, 24)
            for filters in ((16, 32, 32), (32, 32, 64))
        }

    def test_is_no_part_of_the_study(self):
        assert not BEYOND.keys() & EXPERIMENTS.keys()
        others = BEYOND.keys() - {"pairs"}  # one of which the search has, too
        together = configurations(*EXPERIMENTS, *others)
        count = len(configurations()) + 1 + 7  # the search has one of the study
        assert len(together) == len(set(together.values())) == count

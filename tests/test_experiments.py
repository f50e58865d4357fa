"""The registry holds the table of the design (§3), typed here a second time, factor by factor."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cae_keras.config import CAEConfig, Recipe
from cae_keras.experiments import EXPERIMENTS, Experiment, configurations

BASELINE = {
    "filters": (32, 32, 64),
    "latent_dim": 32,
    "batch_norm": False,
    "activation": "relu",
    "negative_slope": 0.1,
}
TABLE = {  # experiment: {variant: what differs from the baseline}
    "baseline": {"baseline": {}},
    "filters": {
        "narrow": {"filters": (16, 32, 32)},
        "baseline": {},
        "wide": {"filters": (32, 64, 128)},
    },
    "latent_dim": {
        "2 latents": {"latent_dim": 2},
        "8 latents": {"latent_dim": 8},
        "baseline": {},
        "64 latents": {"latent_dim": 64},
    },
    "batch_norm": {"baseline": {}, "batch norm": {"batch_norm": True}},
    "activation": {"baseline": {}, "Leaky ReLU": {"activation": "leaky_relu"}},
    "depth": {"baseline": {}, "three blocks": {"filters": (32, 32, 64, 64)}},
    "tradeoff": {
        "baseline": {},
        "trade-off": {
            "filters": (16, 32, 32),
            "latent_dim": 16,
            "batch_norm": True,
            "activation": "leaky_relu",
        },
    },
}


def differences(config):
    return {
        name: value for name, value in asdict(config).items() if value != BASELINE[name]
    }


def test_the_registry_is_the_table_of_the_design_in_its_order():
    assert list(EXPERIMENTS) == list(TABLE)
    for name, variants in TABLE.items():
        found = EXPERIMENTS[name].variants
        assert list(found) == list(variants)
        assert {each: differences(found[each]) for each in found} == variants


def test_each_experiment_says_its_name_factor_and_question():
    for name, experiment in EXPERIMENTS.items():
        assert experiment.name == name
        assert experiment.factor
        assert experiment.question.endswith("?")
        assert "baseline" in experiment.variants


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"baseline", "tradeoff"}))
def test_one_factor_is_changed_at_a_time(name):
    changed = [differences(c) for c in EXPERIMENTS[name].variants.values()]
    factors = {factor for each in changed for factor in each}
    assert len(factors) == 1
    depths = {config.depth for config in EXPERIMENTS[name].variants.values()}
    assert (len(depths) > 1) == (name == "depth")


def test_a_name_stands_for_one_configuration_and_a_configuration_has_one_name():
    pairs = {
        (name, config)
        for experiment in EXPERIMENTS.values()
        for name, config in experiment.variants.items()
    }
    names = {name for variants in TABLE.values() for name in variants}
    assert len(pairs) == len(dict(pairs)) == len({c for _, c in pairs}) == len(names)
    assert configurations() == dict(pairs)


def test_configurations_of_some_experiments_come_together_once():
    both = configurations("depth", "batch_norm")
    assert list(both) == ["baseline", "three blocks", "batch norm"]
    own = {"mine": CAEConfig(latent_dim=3)}
    assert configurations(own) == own
    assert list(configurations(own, "depth")) == ["mine", "baseline", "three blocks"]


@pytest.mark.parametrize("name", ["depht", "Depth", "", "wide"])
def test_an_unknown_experiment_is_named_and_so_are_the_choices(name):
    with pytest.raises(ValueError, match="must be one of") as error:
        configurations("filters", name)
    assert str(error.value).startswith(f"experiment={name!r}: ")
    for choice in TABLE:
        assert repr(choice) in str(error.value)


OWN = CAEConfig(latent_dim=3)


@pytest.mark.parametrize(
    "first, second",
    [
        ("depth", {"baseline": OWN}),
        ({"mine": OWN}, {"mine": replace(OWN, latent_dim=4)}),
        ({"mine": OWN}, {"mine": (OWN, Recipe())}),
        ({"mine": (OWN, Recipe())}, {"mine": (OWN, Recipe(epochs=1))}),
    ],
)
def test_a_name_must_not_stand_for_two_configurations(first, second):
    """Or the second would silently take the place of the first."""
    (name,) = second
    with pytest.raises(ValueError, match="that name stands for") as error:
        configurations(first, second)
    before = configurations(first)[name]
    assert str(error.value) == (
        f"{name}={second[name]!r}: that name stands for {before!r}"
    )
    assert configurations(first, {name: before}) == configurations(first)


def test_a_configuration_may_bring_a_recipe_of_its_own():
    own = {"mine": (OWN, Recipe(epochs=1)), "plain": OWN}
    assert configurations(own) == own


@pytest.mark.parametrize(
    "variant", [(OWN,), (Recipe(), OWN), (OWN, 3), (OWN, Recipe(), 0), [OWN], Recipe()]
)
def test_what_is_no_configuration_is_refused(variant):
    with pytest.raises(ValueError, match="must be a CAEConfig, or one and a") as error:
        configurations({"plain": OWN, "mine": variant})
    assert str(error.value).startswith(f"mine={variant!r}: ")


def test_the_example_of_the_recipe_is_an_experiment_of_one_factor():
    """What a reader puts into the registry, and what into the table above."""
    recipe = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    example = recipe.split("\n## Add an experiment")[1]
    entry, line = re.findall(
        r"```python\n(Experiment\(.*?\)| +\".*?\},)\n```", example, re.S
    )
    names = {"Experiment": Experiment, "replace": replace, "BASELINE": CAEConfig()}
    added = eval(entry, names)
    found = {name: differences(config) for name, config in added.variants.items()}
    assert eval(f"{{{line}}}") == {added.name: found}
    assert found["baseline"] == {}
    assert len({factor for each in found.values() for factor in each}) == 1
    together = configurations(*EXPERIMENTS, added.variants)  # no name is taken
    assert together.keys() >= found.keys()
    assert f"train {added.name}`" in recipe


def test_an_experiment_has_variants():
    with pytest.raises(ValueError, match=r"variants=\{\}: it must have at least one"):
        Experiment("mine", "none", "What for?", {})

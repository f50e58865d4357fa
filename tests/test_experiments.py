"""The registry holds the table of the design (§3), typed here a second time, factor by factor."""

import re
from dataclasses import asdict, replace
from pathlib import Path

from cae_keras.config import CAEConfig, Recipe
from cae_keras.experiments import EXPERIMENTS, Experiment, configurations

BASELINE = {
    "filters": (32, 32, 64), "latent_dim": 32, "batch_norm": False, "activation": "relu",
    "negative_slope": 0.1,
}  # fmt: skip
TABLE = {  # experiment: {variant: what differs from the baseline}
    "baseline": {"baseline": {}},
    "filters": {"narrow": {"filters": (16, 32, 32)}, "baseline": {}, "wide": {"filters": (32, 64, 128)}},
    "latent_dim": {
        "2 latents": {"latent_dim": 2}, "8 latents": {"latent_dim": 8}, "baseline": {}, "64 latents": {"latent_dim": 64},
    },
    "batch_norm": {"baseline": {}, "batch norm": {"batch_norm": True}},
    "activation": {"baseline": {}, "Leaky ReLU": {"activation": "leaky_relu"}},
    "depth": {"baseline": {}, "three blocks": {"filters": (32, 32, 64, 64)}},
    "tradeoff": {
        "baseline": {},
        "trade-off": {"filters": (16, 32, 32), "latent_dim": 16, "batch_norm": True, "activation": "leaky_relu"},
    },
}  # fmt: skip


def differences(config):
    return {
        name: value for name, value in asdict(config).items() if value != BASELINE[name]
    }


def test_the_registry_is_the_table_of_the_design_in_its_order():
    assert list(EXPERIMENTS) == list(TABLE)
    for name, variants in TABLE.items():
        experiment = EXPERIMENTS[name]
        found = experiment.variants
        assert list(found) == list(variants)
        assert {each: differences(found[each]) for each in found} == variants
        assert experiment.name == name
        assert experiment.factor
        assert experiment.question.endswith("?")


def test_a_name_stands_for_one_configuration_and_a_configuration_has_one_name():
    pairs = {
        (name, config)
        for experiment in EXPERIMENTS.values()
        for name, config in experiment.variants.items()
    }
    assert len(pairs) == len(dict(pairs)) == len({config for _, config in pairs})
    assert configurations() == dict(pairs)


def test_configurations_of_some_experiments_come_together_once():
    both = configurations("depth", "batch_norm")
    assert list(both) == ["baseline", "three blocks", "batch norm"]
    mine = CAEConfig(latent_dim=3)
    own = {"mine": mine, "short": (mine, Recipe(epochs=1))}  # with a budget of its own
    assert configurations(own) == own
    assert list(configurations(own, "depth")) == [*own, "baseline", "three blocks"]


def test_the_example_for_contributors_is_an_experiment_of_one_factor():
    """What a reader puts into the registry, and what into the table above."""
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    blocks = r"```python\n(Experiment\(.*?\)| +\".*?\},)\n```"
    entry, line = re.findall(blocks, text, re.S)
    names = {"Experiment": Experiment, "replace": replace, "BASELINE": CAEConfig()}
    added = eval(entry, names)
    found = {name: differences(config) for name, config in added.variants.items()}
    assert eval(f"{{{line}}}") == {added.name: found}
    assert found["baseline"] == {}
    assert len({factor for each in found.values() for factor in each}) == 1
    together = configurations(*EXPERIMENTS, added.variants)  # no name is taken
    assert together.keys() >= found.keys()
    assert f"train {added.name}`" in text

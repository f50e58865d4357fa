"""The frozen values: every rule is kept, every error says what is wrong."""

import dataclasses
import json
import math

import numpy as np
import pytest

from cae_keras.config import PRESETS, CAEConfig, Recipe, count_from, get_preset

BAD_CONFIGS = [  # arguments, what is named, the rule
    ({"filters": ()}, "filters=()", "1 to 5 entries"),
    ({"filters": []}, "filters=()", "1 to 5 entries"),
    ({"filters": (8,) * 6}, "filters=(8, 8, 8, 8, 8, 8)", "1 to 5 entries"),
    ({"filters": "32"}, "filters='32'", "sequence of positive integers"),
    ({"filters": 32}, "filters=32", "sequence of positive integers"),
    ({"filters": b" "}, "filters=b' '", "sequence of positive integers"),
    ({"filters": {8, 16}}, "filters={", "sequence of positive integers"),
    ({"filters": {8: 16}}, "filters={8: 16}", "sequence of positive integers"),
    ({"filters": None}, "filters=None", "sequence of positive integers"),
    ({"filters": (32, 0)}, "filters[1]=0", "positive integer"),
    ({"filters": (-8, 8)}, "filters[0]=-8", "positive integer"),
    ({"filters": (8, 8.0)}, "filters[1]=8.0", "positive integer"),
    ({"filters": (8, True)}, "filters[1]=True", "positive integer"),
    ({"filters": ("8",)}, "filters[0]='8'", "positive integer"),
    ({"latent_dim": 0}, "latent_dim=0", "positive integer"),
    ({"latent_dim": -1}, "latent_dim=-1", "positive integer"),
    ({"latent_dim": 1.5}, "latent_dim=1.5", "positive integer"),
    ({"latent_dim": True}, "latent_dim=True", "positive integer"),
    ({"latent_dim": "8"}, "latent_dim='8'", "positive integer"),
    ({"latent_dim": None}, "latent_dim=None", "positive integer"),
    ({"batch_norm": "yes"}, "batch_norm='yes'", "True or False"),
    ({"batch_norm": 1}, "batch_norm=1", "True or False"),
    ({"batch_norm": None}, "batch_norm=None", "True or False"),
    ({"activation": "gelu"}, "activation='gelu'", "'relu', 'leaky_relu'"),
    ({"activation": "ReLU"}, "activation='ReLU'", "'relu', 'leaky_relu'"),
    ({"activation": None}, "activation=None", "'relu', 'leaky_relu'"),
    ({"negative_slope": -0.1}, "negative_slope=-0.1", "in [0, 1)"),
    ({"negative_slope": 1}, "negative_slope=1", "in [0, 1)"),
    ({"negative_slope": math.nan}, "negative_slope=nan", "in [0, 1)"),
    ({"negative_slope": True}, "negative_slope=True", "in [0, 1)"),
    ({"negative_slope": "x"}, "negative_slope='x'", "in [0, 1)"),
]
BAD_RECIPES = [
    ({"images": 0}, "images=0", "positive integer"),
    ({"images": 55_001}, "images=55001", "at most 55,000"),
    ({"images": 100.0}, "images=100.0", "positive integer"),
    ({"epochs": 0}, "epochs=0", "positive integer"),
    ({"epochs": True}, "epochs=True", "positive integer"),
    ({"batch_size": -64}, "batch_size=-64", "positive integer"),
    ({"batch_size": "64"}, "batch_size='64'", "positive integer"),
    ({"peak_learning_rate": 0}, "peak_learning_rate=0", "above 0"),
    ({"peak_learning_rate": -1e-3}, "peak_learning_rate=-0.001", "above 0"),
    ({"peak_learning_rate": math.inf}, "peak_learning_rate=inf", "finite"),
    ({"peak_learning_rate": math.nan}, "peak_learning_rate=nan", "above 0"),
    ({"peak_learning_rate": "1e-3"}, "peak_learning_rate='1e-3'", "above 0"),
    ({"warmup": -0.1}, "warmup=-0.1", "in [0, 1)"),
    ({"warmup": 1}, "warmup=1", "in [0, 1)"),
    ({"warmup": math.nan}, "warmup=nan", "in [0, 1)"),
    ({"warmup": False}, "warmup=False", "in [0, 1)"),
]


@pytest.mark.parametrize(
    "kind, arguments, named, rule",
    [(CAEConfig, *case) for case in BAD_CONFIGS]
    + [(Recipe, *case) for case in BAD_RECIPES],
)
def test_a_bad_value_is_named_with_its_rule(kind, arguments, named, rule):
    with pytest.raises(ValueError, match="must") as error:
        kind(**arguments)
    assert named in str(error.value)
    assert rule in str(error.value)


def test_defaults_are_the_baseline_and_the_budget_of_the_design():
    assert CAEConfig() == CAEConfig((32, 32, 64), 32, False, "relu", 0.1)
    assert Recipe() == Recipe(55_000, 10, 64, 4e-3, 0.2)


def test_values_at_the_edge_of_a_rule_are_taken():
    assert CAEConfig(filters=(1,), latent_dim=1, negative_slope=0).negative_slope == 0.0
    assert CAEConfig(filters=(8,) * 5).depth == 4
    assert Recipe(images=1, epochs=1, batch_size=1, warmup=0).warmup == 0.0


def test_lists_and_numpy_numbers_become_plain_values():
    """Plain values compare, hash and go to JSON; numpy's do not."""
    config = CAEConfig(
        filters=list(np.array([16, 32, 32])),
        latent_dim=np.int32(16),
        negative_slope=np.float32(0.25),
    )
    assert config == CAEConfig(filters=(16, 32, 32), latent_dim=16, negative_slope=0.25)
    assert hash(config) == hash(
        CAEConfig(filters=(16, 32, 32), latent_dim=16, negative_slope=0.25)
    )
    assert {type(entry) for entry in (*config.filters, config.latent_dim)} == {int}
    assert type(config.negative_slope) is float
    assert type(Recipe(images=np.int64(100)).images) is int


@pytest.mark.parametrize(
    "value",
    [CAEConfig((8, 16), 4, True, "leaky_relu", 0.3), Recipe(images=100, epochs=2)],
)
def test_values_come_back_from_json(value):
    assert type(value)(**json.loads(json.dumps(dataclasses.asdict(value)))) == value


@pytest.mark.parametrize("value", [CAEConfig(), Recipe(), get_preset("quick")])
def test_values_are_frozen(value):
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 1)


@pytest.mark.parametrize("entries", [1, 2, 3, 4, 5])
def test_feature_maps_halve_the_side_and_round_up(entries):
    filters = (3, 5, 7, 9, 11)[:entries]
    config = CAEConfig(filters=filters)
    assert config.feature_maps == tuple(
        (math.ceil(28 / 2 ** (i + 1)), filters[i]) for i in range(entries)
    )
    assert config.depth == entries - 1


@pytest.mark.parametrize(
    "images, batch_size",
    [(55_000, 64), (10_000, 64), (64, 64), (65, 64), (63, 64), (1, 64), (9, 1)],
)
def test_steps_are_counted_as_batches_are_cut(images, batch_size):
    recipe = Recipe(images=images, batch_size=batch_size, epochs=3)
    assert recipe.steps_per_epoch == len(range(0, images, batch_size))
    assert recipe.steps == 3 * recipe.steps_per_epoch


def test_presets_are_those_of_the_design():
    full, quick = get_preset("full"), get_preset("quick")
    assert (full.recipe.images, full.recipe.epochs, full.seeds) == (
        55_000,
        10,
        (0, 1, 2),
    )
    assert (quick.recipe.images, quick.recipe.epochs, quick.seeds) == (
        10_000,
        3,
        (0, 1),
    )
    assert (full.every, quick.every) == (1, 4)
    assert dataclasses.replace(quick.recipe, images=55_000, epochs=10) == full.recipe


def test_preset_comes_from_the_environment_unless_it_is_asked_for(monkeypatch):
    assert get_preset().name == "full"
    monkeypatch.setenv("CAE_PRESET", "quick")
    assert get_preset().name == "quick"
    assert get_preset("full").name == "full"
    monkeypatch.setenv("CAE_PRESET", "")
    assert get_preset().name == "full"


@pytest.mark.parametrize("name", ["fast", "Full", "full "])
def test_unknown_preset_lists_the_choices(monkeypatch, name):
    monkeypatch.setenv("CAE_PRESET", name)
    with pytest.raises(ValueError, match="must be one of 'full', 'quick'") as error:
        get_preset()
    assert f"CAE_PRESET={name!r}" in str(error.value)


def test_seeds_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CAE_SEEDS", "5")
    assert get_preset("quick").seeds == (0, 1, 2, 3, 4)
    assert get_preset("quick").recipe == PRESETS["quick"].recipe
    assert PRESETS["quick"].seeds == (0, 1)
    monkeypatch.setenv("CAE_SEEDS", "")
    assert get_preset("full").seeds == (0, 1, 2)


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5", " "])
def test_bad_seed_counts_are_named(monkeypatch, count):
    monkeypatch.setenv("CAE_SEEDS", count)
    with pytest.raises(ValueError, match="positive integer") as error:
        get_preset()
    assert f"CAE_SEEDS={count!r}" in str(error.value)


@pytest.mark.parametrize("text, count", [("1", 1), ("12", 12), ("", None)])
def test_a_count_comes_from_the_environment(monkeypatch, text, count):
    monkeypatch.setenv("CAE_WORKERS", text)
    assert count_from("CAE_WORKERS") == count
    monkeypatch.delenv("CAE_WORKERS")
    assert count_from("CAE_WORKERS") is None


@pytest.mark.parametrize("text", ["0", "-1", "+1", "x", "1.5", "1e3", "²", " ", "all"])
def test_a_bad_count_is_named_with_its_rule(monkeypatch, text):
    monkeypatch.setenv("CAE_WORKERS", text)
    with pytest.raises(ValueError, match="must be a positive integer") as error:
        count_from("CAE_WORKERS")
    assert f"CAE_WORKERS={text!r}" in str(error.value)

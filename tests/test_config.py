"""The frozen values: every rule is kept, every error says what is wrong."""

import math

import numpy as np
import pytest

from cae_keras.config import CAEConfig, Preset, Recipe, get_preset

SEQUENCE, ENTRIES = "sequence of positive integers", "1 to 5 entries"
POSITIVE, SHARE = "positive integer", "in [0, 1)"
BAD = {  # by field: value, what is named, the rule
    (CAEConfig, "filters"): [
        *((value, "filters=()", ENTRIES) for value in ((), [])),
        ((8,) * 6, "filters=(8, 8, 8, 8, 8, 8)", ENTRIES),
        *((value, f"filters={value!r}", SEQUENCE) for value in ("32", 32, b" ", {8, 16}, {8: 16}, None)),
        ((32, 0), "filters[1]=0", POSITIVE), ((-8, 8), "filters[0]=-8", POSITIVE), ((8, 8.0), "filters[1]=8.0", POSITIVE),
        ((8, True), "filters[1]=True", POSITIVE), (("8",), "filters[0]='8'", POSITIVE),
    ],
    (CAEConfig, "latent_dim"): [(value, "", POSITIVE) for value in (0, -1, 1.5, True, "8", None)],
    (CAEConfig, "batch_norm"): [(value, "", "True or False") for value in ("yes", 1, None)],
    (CAEConfig, "activation"): [(value, "", "'relu', 'leaky_relu'") for value in ("gelu", "ReLU", None, ["relu"])],
    (CAEConfig, "negative_slope"): [(value, "", SHARE) for value in (-0.1, 1, math.nan, True, "x")],
    (Recipe, "images"): [(0, "", POSITIVE), (100.0, "", POSITIVE), (55_001, "", "at most 55,000")],
    (Recipe, "epochs"): [(0, "", POSITIVE), (True, "", POSITIVE)],
    (Recipe, "batch_size"): [(-64, "", POSITIVE), ("64", "", POSITIVE)],
    (Recipe, "peak_learning_rate"): [(value, "", "finite and above 0") for value in (0, -1e-3, math.inf, math.nan, "1e-3")],
    (Recipe, "optimizer"): [(value, "", "one of 'adam', 'muon'") for value in ("sgd", None)],
    (Recipe, "warmup"): [(value, "", SHARE) for value in (-0.1, 1, math.nan, False)],
}  # fmt: skip


@pytest.mark.parametrize(
    "kind, field, value, named, rule",
    [(*key, *case) for key, cases in BAD.items() for case in cases],
)
def test_a_bad_value_is_named_with_its_rule(kind, field, value, named, rule):
    with pytest.raises(ValueError, match="must") as error:
        kind(**{field: value})
    assert str(error.value).startswith(f"{named or f'{field}={value!r}'}: it must")
    assert rule in str(error.value)


def test_defaults_are_the_baseline_and_the_budget_of_the_design():
    assert CAEConfig() == CAEConfig((32, 32, 64), 32, False, "relu", 0.1)
    assert Recipe() == Recipe(55_000, 5, 64, 6e-3, 0.2, "muon")


def test_values_at_the_edge_of_a_rule_are_taken():
    assert CAEConfig(filters=(1,), latent_dim=1, negative_slope=0).negative_slope == 0.0
    assert CAEConfig(filters=(8,) * 5).depth == 4
    assert Recipe(images=1, epochs=1, batch_size=1, warmup=0).warmup == 0.0


def test_lists_and_numpy_numbers_become_plain_values():
    """Plain values compare, hash and go to JSON; numpy's do not."""
    found = CAEConfig(
        list(np.array([16, 32])), np.int32(16), negative_slope=np.float32(0.25)
    )
    config = CAEConfig(filters=(16, 32), latent_dim=16, negative_slope=0.25)
    assert found == config
    assert hash(found) == hash(config)
    assert {type(entry) for entry in (*found.filters, found.latent_dim)} == {int}
    assert type(found.negative_slope) is float
    assert type(Recipe(images=np.int64(100)).images) is int


def test_presets_are_those_of_the_design():
    full, quick = get_preset("full"), get_preset("quick")
    assert full == Preset("full", Recipe(), (0, 1, 2), 1)
    assert quick == Preset("quick", Recipe(6_400, 2, batch_size=32), (0, 1), 4)


def test_preset_comes_from_the_environment_unless_it_is_asked_for(monkeypatch):
    assert get_preset().name == "full"
    monkeypatch.setenv("CAE_PRESET", "quick")
    assert get_preset().name == "quick"
    assert get_preset("full").name == "full"
    monkeypatch.setenv("CAE_PRESET", "")
    assert get_preset().name == "full"


def test_seeds_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("CAE_SEEDS", "5")
    assert get_preset("quick").seeds == (0, 1, 2, 3, 4)
    monkeypatch.setenv("CAE_SEEDS", "")
    assert get_preset("full").seeds == (0, 1, 2)

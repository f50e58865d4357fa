"""What the rule of a claim is made of: values taken from the results, and bounds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cae_keras.compare.comparison import QUANTITIES, Results, change, values
from cae_keras.compare.text import PERCENT, Unit
from cae_keras.experiments import EXPERIMENTS, configurations

ONE_FACTOR = ("filters", "latent_dim", "batch_norm", "activation", "depth")
VARIANTS = tuple(  # of the original study: an experiment added to it moves no claim
    name for name in configurations(*ONE_FACTOR, "tradeoff") if name != "baseline"
)


@dataclass(frozen=True)
class Part:
    """One thing that a claim says: a value, and where it must lie.

    Args:
        what: What is measured.
        values: Takes the results, returns `{compared: one value a seed}`; each of them
            must lie between the bounds.
        unit: The unit of the bounds, and how the values are shown.
        low: The value must be greater.
        high: The value must be less.
        exact: Whether the value does not depend on the seed.
        judged: Whether it counts, or is only shown beside.
        every_seed: Whether each seed is judged by itself, instead of their mean by its
            interval.
    """

    what: str
    values: Callable[[Results], Mapping[str, np.ndarray]]
    unit: Unit = PERCENT
    low: float = -math.inf
    high: float = math.inf
    exact: bool = False
    judged: bool = True
    every_seed: bool = False


def changed(measure: str, variant: str, start: str = "baseline", **rule) -> Part:
    """Returns the part of a claim that speaks of a measure's change.

    Args:
        measure: One of `QUANTITIES`.
        variant: The configuration that it changes to.
        start: The one that it changes from.
        **rule: The bounds, and whatever else a `Part` takes.

    Example:
        >>> part = changed("ssim", "wide", low=0)
        >>> part.values({"baseline": {"ssim": [0.5]}, "wide": {"ssim": [0.75]}})
        {'wide': array([0.25])}
    """
    kind = QUANTITIES[measure]
    compared = variant if start == "baseline" else f"{start} → {variant}"
    return Part(
        kind.label,
        lambda results: {compared: change(results, measure, variant, start)},
        kind.unit,
        exact=kind.exact,
        **rule,
    )


def fewer_parameters(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of the baseline's parameters over those of narrow."""
    return {"baseline / narrow": change(results, "parameters", "baseline", "narrow")}


def factor_effects(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of the largest over the smallest excess BCE that each factor gives."""
    return {
        EXPERIMENTS[name].factor: np.ptp(
            [change(results, "excess_bce", v) for v in EXPERIMENTS[name].variants],
            axis=0,
        )
        for name in ONE_FACTOR
    }


def lead_of_two(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of how far latent size and filter width are ahead of the others."""
    effects = factor_effects(results)
    two = [effects.pop(EXPERIMENTS[name].factor) for name in ("filters", "latent_dim")]
    return {
        "smaller effect of the two": np.min(two, axis=0)
        - np.max([*effects.values()], axis=0)
    }


def last_gains(results: Results) -> dict[str, np.ndarray]:
    """Returns the last epoch's gain of every configuration."""
    return {
        name: values(results, name, "last_gain") for name in ("baseline", *VARIANTS)
    }


def no_larger(results: Results) -> dict[str, np.ndarray]:
    """Returns the change of excess BCE of all with no more parameters."""
    return {
        name: change(results, "excess_bce", name)
        for name in VARIANTS
        if (change(results, "parameters", name) <= 0).all()
    }


def size_times_error(results: Results) -> dict[str, np.ndarray]:
    """Returns the change of parameters × excess BCE of every variant."""
    return {
        name: change(results, "parameters", name) + change(results, "excess_bce", name)
        for name in VARIANTS
    }

"""The registry of the study: one factor is changed at a time, from one baseline."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from cae_keras.config import CAEConfig, Recipe, one_of

BASELINE = CAEConfig()


@dataclass(frozen=True)
class Experiment:
    """One question, and the configurations that answer it, at least one."""

    name: str  # what `run` and the command line call it
    factor: str  # what is changed
    question: str
    variants: dict[str, CAEConfig]  # a name stands for the same in the whole study

    def __post_init__(self):
        if not self.variants:
            raise ValueError(f"variants={self.variants!r}: it must have at least one")


def _by_name(*experiments: Experiment) -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in experiments}


EXPERIMENTS = _by_name(
    Experiment("baseline", "none", "How does it work?", {"baseline": BASELINE}),
    Experiment("filters", "number of filters", "Does width buy quality?", {
        "narrow": replace(BASELINE, filters=(16, 32, 32)),
        "baseline": BASELINE,
        "wide": replace(BASELINE, filters=(32, 64, 128)),
    }),
    Experiment("latent_dim", "size of the latent space",
               "How many numbers does a digit need?", {
        "2 latents": replace(BASELINE, latent_dim=2),
        "8 latents": replace(BASELINE, latent_dim=8),
        "baseline": BASELINE,
        "64 latents": replace(BASELINE, latent_dim=64),
    }),
    Experiment("batch_norm", "batch normalisation", "Smoother, or just different?", {
        "baseline": BASELINE,
        "batch norm": replace(BASELINE, batch_norm=True),
    }),
    Experiment("activation", "activation function",
               "Does it matter what happens below zero?", {
        "baseline": BASELINE,
        "Leaky ReLU": replace(BASELINE, activation="leaky_relu"),
    }),
    Experiment("depth", "number of blocks", "Does it need to see more?", {
        "baseline": BASELINE,
        "three blocks": replace(BASELINE, filters=(32, 32, 64, 64)),
    }),
    Experiment("tradeoff", "four at once", "Would you deploy it?", {
        "baseline": BASELINE,
        "trade-off": CAEConfig((16, 32, 32), 16, True, "leaky_relu"),
    }),
)  # fmt: skip

CHANGES = {  # of two levels each, which can be made together, in this order
    "narrow": lambda config: replace(config, filters=(16, 32, 32)),
    "16 latents": lambda config: replace(config, latent_dim=16),
    "batch norm": lambda config: replace(config, batch_norm=True),
    "Leaky ReLU": lambda config: replace(config, activation="leaky_relu"),
    "three blocks": lambda config: replace(
        config, filters=(*config.filters, config.filters[-1])
    ),
}


def _together() -> dict[str, CAEConfig]:
    """Returns the baseline, each of the changes alone, and all their pairs."""
    made = {"baseline": BASELINE}
    made |= {name: make(BASELINE) for name, make in CHANGES.items()}
    return made | {
        f"{a} + {b}": CHANGES[b](made[a]) for a, b in combinations(CHANGES, 2)
    }


BEYOND = _by_name(  # not part of the study: trained only when asked for by name
    Experiment("published", "depth and latent size",
               "How does the network fare that was published as the trade-off?", {
        "published trade-off": CAEConfig(filters=(32, 32), latent_dim=16),
    }),
    Experiment("half_code", "size of the latent space",
               "What does half of the code cost?", {
        "16 latents": replace(BASELINE, latent_dim=16),
    }),
    Experiment("search", "latent size and filters", "Which one would we deploy?", {
        f"{narrow}{latents} latents": CAEConfig(filters, latents)
        for narrow, filters in (("", BASELINE.filters), ("narrow, ", (16, 32, 32)))
        for latents in (8, 12, 16, 24)
    }),
    Experiment("pairs", "two at once", "Do changes add up?", _together()),
)  # fmt: skip


def configurations(*experiments: str | Mapping) -> dict:
    """Returns all configurations of some experiments, as `run` takes them.

    Example:
        >>> list(configurations("depth"))
        ['baseline', 'three blocks']
        >>> configurations("depth").keys() < configurations().keys()
        True
    """
    together, known = {}, EXPERIMENTS | BEYOND
    for asked in experiments or EXPERIMENTS:
        if not isinstance(asked, Mapping):
            asked = known[one_of("experiment", asked, known)].variants
        for name, variant in asked.items():
            match variant:
                case CAEConfig() | (CAEConfig(), Recipe()):
                    before = together.setdefault(name, variant)
                case _:
                    raise ValueError(
                        f"{name}={variant!r}: it must be a CAEConfig, or one and a "
                        "Recipe"
                    )
            if before != variant:
                raise ValueError(f"{name}={variant!r}: that name stands for {before!r}")
    return together

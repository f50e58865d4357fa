"""What can be chosen: the network, its budget, and the size of a build.

All three are frozen values, checked when they are made, so that whatever receives one
need not check again.
"""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path

ROOT = Path(__file__).parents[1]  # of a checkout: where book/ and README.md lie
IMAGE_SIDE = 28
IMAGE_SHAPE = (IMAGE_SIDE, IMAGE_SIDE, 1)
ACTIVATIONS = ("relu", "leaky_relu")
OPTIMIZERS = ("adam", "muon")
BACKENDS = ("local", "ray")  # where tasks are done: on this machine, on a cluster
MAX_STRIDED_LAYERS = math.ceil(math.log2(IMAGE_SIDE))  # 28 → 14 → 7 → 4 → 2 → 1


@dataclass(frozen=True)
class CAEConfig:
    """One convolutional autoencoder, described completely.

    Args:
        filters: Filters of the strided convolutions `(stem, block 1, …, block depth)`,
            one to five positive integers.
        latent_dim: Number of latents, a positive integer.
        batch_norm: Whether each convolution but the last is followed by batch
            normalisation.
        activation: `"relu"` or `"leaky_relu"`.
        negative_slope: Slope of Leaky ReLU below zero, in [0, 1). ReLU makes no use of
            it.

    Raises:
        ValueError: If an argument breaks its rule; the message names all three.

    Example:
        >>> CAEConfig().depth
        2
        >>> CAEConfig(filters=(16, 32, 32)).feature_maps
        ((14, 16), (7, 32), (4, 32))
    """

    filters: tuple[int, ...] = (32, 32, 64)
    latent_dim: int = 32
    batch_norm: bool = False
    activation: str = "relu"
    negative_slope: float = 0.1

    def __post_init__(self):
        set_checked(
            self, filters=_filters, latent_dim=positive_int, batch_norm=truth_value,
            activation=partial(one_of, choices=ACTIVATIONS),
            negative_slope=partial(real, low=0.0, below=1.0),
        )  # fmt: skip

    @property
    def depth(self) -> int:
        """Number of blocks after the stem."""
        return len(self.filters) - 1

    @property
    def feature_maps(self) -> tuple[tuple[int, int], ...]:
        """`(side, filters)` of what each strided convolution of the encoder returns."""
        sides = [IMAGE_SIDE]
        for _ in self.filters:
            sides.append(math.ceil(sides[-1] / 2))
        return tuple(zip(sides[1:], self.filters, strict=True))


@dataclass(frozen=True)
class Recipe:
    """The budget of a run, the same for every configuration of the study.

    The learning rate makes one cycle (Smith & Topin 2019): up in a line over the first
    steps, down along a half cosine to zero over the rest.

    Args:
        images: How many images are trained on, the first of the training file.
        epochs: Passes over them.
        batch_size: Images a step.
        peak_learning_rate: Learning rate at the top of the cycle, positive.
        warmup: Share of the steps that lead up to the peak, in [0, 1).
        optimizer: `"adam"`, or `"muon"` for the kernels that are matrices: see
            `FusedMuon` in `optimisers.py`.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:
        >>> Recipe(images=10_000, epochs=3).steps
        471
    """

    images: int = 55_000
    epochs: int = 5
    batch_size: int = 64
    peak_learning_rate: float = 6e-3
    warmup: float = 0.2
    optimizer: str = "muon"

    def __post_init__(self):
        set_checked(
            self, images=positive_int, epochs=positive_int, batch_size=positive_int,
            peak_learning_rate=partial(real, above=0.0),
            warmup=partial(real, low=0.0, below=1.0),
            optimizer=partial(one_of, choices=OPTIMIZERS),
        )  # fmt: skip
        if self.images > 55_000:
            raise ValueError(
                f"images={self.images}: it must be at most 55,000, the size of the "
                "training split"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimiser in one epoch; the last batch may be smaller."""
        return math.ceil(self.images / self.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the optimiser in all."""
        return self.steps_per_epoch * self.epochs


@dataclass(frozen=True)
class Preset:
    """How large a build is."""

    name: str  # what `CAE_PRESET` calls it
    recipe: Recipe
    seeds: tuple[int, ...]
    every: int = 1  # one in so many of the images that validate or test is used


def positive_int(name: str, value) -> int:
    """Returns a positive integer as `int`, or raises a `ValueError`."""
    if not is_int(value) or value < 1:
        raise ValueError(f"{name}={value!r}: it must be a positive integer")
    return int(value)


def real(name: str, value, low=-math.inf, above=-math.inf, below=math.inf) -> float:
    """Returns a number in `[low, below)` and above `above` as `float`, or raises."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not (low <= value < below and value > above):
        half_open = f"in [{low:g}, {below:g})"
        rule = half_open if math.isfinite(low) else f"finite and above {above:g}"
        raise ValueError(f"{name}={value!r}: it must be a number {rule}")
    return float(value)


def is_int(value) -> bool:
    """Tells whether a value is an integer, NumPy's included, and no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def one_of(name: str, value, choices: Iterable[str]) -> str:
    """Returns a value that is one of some strings, or raises a `ValueError`."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r}: it must be one of {listed}")
    return value


def set_checked(value, **rules):
    """Checks fields of a frozen value while it is made, and keeps what a rule returns.

    A rule is called with name and value of a field, and raises or returns the value.
    """
    for name, rule in rules.items():
        object.__setattr__(value, name, rule(name, getattr(value, name)))


def checked_path(name: str, value) -> Path:
    """Returns a path, its `~` replaced, or raises a `ValueError`."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name}={value!r}: it must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # ~ of an unknown user
        raise ValueError(f"{name}={value!r}: it must be a path ({error})") from error


def truth_value(name: str, value) -> bool:
    """Returns True or False, or raises a `ValueError`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r}: it must be True or False")
    return value


def _filters(name: str, value) -> tuple[int, ...]:
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence):
        raise ValueError(
            f"{name}={value!r}: it must be a sequence of positive integers"
        )
    if not 1 <= len(value) <= MAX_STRIDED_LAYERS:
        raise ValueError(
            f"{name}={tuple(value)!r}: it must have 1 to {MAX_STRIDED_LAYERS} entries; "
            f"{IMAGE_SIDE} pixels cannot be halved more often"
        )
    return tuple(positive_int(f"{name}[{i}]", entry) for i, entry in enumerate(value))


PRESETS = {
    "full": Preset("full", Recipe(), seeds=(0, 1, 2)),
    "quick": Preset("quick", Recipe(6_400, 2, batch_size=32), seeds=(0, 1), every=4),
}


def get_preset(name: str | None = None) -> Preset:
    """Returns the preset of this build.

    Args:
        name: `"full"` or `"quick"`; without it, the environment variable `CAE_PRESET`,
            and without that, `"full"`. `CAE_SEEDS=n` replaces the preset's seeds by 0,
            …, n − 1.

    Example:
        >>> get_preset("quick").recipe.epochs
        2
    """
    asked = name if name is not None else os.environ.get("CAE_PRESET") or "full"
    preset = PRESETS[one_of("CAE_PRESET", asked, PRESETS)]
    seeds = count_from("CAE_SEEDS")
    return replace(preset, seeds=tuple(range(seeds))) if seeds else preset


def count_from(variable: str) -> int | None:
    """Returns the number, 1 to 1,000, in an environment variable; None if unset."""
    text = os.environ.get(variable)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 1_000:
        raise ValueError(
            f"{variable}={text!r}: it must be a positive integer, at most 1,000"
        )
    return int(text)


def backend() -> str:
    """Returns `CAE_BACKEND`, where tasks are done: one of `BACKENDS`, or the first."""
    return one_of("CAE_BACKEND", os.environ.get("CAE_BACKEND") or BACKENDS[0], BACKENDS)

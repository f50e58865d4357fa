"""What is worth deploying: the quality floor, who dominates whom, and the choice."""

from collections.abc import Mapping

import numpy as np

from cae_keras.compare.comparison import Results, cost_of, values
from cae_keras.compare.tables import Table
from cae_keras.config import CAEConfig, real
from cae_keras.measurements.baselines import PCA
from cae_keras.metrics import mse

LEAST_READ = 0.95  # of the digits, as their label says
LEAST_SSIM = 0.90
PCA_TIMES = 2  # the MSE is to be no worse than PCA's with so many times the numbers
QUALITY_FLOOR = (
    f"In every seed the classifier reads at least {LEAST_READ:.0%} of the "
    f"reconstructions as the right digit, SSIM is at least {LEAST_SSIM:.2f}, and the "
    f"MSE is no more than that of PCA with {PCA_TIMES} times as many components as the "
    "network has latents."
)
RULE = (
    "Of those that meet the quality floor, the one with the smallest code; of equal "
    "codes, the one with the fewest parameters."
)


def pca_errors(
    pca: PCA, images: np.ndarray, configs: Mapping[str, CAEConfig]
) -> dict[str, float]:
    """Returns the MSE of PCA with twice as many components as each network has latents.

    PCA is fitted to training images; the networks are judged by `images`.
    """
    sizes = {name: PCA_TIMES * config.latent_dim for name, config in configs.items()}
    found = {k: mse(images, pca.reconstruct(images, k)) for k in {*sizes.values()}}
    return {name: found[k] for name, k in sizes.items()}


def meets_quality_floor(
    results: Results, errors: Mapping[str, float]
) -> dict[str, dict[str, bool]]:
    """Tells of each configuration which parts of the floor it meets in every seed.

    Args:
        errors: The MSE that each must not exceed, as `pca_errors` gives it.

    Raises:
        ValueError: If a measure or an error of a configuration is missing.

    Example:
        >>> results = {"a": {"read": [0.97, 0.94], "ssim": [0.9], "mse": [0.003]}}
        >>> meets_quality_floor(results, {"a": 0.01})
        {'a': {'read': False, 'ssim': True, 'mse': True}}
    """
    if missing := [name for name in results if name not in errors]:
        raise ValueError(f"errors={dict(errors)}: it must have {missing[0]!r}, too")
    met = {}
    for name in results:
        read, ssim, error = _worst_seeds(results, name)
        met[name] = {
            "read": read >= LEAST_READ,
            "ssim": ssim >= LEAST_SSIM,
            "mse": error <= errors[name],
        }
    return met


def quality_floor_table(results: Results, errors: Mapping[str, float]) -> Table:
    """Returns a table of the floor: of each configuration its worst seed in each part.

    Example:
        >>> results = {"a": {"read": [0.97, 0.94], "ssim": [0.91], "mse": [0.003]}}
        >>> quality_floor_table(results, {"a": 0.01})[0]["misses"]
        'accuracy'
    """
    called, rows = {"read": "accuracy", "ssim": "SSIM", "mse": "MSE"}, []
    for name, parts in meets_quality_floor(results, errors).items():
        missed = ", ".join(called[part] for part, ok in parts.items() if not ok)
        worst = _worst_seeds(results, name)
        rows.append([name, *worst, errors[name], missed or "nothing"])
    headers = [
        "configuration", "accuracy, worst seed", "SSIM, worst seed",
        "MSE, worst seed", f"MSE of PCA, {PCA_TIMES} × the numbers", "misses",
    ]  # fmt: skip
    return Table(rows, headers, ("", ".2%", ".4f", ".5f", ".5f", ""))


def choose(results: Results, errors: Mapping[str, float]) -> str | None:
    """Returns the configuration to deploy, by `RULE`: quality floor first, cost second.

    If no configuration meets the floor, it is None.

    Example:
        >>> fine = {"read": [0.99], "ssim": [0.95], "mse": [0.003], "code_bytes": [64]}
        >>> results = {n: fine | {"parameters": [n]} for n in (300, 100, 200)}
        >>> choose(results, dict.fromkeys(results, 0.01))
        100
    """
    costs = {
        name: [values(results, name, cost)[0] for cost in ("code_bytes", "parameters")]
        for name, parts in meets_quality_floor(results, errors).items()
        if all(parts.values())
    }
    return min(costs, key=costs.get, default=None)


def dominators(
    results: Results, cost: str, measure: str = "excess_bce", margin: float = 1.0
) -> dict[str, list[str]]:
    """Returns by whom each is dominated: less of cost or error, no more of the other.

    Args:
        cost: The measure of cost, less is better; what `cost_of` returns counts.
        measure: The measure of error, less is better; its mean over seeds counts.
        margin: The ratio up to which two costs are not told apart, such as that of two
            timings of one network: of two so close neither dominates the other.

    Returns:
        For each configuration the others, the best first. On the Pareto front are those
        with none: two equal points do not strike each other out.

    Raises:
        ValueError: If `margin` is less than 1.

    Example:
        >>> a, b = {"macs": [10], "mse": [0.2]}, {"macs": [20], "mse": [0.3]}
        >>> dominators({"a": a, "b": b}, "macs", "mse")
        {'a': [], 'b': ['a']}
    """
    margin = real("margin", margin, low=1.0)
    points = {
        name: (cost_of(results, name, cost), values(results, name, measure).mean())
        for name in results
    }
    best_first = sorted(points, key=lambda name: points[name][::-1])
    return {
        name: [
            other for other in best_first if _dominates(points[other], point, margin)
        ]
        for name, point in points.items()
    }


def _worst_seeds(results: Results, name: str) -> tuple[float, float, float]:
    """Returns the least share read, the least SSIM, and the largest MSE of any seed."""
    read, ssim, error = (values(results, name, m) for m in ("read", "ssim", "mse"))
    return float(read.min()), float(ssim.min()), float(error.max())


def _dominates(a: tuple[float, float], b: tuple[float, float], margin: float) -> bool:
    if margin > 1 and max(a[0], b[0]) <= margin * min(a[0], b[0]):
        return False  # nobody knows which costs less
    return a[0] <= b[0] and a[1] <= b[1] and a != b

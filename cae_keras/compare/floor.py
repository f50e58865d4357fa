"""The quality floor: what a network must reach before its cost counts at all."""

from collections.abc import Mapping

import numpy as np

from cae_keras.compare.comparison import values
from cae_keras.config import CAEConfig
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
    "Of those that meet the floor, the one with the smallest code; of equal codes, the "
    "one with the fewest parameters."
)


def pca_errors(
    pca: PCA, images: np.ndarray, configs: Mapping[str, CAEConfig]
) -> dict[str, float]:
    """Returns the MSE of PCA with twice as many components as each network has latents.

    Args:
        pca: Fitted to training images.
        images: Those that the networks are judged by, `(n, 28, 28, 1)`.
        configs: The networks by names.
    """
    sizes = {PCA_TIMES * config.latent_dim for config in configs.values()}
    found = {k: mse(images, pca.reconstruct(images, k)) for k in sorted(sizes)}
    return {
        name: found[PCA_TIMES * config.latent_dim] for name, config in configs.items()
    }


def meets_quality_floor(
    results: Mapping[str, Mapping[str, np.ndarray]], errors: Mapping[str, float]
) -> dict[str, dict[str, bool]]:
    """Tells of each configuration which parts of the floor it meets in every seed.

    Args:
        results: `{configuration: {measure: one value a seed}}`.
        errors: The MSE that each must not exceed, as `pca_errors` gives it.

    Returns:
        `{configuration: {"read": …, "ssim": …, "mse": …}}`.

    Raises:
        ValueError: If a measure or an error of a configuration is missing.

    Example:
        >>> results = {"a": {"read": [0.97, 0.94], "ssim": [0.9], "mse": [0.003]}}
        >>> meets_quality_floor(results, {"a": 0.01})
        {'a': {'read': False, 'ssim': True, 'mse': True}}
    """
    if missing := [name for name in results if name not in errors]:
        raise ValueError(f"errors={dict(errors)}: it must have {missing[0]!r}, too")
    return {
        name: {
            "read": bool(np.min(values(results, name, "read")) >= LEAST_READ),
            "ssim": bool(np.min(values(results, name, "ssim")) >= LEAST_SSIM),
            "mse": bool(np.max(values(results, name, "mse")) <= errors[name]),
        }
        for name in results
    }


def quality_floor_table(
    results: Mapping[str, Mapping[str, np.ndarray]], errors: Mapping[str, float]
) -> list[dict[str, str]]:
    """Returns a table of the floor: of each configuration its worst seed in each part.

    Args:
        results: As `meets_quality_floor` takes them.
        errors: The MSE that each must not exceed.

    Returns:
        One row a configuration, `{column: text}`, as `tabulate(rows, headers="keys")`
        takes it.

    Example:
        >>> results = {"a": {"read": [0.97, 0.94], "ssim": [0.91], "mse": [0.003]}}
        >>> quality_floor_table(results, {"a": 0.01})[0]["misses"]
        'reading'
    """
    names = {"read": "reading", "ssim": "SSIM", "mse": "MSE"}
    return [
        {
            "configuration": name,
            "read right, worst seed": f"{np.min(results[name]['read']):.2%}",
            "SSIM, worst seed": f"{np.min(results[name]['ssim']):.4f}",
            "MSE, worst seed": f"{np.max(results[name]['mse']):.5f}",
            f"MSE of PCA, {PCA_TIMES} × the numbers": f"{errors[name]:.5f}",
            "misses": ", ".join(names[part] for part, ok in parts.items() if not ok)
            or "nothing",
        }
        for name, parts in meets_quality_floor(results, errors).items()
    ]


def choose(
    results: Mapping[str, Mapping[str, np.ndarray]], errors: Mapping[str, float]
) -> str | None:
    """Returns the configuration to deploy: quality floor first, cost second.

    Of those that meet the floor, the ones with the smallest code, and of these the one
    with the fewest parameters.

    Args:
        results: As `meets_quality_floor` takes them, with `code_bytes` and `parameters`.
        errors: The MSE that each must not exceed.

    Returns:
        Its name, or None if no configuration meets the floor.

    Example:
        >>> fine = {"read": [0.99], "ssim": [0.95], "mse": [0.003]}
        >>> results = {
        ...     "wide": {**fine, "code_bytes": [64], "parameters": [200]},
        ...     "narrow": {**fine, "code_bytes": [64], "parameters": [100]},
        ...     "tiny": {**fine, "read": [0.4], "code_bytes": [8], "parameters": [50]},
        ... }
        >>> choose(results, dict.fromkeys(results, 0.01))
        'narrow'
    """
    met = [name for name, parts in meets_quality_floor(results, errors).items()
           if all(parts.values())]  # fmt: skip
    return min(
        met,
        key=lambda name: (
            float(values(results, name, "code_bytes")[0]),
            float(values(results, name, "parameters")[0]),
        ),
        default=None,
    )

"""Which configurations nobody should take: those that another dominates."""

from collections.abc import Mapping, Sequence

import numpy as np

from cae_keras.compare.comparison import measured


def front(x: Sequence[float], y: Sequence[float]) -> list[int]:
    """Returns the positions of the points on the Pareto front, by rising `x`.

    Less is better of both. A point is on the front if no other has less of one and no
    more of the other; two equal points do not strike each other out.

    Example:
        >>> front([1, 2, 3, 3], [9, 4, 5, 2])
        [0, 1, 3]
    """
    points = list(zip(x, y, strict=True))
    on = [i for i, p in enumerate(points) if not any(_dominates(q, p) for q in points)]
    return sorted(on, key=lambda i: points[i])


def dominators(
    results: Mapping[str, Mapping[str, Sequence[float]]],
    cost: str,
    measure: str = "excess_bce",
) -> dict[str, list[str]]:
    """Returns by whom each configuration is dominated: no dearer, and no worse.

    Args:
        results: `{configuration: {measure: values}}`.
        cost: The measure of cost, less is better; its median counts.
        measure: The measure of error, less is better; its mean over seeds counts.

    Returns:
        For each configuration the others that have less of one and no more of the
        other, the best first. On the front are those with none.

    Example:
        >>> results = {
        ...     "a": {"macs": [10], "mse": [0.2]},
        ...     "b": {"macs": [20], "mse": [0.3]},
        ... }
        >>> dominators(results, "macs", "mse")
        {'a': [], 'b': ['a']}
    """
    points = {
        name: (
            float(np.median(measured(results, name, cost))),
            float(np.mean(measured(results, name, measure))),
        )
        for name in results
    }
    best_first = sorted(points, key=lambda name: points[name][::-1])
    return {
        name: [other for other in best_first if _dominates(points[other], point)]
        for name, point in points.items()
    }


def place_on_front(name: str, dominated_by: Mapping[str, Sequence[str]]) -> str:
    """Says whether a configuration is on a front, and who is in its way if it is not.

    Example:
        >>> place_on_front("b", {"a": [], "b": ["a"]})
        'not on the front: dominated by a'
    """
    if name not in dominated_by:
        raise ValueError(
            f"name={name!r}: it must be one of {', '.join(map(repr, dominated_by))}"
        )
    others = dominated_by[name]
    if not others:
        return "on the front"
    return f"not on the front: dominated by {', '.join(others)}"


def _dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b

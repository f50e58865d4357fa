"""How smooth a validation curve is, and whether it still falls: losses in, floats out.

A curve is one validation BCE an epoch. It is judged by its excess over the floor, on a
logarithmic scale: the floor would hide most of every change.
"""

from collections.abc import Sequence

import numpy as np


def roughness(losses: Sequence[float], floor: float) -> float:
    """Returns the root mean square of the second differences of ln(loss − floor).

    A second difference is the change from one epoch to the next of the step that the
    curve makes. It is zero for a curve that falls by the same percentage every epoch,
    however steep, and large for one that jumps up and down.

    It also measures a bend: a curve that starts steeply and then flattens has large
    second differences in its first epochs without any jump, and the shorter the curve,
    the more that counts. So compare only curves of one length and one learning-rate
    schedule, and look at them: a difference may be jumps or a steeper start.

    Args:
        losses: Validation BCE of each epoch, at least three.
        floor: The BCE that no reconstruction passes, `bce_floor(x_val)`.

    Returns:
        A number without unit; at 0.1, the fall of one epoch and that of the next differ
        by about ten percent of the excess.

    Raises:
        ValueError: If there are fewer than three epochs, or a loss is not above the
            floor.

    References:
        Hodrick & Prescott, Postwar U.S. business cycles (1997), doi:10.2307/2953682:
        a trend is smooth if the squares of its second differences are small

    Example:
        >>> round(roughness([9.0, 5.0, 3.0, 2.0], floor=1.0), 6)  # halved every epoch
        0.0
    """
    excess = _excess(losses, floor, at_least=3)
    return float(np.sqrt(np.mean(np.diff(np.log(excess), n=2) ** 2)))


def last_gain(losses: Sequence[float], floor: float) -> float:
    """Returns by what share the excess loss fell in the last epoch; negative: it rose.

    A small value says that more epochs of this kind would bring little. It does not say
    that the model could not be better: a learning rate that ends at zero flattens every
    curve.

    Args:
        losses: Validation BCE of each epoch, at least two.
        floor: The BCE that no reconstruction passes, `bce_floor(x_val)`.

    Returns:
        A share: 0.02 is two percent of the excess that was left.

    Raises:
        ValueError: If there are fewer than two epochs, or a loss is not above the
            floor.

    Example:
        >>> round(last_gain([9.0, 5.0], floor=1.0), 6)
        0.5
    """
    before, last = _excess(losses, floor, at_least=2)[-2:]
    return float(1 - last / before)


def _excess(losses: Sequence[float], floor: float, at_least: int) -> np.ndarray:
    """Checks a curve and returns what of it lies above the floor."""
    excess = np.asarray(losses, np.float64) - floor
    if excess.ndim != 1 or len(excess) < at_least:
        raise ValueError(
            f"losses has shape {excess.shape}: it must be (epochs,), at least "
            f"{at_least} of them"
        )
    if not (np.isfinite(excess).all() and excess.min() > 0):  # also refuses NaN
        raise ValueError(
            f"losses has {np.min(losses):g}: all must be finite and above the floor, "
            f"{floor:g}"
        )
    return excess

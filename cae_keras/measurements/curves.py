"""How smooth a validation curve is, and whether it still falls: losses in, floats out.

A curve is one validation BCE for each tenth of a run's steps, however many epochs they
make. It is judged by its excess over the floor, on a logarithmic scale: the floor would
hide most of every change.
"""

from collections.abc import Sequence

import numpy as np


def roughness(losses: Sequence[float], floor: float) -> float:
    """Returns the root mean square of the second differences of ln(loss − floor).

    It is zero for a curve that falls by the same percentage every time, and large for
    one that jumps. It also measures a bend: a steep start counts as well. So compare
    only curves of one recipe, and look at them. After Hodrick & Prescott (1997),
    doi:10.2307/2953682: a trend is smooth if the squares of its second differences are
    small.
    """
    excess = _excess(losses, floor, at_least=3)
    return float(np.sqrt(np.mean(np.diff(np.log(excess), n=2) ** 2)))


def last_gain(losses: Sequence[float], floor: float, epoch: Sequence[float]) -> float:
    """Returns by what share the excess loss fell in the last epoch; negative: it rose.

    `epoch` says how many epochs there were before each of the losses. Where none was
    taken as the last epoch began, ln(loss − floor) is a line between its neighbours;
    before the first, it is taken for the first. A small value does not say that the
    model could not be better: a learning rate that ends at zero flattens every curve.
    """
    logarithms = np.log(_excess(losses, floor, at_least=2))
    before = np.interp(epoch[-1] - 1, epoch, logarithms)
    return float(-np.expm1(logarithms[-1] - before))


def _excess(losses: Sequence[float], floor: float, at_least: int) -> np.ndarray:
    """Checks a curve and returns what of it lies above the floor."""
    excess = np.asarray(losses, np.float64) - floor
    if excess.ndim != 1 or len(excess) < at_least:
        raise ValueError(
            f"losses has shape {excess.shape}: it must be one number a tenth, at "
            f"least {at_least} of them"
        )
    if not (np.isfinite(excess).all() and excess.min() > 0):  # also refuses NaN
        raise ValueError(
            f"losses has {np.min(losses)}: all must be finite and above the floor, "
            f"{floor}"
        )
    return excess

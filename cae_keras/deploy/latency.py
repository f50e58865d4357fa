"""How long things take on the machine at hand, each measured beside all the others."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.utils.benchmark import Timer

from cae_keras.config import positive_int, real


def latency(
    calls: Mapping[str, Callable[[], object]], rounds: int = 15, least: float = 0.005
) -> dict[str, np.ndarray]:
    """Times calls on one torch thread, side by side: each once in every round.

    A machine is now faster, now slower. If one network were timed after the other, that
    would look like a difference between them; here a slow moment meets all alike. Each
    round has an order of its own, shuffled by a seeded generator, so that none always
    comes after the same one. Each call is warmed up, twice before the first round and
    twice before each measurement. To learn how much of a difference is noise, give one
    call two names.

    Args:
        calls: For each name what to do, without arguments.
        rounds: How many measurements of each.
        least: Seconds that one measurement takes at least; a shorter call is repeated.

    Returns:
        For each name the seconds of one call, `(rounds,)`.

    Raises:
        ValueError: If `rounds` or `least` is not positive, or one cannot be called.

    Example:
        >>> latency({"nothing": lambda: None}, rounds=3, least=1e-6)["nothing"].shape
        (3,)
    """
    rounds, least = positive_int("rounds", rounds), real("least", least, above=0.0)
    for name, call in calls.items():
        if not callable(call):
            raise ValueError(f"{name}={call!r}: it must be a function to call")
    timers = {
        name: Timer("call()", globals={"call": call}, num_threads=1)
        for name, call in calls.items()
    }
    seconds, rng = {name: np.empty(rounds) for name in timers}, np.random.default_rng(0)
    with torch.no_grad():
        once = {name: timer.timeit(2).median for name, timer in timers.items()}
        for i in range(rounds):
            for name in rng.permutation(list(timers)):
                number = int(np.ceil(least / max(once[name], 1e-9)))
                seconds[name][i] = timers[name].timeit(number).median
    return seconds

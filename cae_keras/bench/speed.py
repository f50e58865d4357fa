"""Images per second of all contenders, measured side by side in one run."""

import contextlib
import time

import loky
import torch

from cae_keras.bench.contenders import (
    BATCH,
    careful_torch,
    careful_torch_one_thread,
    project,
    stock_keras,
    tutorial_torch,
    whole_batches,
)
from cae_keras.bench.limit import flops_per_image, gemm_gflops
from cae_keras.bench.startup import startup_seconds
from cae_keras.bench.summary import summary
from cae_keras.bench.turns import Contender, in_turns
from cae_keras.data import Mnist
from cae_keras.deploy.machine import machine
from cae_keras.progress import progress_bar

WINDOW = 1.5  # seconds a turn; many short ones, as two threads run unevenly
ROUNDS, LEAST_ROUNDS = 16, 8
WARM_UP = 40  # steps
BUDGET = 280.0  # seconds for everything; where they are short, there are fewer rounds
CONTENDERS = {
    "stock_keras": stock_keras,
    "tutorial_torch": tutorial_torch,
    "careful_torch": careful_torch,
    "careful_torch_one_thread": careful_torch_one_thread,
    "one_worker": project,
    "all_workers": project,  # one a core
}
ONE_THREADED = ("careful_torch_one_thread", "one_worker", "all_workers")


def measure_speed(mnist: Mnist) -> dict:
    """Measures how fast this machine trains the baseline, in six ways.

    Args:
        mnist: The images. Whole batches of the training images are used.

    Returns:
        What `summary` returns, and `startup_seconds`, `window_seconds`, `cores`,
        `threads` (torch's default) and `machine`.

    Raises:
        ValueError: If there is a CUDA device, which some contenders would use.
        RuntimeError: If the process of a contender died.
    """
    if torch.cuda.is_available():
        raise ValueError(
            "CUDA_VISIBLE_DEVICES: it must be set to -1; the benchmark is of processors"
        )
    begin, cores = time.monotonic(), loky.cpu_count()
    startup, data = startup_seconds(), whole_batches(mnist)
    with contextlib.ExitStack() as stack:
        contenders = {
            name: stack.enter_context(
                Contender(name, cores if name == "all_workers" else 1)
            )
            for name in CONTENDERS
        }
        for name, contender in contenders.items():
            contender.send(CONTENDERS[name], data)
        rates, shares = _measure(contenders, BUDGET + begin)
    return {
        **summary(rates, shares, flops_per_image()),
        "startup_seconds": startup,
        "window_seconds": WINDOW,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }


def _measure(contenders: dict[str, Contender], deadline: float):
    """Returns rates and shares by names, one a round; first everybody warms up."""
    with progress_bar((1 + ROUNDS) * len(contenders) + ROUNDS, "benchmark") as bar:
        for contender in contenders.values():
            contender.warm_up(WARM_UP)
            bar.update()
        calls = {name: _turn(contender) for name, contender in contenders.items()}
        calls["gemm_gflops"] = lambda: (gemm_gflops(WINDOW), None)
        seconds = deadline - time.monotonic()
        turns = in_turns(calls, ROUNDS, LEAST_ROUNDS, seconds, bar.update)
    rates = {name: [rate for rate, _ in values] for name, values in turns.items()}
    shares = {name: [share for _, share in turns[name]] for name in ONE_THREADED}
    return rates, shares


def _turn(contender: Contender):
    def images_per_second():
        steps, share = contender.run(WINDOW)
        return BATCH * steps, share

    return images_per_second

"""Images per second of all contenders, and the start-up of a page."""

import contextlib
import itertools
import statistics
import time

import loky
import torch

from cae_keras.bench.apart import Apart
from cae_keras.bench.contenders import CONTENDERS, SIDE_BY_SIDE
from cae_keras.bench.networks import flops_per_image
from cae_keras.bench.results import certain, sum_up
from cae_keras.deploy.machine import machine
from cae_keras.progress import progress_bar

# On two cores the processes of a round take 18 s to start, and a turn takes 4 s: with
# the starts of pages, 4 s each, five rounds make 260 s.
WARM_UP, WINDOW = 1.5, 2.0  # seconds of a turn that do not count, and that do
ROUNDS = 5  # at least; of fewer the interval of a median says too little
LIMIT = 600  # seconds of all rounds, if there are more
PAGES = 3  # whose start-up is measured
SIDE = 2048  # of matrices: beyond this, torch's product gets hardly faster
TURN = "from cae_keras.bench.contenders import turn; turn({!r}, {}, {})"
PAGE = """
import cae_keras; print(1, flush=True)
cae_keras.load_mnist(); print(2, flush=True)
"""


def measure_speed() -> dict:
    """Measures how fast this machine trains the baseline on MNIST, in seven ways."""
    if torch.cuda.is_available():  # some contenders would use it
        raise ValueError(
            "CUDA_VISIBLE_DEVICES: it must be set to -1; the benchmark is of processors"
        )
    cores, startup = loky.cpu_count(), startup_seconds()
    return {
        **sum_up(*measure_rounds(cores), flops_per_image()),
        "startup_seconds": startup,
        "window_seconds": WINDOW,
        "cores": cores,
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }


def startup_seconds() -> dict[str, float]:
    """Returns medians of what a fresh process, as that of a page, takes for `PAGE`."""
    seconds = {"imported": [], "data_loaded": []}
    for _ in range(PAGES):
        start = time.perf_counter()
        with Apart("start-up", PAGE) as page:
            for found in seconds.values():
                page.hear()
                found.append(time.perf_counter() - start)
    return {what: statistics.median(found) for what, found in seconds.items()}


def measure_rounds(cores: int) -> tuple[dict[str, list], dict[str, list]]:
    """Lets each contender, and the matrix product, have a turn a round, in rotation.

    There are rounds until the ratios are certain, or one more would end after `LIMIT`.
    Returns by names rates, and processor seconds a second and process.
    """
    names, start = [*CONTENDERS, "gemm_gflops"], time.perf_counter()
    rates, shares = ({name: [] for name in names} for _ in range(2))
    with progress_bar(LIMIT, "benchmark, at most") as bar:
        for done in itertools.count(1):
            first = (done - 1) % len(names)
            for name, rate, share in _round(names[first:] + names[:first], cores):
                rates[name].append(rate)
                shares[name].append(share)
                passed = time.perf_counter() - start
                bar.update(min(passed, LIMIT) - bar.n)
            late = passed * (done + 1) / done > LIMIT
            if done >= ROUNDS and (late or certain(rates)):
                return rates, shares


def gemm_gflops(seconds: float, side: int = SIDE) -> float:
    """Measures torch's float32 product of two square matrices, on its default threads.

    The median over so many seconds, in 10⁹ operations a second; a product has 2 side³.
    """
    a, b, product = torch.rand(3, side, side)
    torch.mm(a, b, out=product)  # not timed: it may have to wake threads
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(a, b, out=product)
        found.append(time.perf_counter() - start)
    return 2e-9 * side**3 / statistics.median(found)


def _round(names: list[str], cores: int):
    """Yields name, rate and share, in the order of the names.

    All processes start at once, which leaves no core idle; then each has its turn, and
    those side by side have it together.
    """
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(Apart(name, TURN.format(name, WARM_UP, WINDOW)))
            for name in CONTENDERS
            for _ in range(cores if name in SIDE_BY_SIDE else 1)
        ]
        for process in started:
            process.hear()  # that it is ready
        for name in names:
            if name == "gemm_gflops":
                yield name, gemm_gflops(WINDOW), None
                continue
            mine = [process for process in started if process.name == name]
            for process in mine:
                process.tell()
            rates, shares = zip(*(process.hear() for process in mine), strict=True)
            yield name, sum(rates), statistics.mean(shares)

"""The most images per second, if a training step were one matrix product."""

import statistics
import time

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from cae_keras.bench.networks import torch_autoencoder

SIDE = 2048  # rows and columns: beyond this, torch's product gets hardly faster


def gemm_gflops(seconds: float, side: int = SIDE) -> float:
    """Measures torch's float32 product of two square matrices, on its default threads.

    Returns:
        The median over so many seconds, one product at least, in 10⁹ operations a
        second: a product has 2 side³.
    """
    a, b, product = torch.rand(3, side, side)
    torch.mm(a, b, out=product)  # not timed: it may have to wake threads
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(a, b, out=product)
        found.append(time.perf_counter() - start)
    return 2e-9 * side**3 / statistics.median(found)


def flops_per_image() -> int:
    """Counts the operations of convolutions and dense layers in a step for one image.

    They are three times the forward pass, backwards being for weights and for inputs;
    but for the first layer, whose inputs need no gradient. All else is small beside it.

    Example:
        >>> flops_per_image()  # 6 × 2,461,696 MACs − 2 × 14² × 4² × 32
        14569472
    """
    network, image = torch_autoencoder(), torch.zeros((1, 1, 28, 28))
    with FlopCounterMode(display=False) as counter:
        functional.binary_cross_entropy_with_logits(network(image), image).backward()
    return counter.get_total_flops()

"""How good a reconstruction is: arrays in, floats out, means over images and pixels.

Images `x` and reconstructions `x_hat` are `(n, height, width, 1)`, floats in [0, 1] or
uint8.
"""

import numpy as np
from scipy.special import entr, xlog1py, xlogy
from skimage.metrics import structural_similarity

from cae_keras.images import to_float

EPSILON = 1e-7  # as in Keras: pixels are clipped to [ε, 1 − ε] before the logarithm
BLOCK = 1_000  # images


def bce(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the binary cross-entropy per pixel, in nats.

    That is −[x ln x̂ + (1 − x) ln(1 − x̂)], averaged.

    Example:
        >>> round(bce(np.ones((1, 2, 2, 1)), np.full((1, 2, 2, 1), 0.5)), 4)
        0.6931
    """
    x, x_hat = pair(x, x_hat)
    x_hat = np.clip(x_hat, EPSILON, 1 - EPSILON)
    return -float(np.mean(xlogy(x, x_hat) + xlog1py(1 - x, -x_hat)))


def bce_floor(x: np.ndarray) -> float:
    """Returns BCE(x, x), the entropy of the pixels: no reconstruction has less.

    References:
        Gibbs' inequality; MacKay, Information Theory, Inference, and Learning
        Algorithms (2003), section 2.6
    """
    x = to_float(x, "x").astype(np.float64)
    return float(np.mean(entr(x) + entr(1 - x)))


def excess_bce(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the BCE above its floor, in nats: a mean Kullback–Leibler divergence."""
    return bce(x, x_hat) - bce_floor(x)


def mse(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the mean squared error per pixel.

    Example:
        >>> mse(np.ones((1, 2, 2, 1)), np.full((1, 2, 2, 1), 0.5))
        0.25
    """
    return float(np.mean(_squared_error(x, x_hat)))


def psnr(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio in dB, averaged over images.

    Of one image it is −10 log₁₀ MSE, infinite if it is reconstructed exactly.
    """
    with np.errstate(divide="ignore"):
        decibels = -10 * np.log10(_squared_error(x, x_hat).mean(axis=(1, 2, 3)))
    return float(np.mean(decibels))


def ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the structural similarity, averaged over images; 1 for equal images.

    The window is the published one, 11 × 11 Gaussian weights with σ = 1.5. The images
    are laid below each other, so that scikit-image is called once for many; the pixels
    whose window would reach into a neighbour are left out, which are just those that
    scikit-image leaves out of a single image.

    References:
        Wang et al., Image quality assessment: from error visibility to structural
        similarity (2004), doi:10.1109/TIP.2003.819861
    """
    x, x_hat = pair(x, x_hat)
    n, height, width, _ = x.shape
    if min(height, width) < 11:
        raise ValueError(
            f"x has shape {x.shape}: SSIM needs images of at least 11 × 11 pixels, the "
            "size of its window"
        )
    total = 0.0
    for below, below_hat in blocks(x, x_hat):
        _, similarity = structural_similarity(
            below.reshape(-1, width), below_hat.reshape(-1, width), full=True,
            data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )  # fmt: skip
        total += similarity.reshape(-1, height, width)[:, 5:-5, 5:-5].sum()
    return float(total / (n * (height - 10) * (width - 10)))


def quality(x: np.ndarray, x_hat: np.ndarray) -> dict[str, float]:
    """Returns all five measures: `bce`, `excess_bce`, `mse`, `psnr` and `ssim`."""
    x, x_hat = pair(x, x_hat, np.float32)
    means = dict.fromkeys(("bce", "excess_bce", "mse", "psnr", "ssim"), 0.0)
    for block, block_hat in blocks(x, x_hat):
        for measure in (bce, excess_bce, mse, psnr, ssim):
            means[measure.__name__] += len(block) / len(x) * measure(block, block_hat)
    return means


def blocks(*arrays: np.ndarray):
    """Cuts arrays into blocks of images, to save memory."""
    for start in range(0, len(arrays[0]), BLOCK):
        yield [array[start : start + BLOCK] for array in arrays]


def pair(x, x_hat, dtype=np.float64) -> list[np.ndarray]:
    """Checks two batches of images and returns them as floats."""
    x, x_hat = to_float(x, "x"), to_float(x_hat, "x_hat")
    if x.shape != x_hat.shape:
        raise ValueError(
            f"x has shape {x.shape}, x_hat {x_hat.shape}: they must be the same"
        )
    return [images.astype(dtype, copy=False) for images in (x, x_hat)]


def _squared_error(x, x_hat) -> np.ndarray:
    x, x_hat = pair(x, x_hat)
    return (x - x_hat) ** 2

"""How sharp reconstructions are, next to the originals: edges counted by a stencil."""

import numpy as np

from cae_keras.metrics import blocks, pair


def sharpness(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Returns the Laplacian energy of the reconstructions over that of the originals.

    Of an image it is the sum of the squares of its discrete Laplacian, the four
    neighbours of a pixel minus four times the pixel; summed over all images before they
    are divided. 1 is as sharp as the originals, less is blurred; more is noise or edges
    that were not there, so that this measures no likeness: a shifted image has 1.

    Raises:
        ValueError: If the images are smaller than the stencil, or the originals have no
            edges at all.

    References:
        Pertuz et al., Analysis of focus measure operators for shape-from-focus (2013),
        doi:10.1016/j.patcog.2012.11.011: "energy of Laplacian"

    Example:
        >>> x = np.random.default_rng(0).random((2, 28, 28, 1))
        >>> round(sharpness(x, 0.5 * x), 4)  # half the contrast
        0.25
    """
    x, x_hat = pair(x, x_hat)
    if min(x.shape[1:3]) < 3:
        raise ValueError(
            f"x has shape {x.shape}: sharpness needs images of at least 3 × 3 pixels, "
            "the size of its stencil"
        )
    energy, energy_hat = (
        sum(_laplacian_energy(block) for (block,) in blocks(images))
        for images in (x, x_hat)
    )
    if energy == 0:
        raise ValueError("x has no edges: its Laplacian must not be 0 everywhere")
    return energy_hat / energy


def _laplacian_energy(x: np.ndarray) -> float:
    """Sums the squared Laplacian over the pixels that have four neighbours."""
    rows = x[:, :-2, 1:-1] + x[:, 2:, 1:-1]
    columns = x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return float(np.sum((rows + columns - 4 * x[:, 1:-1, 1:-1]) ** 2))

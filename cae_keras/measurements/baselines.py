"""What any model must beat: the mean image, and PCA, the best linear code."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cae_keras.config import is_int
from cae_keras.images import to_float

BLOCK = 5_000  # images at a time, to save memory


def mean_image(x_train: np.ndarray) -> np.ndarray:
    """Returns the mean image: the best reconstruction that ignores its input.

    Example:
        >>> mean_image(np.ones((3, 28, 28, 1))).shape
        (28, 28, 1)
    """
    total = sum(block.sum(axis=0, dtype=np.float64) for block in _blocks(x_train))
    return (total / len(x_train)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PCA:
    """Principal component analysis of images, with all its components.

    Of all linear codes with k numbers, the first k components have the least mean
    squared error (Eckart & Young 1936, doi:10.1007/BF02288367).
    """

    mean: np.ndarray  # of the images, flat: (pixels,)
    components: np.ndarray  # orthonormal rows, the most important first

    def encode(self, x: np.ndarray, k: int) -> np.ndarray:
        """Returns the first `k` coordinates of each image, `(n, k)`, float32."""
        flat = to_float(x, "x").reshape(len(x), -1)
        if flat.shape[1] != self.mean.size:
            raise ValueError(
                f"x has {flat.shape[1]} pixels: it must be {self.mean.size}"
            )
        return (flat - self.mean.astype(np.float32)) @ self._first(k).T

    def reconstruct(self, x: np.ndarray, k: int, clip: bool = True) -> np.ndarray:
        """Returns images as their first `k` components give them back.

        A linear code leaves [0, 1]; `clip` brings its pixels back.
        """
        flat = self.encode(x, k) @ self._first(k) + self.mean.astype(np.float32)
        return (np.clip(flat, 0, 1) if clip else flat).reshape(np.shape(x))

    def _first(self, k: int) -> np.ndarray:
        if not is_int(k) or not 0 <= k <= len(self.components):
            raise ValueError(
                f"k={k!r}: it must be an integer from 0 to {len(self.components)}, "
                "the number of pixels"
            )
        return self.components[:k].astype(np.float32)


def fit_pca(x_train: np.ndarray) -> PCA:
    """Fits PCA to images, by the eigenvectors of their covariance.

    Example:
        >>> fit_pca(np.random.default_rng(0).random((50, 4, 4, 1))).components.shape
        (16, 16)
    """
    mean = mean_image(x_train).ravel().astype(np.float64)
    scatter = np.zeros((mean.size, mean.size))
    for block in _blocks(x_train):
        centred = block.reshape(len(block), -1) - mean
        scatter += centred.T @ centred
    _, eigenvectors = np.linalg.eigh(scatter)  # in ascending order
    return PCA(mean, eigenvectors.T[::-1])


def _blocks(x_train: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the images as floats, some at a time."""
    for block in np.split(x_train, range(BLOCK, len(x_train), BLOCK)):
        yield to_float(block, "x_train")

"""The one place where pixels become float32 in [0, 1], checked."""

import numpy as np


def to_float(images: np.ndarray, name: str = "images") -> np.ndarray:
    """Returns images as float32 in [0, 1].

    Args:
        images: uint8 as they are stored, or floats that lie in [0, 1] already.
        name: What the caller calls them, for the error.

    Input shape:
        `(n, height, width, 1)`, n at least 1.

    Output shape:
        The same.

    Raises:
        ValueError: If shape, dtype or range is another; the message says which was
            found.

    Example:
        >>> to_float(np.full((1, 2, 2, 1), 255, "uint8")).max()
        np.float32(1.0)
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 1 or 0 in images.shape:
        raise ValueError(
            f"{name} has shape {images.shape}: it must be (n, height, width, 1), none "
            "of them 0"
        )
    if images.dtype == np.uint8:
        return images / np.float32(255)
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{name} has dtype {images.dtype}: it must be uint8, or floats in [0, 1]"
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # also refuses NaN
        raise ValueError(
            f"{name} ranges from {low!s} to {high!s}: floats must lie in [0, 1]"
        )
    return images.astype(np.float32, copy=False)

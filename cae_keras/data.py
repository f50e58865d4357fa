"""The images: MNIST, or a reader's own, in three splits that are checked."""

import hashlib
import os
from dataclasses import dataclass

import numpy as np

from cae_keras.config import (
    IMAGE_SHAPE,
    checked_path,
    get_preset,
    set_checked,
    truth_value,
)
from cae_keras.mnist.fashion import read_fashion
from cae_keras.mnist.idx import DataError as DataError  # public from here
from cae_keras.mnist.idx import read_folder
from cae_keras.mnist.prepared import read_prepared

VALIDATION = 5_000  # the last images of the training file


@dataclass(frozen=True, eq=False)
class Mnist:
    """The three splits, in the order of the files.

    Images are uint8 `(n, 28, 28, 1)`, labels uint8 `(n,)`. They need not be digits.

    Raises:
        ValueError: If an array has another shape or dtype, or a label is above 9.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def __post_init__(self):
        for split in ("train", "val", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
                raise ValueError(f"x_{split} and y_{split} must be NumPy arrays")
            if x.dtype != np.uint8 or x.shape[1:] != IMAGE_SHAPE or len(x) == 0:
                raise ValueError(
                    f"x_{split} is {x.dtype} {x.shape}: it must be uint8 (n, 28, 28, 1)"
                )
            if y.dtype != np.uint8 or y.shape != (len(x),):
                raise ValueError(
                    f"y_{split} is {y.dtype} {y.shape}: it must be uint8 ({len(x)},)"
                )
            if y.max() > 9:
                raise ValueError(f"y_{split} has {y.max()}: labels must be 0 to 9")
        set_checked(self, **dict.fromkeys(vars(self), _read_only))


def load_mnist(data_dir: str | os.PathLike | None = None) -> Mnist:
    """Loads MNIST; the first call on a machine prepares it, in some seconds more.

    Args:
        data_dir: Folder of TFDS; without it, the environment variable `TFDS_DATA_DIR`,
            and without that, `~/tensorflow_datasets`.

    Returns:
        A `Mnist`: 55,000 images to train, 5,000 to validate (the last of the training
        file), 10,000 to test. A quick build uses fewer to validate and to test: see
        `Preset.every`.

    Raises:
        DataError: If a file is damaged or cannot be had, or the folder cannot be
            written. Nothing wrong is loaded or left behind.

    References:
        LeCun et al., Gradient-based learning applied to document recognition (1998),
        doi:10.1109/5.726791
    """
    if data_dir is None:
        data_dir = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return _in_splits(*read_prepared(checked_path("data_dir", data_dir)))


def load_fashion() -> Mnist:
    """Loads Fashion-MNIST, pictures of clothes, as far as it is shipped.

    Classes 0 to 9 are T-shirt or top, trouser, pullover, dress, coat, sandal, shirt,
    sneaker, bag and ankle boot.

    Returns:
        A `Mnist`: 10,000 images to train and 5,000 to validate, the first of the
        official training file; 5,000 to test, the first of the official test file. A
        quick build uses fewer, as of the digits.

    Raises:
        DataError: If a file is missing or damaged, or holds something else.

    References:
        Xiao, Rasul & Vollgraf, Fashion-MNIST (2017), arXiv:1708.07747
    """
    return _in_splits(*read_fashion())


def load_idx(folder: str | os.PathLike, transposed: bool = False) -> Mnist:
    """Loads images from a folder with four files like those of MNIST.

    Args:
        folder: It holds `FILES`, by their names: gzipped idx files with images of 28 ×
            28 pixels of one byte, and labels from 0 to 9.
        transposed: Whether the files hold images column by column, so that each lies on
            its side, mirrored, unless it is turned back here. Those of EMNIST do. No
            check can tell: look at a few.

    Returns:
        A `Mnist`, cut into splits as the digits are.

    Raises:
        DataError: If a file is missing, damaged, or holds something else.

    References:
        Fashion-MNIST comes in such files: see `load_fashion`; Cohen et al., EMNIST
        (2017), arXiv:1702.05373, in transposed ones.
    """
    truth_value("transposed", transposed)
    arrays = read_folder(checked_path("folder", folder), train=VALIDATION, test=0)
    if transposed:
        arrays[::2] = [np.ascontiguousarray(x.swapaxes(1, 2)) for x in arrays[::2]]
    return _in_splits(*arrays)


def fingerprint(*arrays: np.ndarray) -> str:
    """Returns the SHA-256 of the arrays' bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def first_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Returns the index of the first image of each digit, 0 to 9.

    Example:
        >>> first_of_each_class(np.array([1, 0, 1, 0]))
        array([1, 0])
    """
    return np.unique(labels, return_index=True)[1]


def _in_splits(x, y, x_test, y_test) -> Mnist:
    every = get_preset().every
    train, val = slice(None, -VALIDATION), slice(-VALIDATION, None, every)
    test = slice(None, None, every)
    return Mnist(x[train], y[train], x[val], y[val], x_test[test], y_test[test])


def _read_only(name: str, array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view

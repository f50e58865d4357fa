"""MNIST through TensorFlow Datasets, without TensorFlow; or images of one's own.

The stock `mnist` builder of TFDS needs TensorFlow to prepare itself. The builder here
reads the same four files with gzip and numpy. They ship in `cae_keras/mnist/`; if they
are not there, TFDS downloads them. Either way TFDS checks their SHA-256, and what was
loaded is checked once more against a fingerprint of its content.
"""

import contextlib
import hashlib
import io
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError

from cae_keras.config import IMAGE_SHAPE, get_preset, set_fields
from cae_keras.mnist.builder import FILES, MnistIdx
from cae_keras.mnist.idx import read_idx

EMBEDDED = Path(__file__).parent / "mnist"
FINGERPRINTS = {  # of the arrays of each file pair, whatever they came from
    "train": "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b",
    "test": "c3f9adf9c66efb572b1f9326c3a511b45910c7173b97be66ceceeeeaef6b802b",
}
VALIDATION = 5_000  # the last images of the training file


class DataError(ValueError):
    """The images are missing, damaged, or none that this package can take."""


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
            read_only = {f"x_{split}": _read_only(x), f"y_{split}": _read_only(y)}
            set_fields(self, **read_only)


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
        ValueError: If `CAE_PRESET` names no preset, or `data_dir` is no path.
        DataError: If a file is damaged or cannot be had, or the folder cannot be
            written. Nothing wrong is loaded or left behind.

    References:
        LeCun et al., Gradient-based learning applied to document recognition (1998),
        doi:10.1109/5.726791
    """
    if data_dir is not None and not isinstance(data_dir, str | os.PathLike):
        raise ValueError(f"data_dir={data_dir!r}: it must be a path")
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = Path(os.path.expanduser(data_dir))
    try:
        with _quiet():
            builder = _open(data_dir)
            if not builder.is_prepared():
                builder = _prepare(data_dir)
            x, y = _read_split(builder, "train")
            x_test, y_test = _read_split(builder, "test")
    except (OSError, DownloadError) as error:
        raise DataError(
            f"MNIST could not be prepared or read in {data_dir}: {error}. Set "
            "TFDS_DATA_DIR to a folder that can be written, and see that the four "
            f"files are in {EMBEDDED}."
        ) from error
    return _in_splits(x, y, x_test, y_test)


def load_idx(folder: str | os.PathLike) -> Mnist:
    """Loads images from a folder with four files like those of MNIST.

    Args:
        folder: It holds `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`,
            `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz`: images of 28 ×
            28 pixels of one byte, and labels from 0 to 9.

    Returns:
        A `Mnist`. As of the digits, the last 5,000 images of the training file validate
        and the others train; in a quick build every fourth of those to validate and of
        those to test is taken.

    Raises:
        ValueError: If `CAE_PRESET` names no preset, or `folder` is no path.
        DataError: If a file is missing, damaged, or holds something else; the message
            names file and rule.

    References:
        Xiao, Rasul & Vollgraf, Fashion-MNIST (2017), arXiv:1708.07747, comes in such
        files.
    """
    if not isinstance(folder, str | os.PathLike):
        raise ValueError(f"folder={folder!r}: it must be a path")
    folder = Path(folder).expanduser()
    missing = [
        name
        for pair in FILES.values()
        for name in pair
        if not (folder / name).is_file()
    ]
    if missing:
        raise DataError(
            f"{folder} has no {', '.join(missing)}: it must hold all four files"
        )
    x, y = _read_pair(folder, "train", more_than=VALIDATION)
    return _in_splits(x, y, *_read_pair(folder, "test", more_than=0))


def fingerprint(*arrays: np.ndarray) -> str:
    """Returns the SHA-256 of the arrays' bytes, in hexadecimal.

    Example:
        >>> fingerprint(np.zeros(3, "uint8"))[:16]
        '709e80c88487a241'
    """
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


def _read_pair(folder: Path, split: str, more_than: int):
    """Reads the images and labels of one split, or says what is wrong with them."""
    images, labels = (folder / name for name in FILES[split])
    try:
        x, y = read_idx(images, 3), read_idx(labels, 1)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error}") from error
    except ValueError as error:
        raise DataError(str(error)) from error
    if x.shape[1:] != IMAGE_SHAPE[:2]:
        found = " × ".join(map(str, x.shape[1:]))
        raise DataError(f"{images} has images of {found}: they must be 28 × 28")
    if len(x) <= more_than:
        raise DataError(
            f"{images} has {len(x):,} images: it must have more than {more_than:,}"
        )
    if len(x) != len(y):
        raise DataError(
            f"{labels} has {len(y):,} labels: it must have {len(x):,}, one for each "
            f"image of {images.name}"
        )
    if y.max() > 9:
        raise DataError(f"{labels} has the label {y.max()}: labels must be 0 to 9")
    return x.reshape(-1, *IMAGE_SHAPE), y


def _open(data_dir: Path) -> MnistIdx:
    """Opens the data set, prepared or not."""
    try:
        return MnistIdx(data_dir=data_dir, file_format="array_record")
    except OSError:
        raise
    except Exception as error:  # whatever TFDS makes of damaged metadata
        folder = data_dir / "mnist_idx" / str(MnistIdx.VERSION)
        reason = f"it cannot be read ({error})"
        raise _damaged(folder / "dataset_info.json", reason) from error


def _prepare(data_dir: Path) -> MnistIdx:
    """Prepares the data set under a lock, so that two processes do it once."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with _lock(data_dir):
        builder = _open(data_dir)
        if builder.is_prepared():  # by whoever held the lock
            return builder
        for leftover in data_dir.glob("mnist_idx/incomplete.*"):  # of a killed process
            shutil.rmtree(leftover)
        config = tfds.download.DownloadConfig(
            manual_dir=EMBEDDED, force_checksums_validation=True
        )
        try:
            builder.download_and_prepare(download_config=config)
        except NonMatchingChecksumError as error:
            raise DataError(
                f"{error}\nThe file is damaged. Restore it (`git checkout "
                "cae_keras/mnist`), or delete it, and TFDS will download it."
            ) from error
    return builder


def _read_split(builder: MnistIdx, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads one split in the official order, and checks its content."""
    file = Path(builder.data_path) / f"mnist_idx-{split}.array_record-00000-of-00001"
    try:
        file.open("rb").close()  # OSError if it cannot be read, damaged or not
        source = builder.as_data_source(split=split)
        records = sorted(source, key=lambda record: record["first"])
        x = np.concatenate([record["images"] for record in records])
        y = np.concatenate([record["labels"] for record in records])
        found = fingerprint(x, y)
    except FileNotFoundError:
        found = "no such file"
    except (OSError, MemoryError):
        raise  # says nothing of the file
    except Exception as error:  # whatever a reader makes of damaged records
        found = f"nothing that can be read ({error})"
    if found != FINGERPRINTS[split]:
        reason = f"its fingerprint should be {FINGERPRINTS[split]}, found {found}"
        raise _damaged(file, reason)
    return x, y


def _damaged(file: Path, reason: str) -> DataError:
    """Removes the prepared copy, which can be made again; returns the error for it."""
    folder = file.parent
    with contextlib.suppress(OSError), _lock(folder.parents[1]):
        shutil.rmtree(folder)
    remedy = "Its folder was removed; load again, and it is prepared anew."
    if folder.exists():
        remedy = f"Remove {folder}, or set TFDS_DATA_DIR to another folder."
    return DataError(f"{file} is damaged: {reason}. {remedy}")


@contextlib.contextmanager
def _quiet():
    """Keeps what TFDS prints out of a page; its bars are for a terminal only."""
    loggers = [logging.getLogger(name) for name in ("absl", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    watched = sys.stderr.isatty()
    if not watched:
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not watched:
            tfds.enable_progress_bar()


def _lock(data_dir: Path) -> filelock.BaseFileLock:
    """Returns the one lock of a data folder, which its holder may take again."""
    return filelock.FileLock(data_dir / "mnist_idx.lock", is_singleton=True)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view

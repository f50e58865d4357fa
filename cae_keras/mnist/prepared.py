"""The copy of MNIST that TFDS prepares: made once, and checked whenever it is read."""

import contextlib
import io
import logging
import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import filelock
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError

from cae_keras.mnist.builder import MnistIdx
from cae_keras.mnist.idx import DataError

# Arrow, which TFDS reads by, keeps what it frees, unless the system's allocator is used
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

EMBEDDED = Path(__file__).parent
FINGERPRINTS = {  # SHA-256 of images and labels of each file pair
    "train": "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b",
    "test": "c3f9adf9c66efb572b1f9326c3a511b45910c7173b97be66ceceeeeaef6b802b",
}


def read_prepared(data_dir: Path) -> list[np.ndarray]:
    """Returns images and labels of the training files, and those of the test files."""
    try:
        with _quiet():
            builder = _open(data_dir)
            if not builder.is_prepared():
                builder = _prepare(data_dir)
            return [array for split in FINGERPRINTS for array in _read(builder, split)]
    except NonMatchingChecksumError as error:
        raise DataError(
            f"{error}\nThe file is damaged. Restore it (`git checkout "
            "cae_keras/mnist`), or delete it, and TFDS will download it."
        ) from error
    except (OSError, DownloadError, RuntimeError) as error:  # TFDS makes the last
        raise DataError(
            f"MNIST could not be prepared or read in {data_dir}: {error}. Set "
            "TFDS_DATA_DIR to a folder that can be written, and see that the four "
            f"files are in {EMBEDDED}."
        ) from error


def _open(data_dir: Path) -> MnistIdx:
    """Opens the data set, prepared or not."""
    folder = data_dir / "mnist_idx" / str(MnistIdx.VERSION)
    with _removed_if_damaged(folder / "dataset_info.json"):
        return MnistIdx(data_dir=data_dir, file_format="parquet")


def _prepare(data_dir: Path) -> MnistIdx:
    """Prepares the data set under a lock, so that two processes do it once."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with _lock(data_dir):
        builder = _open(data_dir)
        if not builder.is_prepared():  # by whoever held the lock
            for left in data_dir.glob("mnist_idx/incomplete.*"):  # by who was killed
                shutil.rmtree(left)
            config = tfds.download.DownloadConfig(
                manual_dir=EMBEDDED, force_checksums_validation=True
            )
            builder.download_and_prepare(download_config=config)
    return builder


def _read(builder: MnistIdx, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads one file pair in the official order, and checks its content."""
    file = Path(builder.data_path) / f"mnist_idx-{split}.parquet-00000-of-00001"
    with _removed_if_damaged(file):
        if not file.exists():
            raise ValueError("no such file")
        file.open("rb").close()  # an OSError if it cannot be read, damaged or not
        source = builder.as_data_source(split=split)
        records = sorted(source, key=lambda record: record["first"])
        x = np.concatenate([record["images"] for record in records])
        y = np.concatenate([record["labels"] for record in records])
        found, wanted = sha256(b"".join((x, y))).hexdigest(), FINGERPRINTS[split]
        if found != wanted:
            raise ValueError(f"its fingerprint should be {wanted}, found {found}")
    return x, y


@contextlib.contextmanager
def _removed_if_damaged(file: Path):
    """Removes the prepared copy, which can be made again, if reading a file fails."""
    try:
        yield
    except Exception as error:  # whatever a reader makes of a damaged one
        by_parquet = type(error) is OSError and error.errno is None
        if isinstance(error, OSError | MemoryError) and not by_parquet:
            raise  # says nothing of the file
        folder = file.parent
        with contextlib.suppress(OSError), _lock(folder.parents[1]):
            shutil.rmtree(folder)
        remedy = "Its folder was removed; load again, and it is prepared anew."
        if folder.exists():
            remedy = f"Remove {folder}, or set TFDS_DATA_DIR to another folder."
        raise DataError(f"{file} is damaged: {error}. {remedy}") from error


@contextlib.contextmanager
def _quiet():
    """Keeps what TFDS prints out of a page; its bars are for a terminal only."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
        tfds.enable_progress_bar()


def _lock(data_dir: Path) -> filelock.BaseFileLock:
    """Returns the one lock of a data folder, which its holder may take again."""
    return filelock.FileLock(data_dir / "mnist_idx.lock", is_singleton=True)

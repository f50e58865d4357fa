"""Files of the idx format: an array behind a header that says its type and shape."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from cae_keras.config import IMAGE_SHAPE

FILES = {  # images and labels of each split
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
OTHERS = {  # how other things begin that lie under such a name, and what to do
    b"\x1f\x8b": "is damaged: download it again",
    b"\0\0": "is not compressed: take .gz off its name, and run gzip on it",
    b"<": "is a web page: download the file itself",
    b"version https": "is a pointer of Git LFS: run git lfs pull",
    b"PK": "is a zip archive: unpack it",
}


class DataError(ValueError):
    """The images are missing, damaged, or none that this package can take."""


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Returns the array of a gzipped idx file of unsigned bytes, as its header has it.

    That is two bytes of zero, the type, the number of dimensions, and their sizes as 32
    bits each, the highest first: http://yann.lecun.com/exdb/mnist/
    """
    packed = path.read_bytes()
    try:
        content = gzip.decompress(packed)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        unknown = f"begins with {packed[:8]!r}, as no gzip file does: download it again"
        known = (OTHERS[begin] for begin in OTHERS if packed.lstrip().startswith(begin))
        raise DataError(f"{path} {next(known, unknown)} ({error})") from error
    begin = bytes((0, 0, 8, dimensions))  # 8 is the type: unsigned bytes
    if content[:4] != begin:
        raise DataError(
            f"{path} begins with {content[:4].hex() or 'nothing'}: it must begin with "
            f"{begin.hex()}, unsigned bytes in {dimensions} dimensions"
        )
    header = 4 + 4 * dimensions
    sizes = np.frombuffer(content[4:header].ljust(header - 4, b"\0"), ">u4").tolist()
    if len(content) != header + math.prod(sizes):
        said = " × ".join(map(str, sizes))
        raise DataError(
            f"{path} holds {len(content) - header:,} bytes: its header says {said} = "
            f"{math.prod(sizes):,}; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes)


def read_folder(folder: Path, **more_than: int) -> list[np.ndarray]:
    """Returns images and labels of each split, which must have `more_than` so many."""
    names = [name for split in more_than for name in FILES[split]]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} has no {', '.join(missing)}: it must hold all four files, by "
            "these names and gzipped"
        )
    try:
        pairs = (_read_pair(folder, *asked) for asked in more_than.items())
        return [array for pair in pairs for array in pair]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error}") from error


def _read_pair(folder: Path, split: str, more_than: int):
    """Reads the images and labels of one split, or says what is wrong with them."""
    images, labels = (folder / name for name in FILES[split])
    x, y = read_idx(images, 3), read_idx(labels, 1)
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

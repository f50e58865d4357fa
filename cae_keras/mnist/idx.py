"""Files of the idx format: an array behind a header that says its type and shape."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

UNSIGNED_BYTES = 8  # the type of all files of MNIST


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Returns the array of a gzipped idx file of unsigned bytes, as its header has it.

    Args:
        path: The file.
        dimensions: How many the array must have.

    Raises:
        ValueError: If the file is damaged, or holds an array of another type, number of
            dimensions or size than it should.
        OSError: If it cannot be read.

    References:
        The format is described at http://yann.lecun.com/exdb/mnist/: two bytes of zero,
        the type, the number of dimensions, their sizes as 32 bits each, the highest
        first, and then the array.
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    begin = bytes((0, 0, UNSIGNED_BYTES, dimensions))
    if content[:4] != begin:
        raise ValueError(
            f"{path} begins with {content[:4].hex() or 'nothing'}: it must begin with "
            f"{begin.hex()}, unsigned bytes in {dimensions} dimensions"
        )
    header = 4 + 4 * dimensions
    sizes = [
        int.from_bytes(content[place : place + 4], "big")
        for place in range(4, header, 4)
    ]
    if len(content) != header + math.prod(sizes):
        said = " × ".join(map(str, sizes))
        raise ValueError(
            f"{path} holds {len(content) - header:,} bytes: its header says {said} = "
            f"{math.prod(sizes):,}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes)

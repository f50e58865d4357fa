"""The beginning of Fashion-MNIST, which is shipped in this folder."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from cae_keras.mnist.idx import DataError, read_folder

FASHION = Path(__file__).parent
FINGERPRINT = "42313476673a7ac54343b677cacfd74fe2cf43e007023821ad97e466de31292f"


def read_fashion() -> list[np.ndarray]:
    """Returns images and labels of the training files, and those of the test files."""
    try:
        arrays = read_folder(FASHION, train=0, test=0)
        if sha256(b"".join(arrays)).hexdigest() != FINGERPRINT:
            raise DataError(f"{FASHION} holds other files than those shipped")
    except DataError as error:
        raise DataError(
            f"{error}. Restore the folder (`git checkout cae_keras/mnist`)"
        ) from error
    return arrays

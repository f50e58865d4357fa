"""MNIST as a data set of TFDS, made without TensorFlow from the four official files."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from cae_keras.config import IMAGE_SHAPE
from cae_keras.mnist.idx import read_idx

URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
RECORD = 1_000  # images in one record on disk


class MnistIdx(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder: the four official files in, array_record out.

    A record holds a thousand images, since TFDS spends some 50 µs on each, whatever its
    size. It shuffles records on disk: `first`, the index of the first image, restores
    their order.
    """

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = None

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "first": tfds.features.Scalar(np.int32),
            "images": tfds.features.Tensor(
                shape=(RECORD, *IMAGE_SHAPE), dtype=np.uint8
            ),
            "labels": tfds.features.Tensor(shape=(RECORD,), dtype=np.uint8),
        }
        info = self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description="MNIST, from the four official files.",
            homepage="https://yann.lecun.com/exdb/mnist/",
            license="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
        )
        info.initialize_from_bucket = _nothing_there
        return info

    def _split_generators(self, dl_manager):
        paths = dl_manager.download(
            {split: [URL + name for name in names] for split, names in FILES.items()}
        )
        return {
            split: self._generate_examples(*map(Path, pair))
            for split, pair in paths.items()
        }

    def _generate_examples(self, images_path: Path, labels_path: Path):
        images = read_idx(images_path, 3).reshape(-1, *IMAGE_SHAPE)
        labels = read_idx(labels_path, 1)
        for first in range(0, len(images), RECORD):
            block = slice(first, first + RECORD)
            x, y = images[block], labels[block]
            yield first, {"first": first, "images": x, "labels": y}


def _nothing_there():
    """Stands for a look into the bucket of TFDS, which would leave a folder in /tmp."""

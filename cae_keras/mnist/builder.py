"""MNIST as a data set of TFDS, made without TensorFlow from the four official files."""

import numpy as np
import tensorflow_datasets as tfds

from cae_keras.config import IMAGE_SHAPE
from cae_keras.mnist.idx import FILES, read_idx

URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
RECORD = 1_000  # images: TFDS spends some 50 µs on a record, whatever its size


class MnistIdx(tfds.core.GeneratorBasedBuilder):
    """The four official files in, Parquet out: what it needs has wheels everywhere.

    TFDS shuffles records on disk: `first`, an image's index, restores their order.
    """

    VERSION = tfds.core.Version("2.0.0")  # 1.0.0 was array_record
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
        info.initialize_from_bucket = lambda: None  # it would leave a folder in /tmp
        return info

    def _split_generators(self, dl_manager):
        urls = {split: [URL + name for name in pair] for split, pair in FILES.items()}
        paths = dl_manager.download(urls)
        return {split: self._generate_examples(*pair) for split, pair in paths.items()}

    def _generate_examples(self, images, labels):
        x, y = read_idx(images, 3).reshape(-1, *IMAGE_SHAPE), read_idx(labels, 1)
        for first in range(0, len(x), RECORD):
            block = slice(first, first + RECORD)
            yield first, {"first": first, "images": x[block], "labels": y[block]}

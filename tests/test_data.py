"""MNIST is the official one, in the official order, or there is an error that says which file is wrong."""

import gzip
import hashlib
import io
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds

from cae_keras.data import fingerprint, load_fashion, load_idx, load_mnist
from cae_keras.mnist import builder, fashion, prepared
from cae_keras.mnist.fashion import FASHION
from cae_keras.mnist.idx import DataError
from cae_keras.mnist.prepared import EMBEDDED

MD5 = {  # as torchvision publishes them, datasets/mnist.py
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # its package of the official ones
PREPARED = f"mnist_idx/{builder.MnistIdx.VERSION}"
TRAIN, TEST = (
    f"{PREPARED}/mnist_idx-{split}.parquet-00000-of-00001"
    for split in ("train", "test")
)
INFO = f"{PREPARED}/dataset_info.json"

LOAD_WHEN_BOTH_ARE_READY = """
import sys, time
from pathlib import Path
from cae_keras.data import fingerprint, load_mnist

name, folder = sys.argv[1], Path(sys.argv[2])
(folder / f"ready_{name}").touch()
while len(list(folder.glob("ready_*"))) < 2:
    time.sleep(0.01)
mnist = load_mnist(folder / "tfds")
try:
    import tensorflow
except SystemExit:  # the trap works
    (folder / f"found_{name}").write_text(fingerprint(*vars(mnist).values()))
"""


def damage_of(content):
    altered = bytearray(content)
    altered[len(content) // 2] ^= 0x80
    return {
        "truncated": content[: len(content) // 2],
        "altered": altered,
        "emptied": b"",
    }


def plainly_read(folder):
    """Returns images and labels, read in the simplest way: all behind the header, whatever it says."""
    arrays = [
        np.frombuffer(gzip.decompress((folder / name).read_bytes())[skip:], np.uint8)
        for name, skip in zip(MD5, (16, 8, 16, 8), strict=True)
    ]
    arrays[::2] = [x.reshape(-1, 28, 28, 1) for x in arrays[::2]]
    return arrays


def all_of(mnist):
    return fingerprint(*vars(mnist).values())


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, start_python):
    """Two processes that prepare one fresh folder at the same moment; another was killed there before.

    Who imports TensorFlow there ends, or `array_record`, which Windows lacks.
    """
    folder = tmp_path_factory.mktemp("two")
    killed = folder / "tfds" / "mnist_idx" / "incomplete.ABC123_1.0.0"
    killed.mkdir(parents=True)
    (killed / "half.parquet").write_bytes(b"half")
    for name in ("tensorflow", "array_record"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} is imported')")
    (folder / "temporary").mkdir()
    started = [
        start_python(
            LOAD_WHEN_BOTH_ARE_READY, name, folder, before_all=folder, TMPDIR=str(folder / "temporary")
        )
        for name in "ab"
    ]  # fmt: skip
    try:
        printed = [process.communicate(timeout=100) for process in started]
    finally:
        for process in started:
            process.kill()
    return folder, [process.returncode for process in started], printed


@pytest.fixture
def copy(two_processes, tmp_path):
    """A copy of a prepared folder, to be damaged."""
    shutil.copytree(two_processes[0] / "tfds", tmp_path / "tfds")
    return tmp_path / "tfds"


@pytest.fixture
def embedded(monkeypatch, tmp_path):
    """A copy of the four official files, in use instead of the embedded ones, to be damaged."""
    folder = shutil.copytree(EMBEDDED, tmp_path / "embedded")
    monkeypatch.setattr(prepared, "EMBEDDED", folder)
    return folder


class TestContent:
    def test_embedded_files_are_the_published_ones(self):
        for name, published in MD5.items():
            content = (EMBEDDED / name).read_bytes()
            assert hashlib.md5(content).hexdigest() == published, name

    @pytest.mark.parametrize("folder", [EMBEDDED, FASHION])
    def test_readme_has_the_checksum_of_each_file(self, folder):
        readme = (folder / "README.md").read_text("utf-8")
        for name in MD5:
            content = (folder / name).read_bytes()
            row = f"{name} | {len(content):,} | {hashlib.sha256(content).hexdigest()} |"
            assert row in readme

    def test_images_and_labels_keep_the_official_order(self, mnist):
        x, y, x_test, y_test = plainly_read(EMBEDDED)
        expected = (x[:55_000], y[:55_000], x[55_000:], y[55_000:], x_test, y_test)
        for found, wanted in zip(vars(mnist).values(), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == np.uint8
            with pytest.raises(ValueError, match="read-only"):
                found[0] = 0

    def test_a_quick_build_holds_out_every_fourth(self, mnist, monkeypatch):
        monkeypatch.setenv("CAE_PRESET", "quick")
        quick = load_mnist()
        for name, every in vars(mnist).items():
            step = 1 if name.endswith("train") else 4
            assert np.array_equal(getattr(quick, name), every[::step])


@pytest.mark.parametrize("name, shape", [
    ("x_train", (2, 28, 28)), ("x_val", (2, 28, 28, 3)), ("x_test", (0, 28, 28, 1)), ("y_val", (3,)), ("y_test", (2, 1)),
])  # fmt: skip
def test_other_arrays_are_refused(tiny, name, shape):
    with pytest.raises(ValueError, match="it must be uint8") as error:
        replace(tiny, **{name: np.zeros(shape, np.uint8)})
    assert f"{name} is uint8 {shape}" in str(error.value)


def test_two_processes_at_once_succeed_agree_and_leave_nothing(two_processes, mnist):
    folder, codes, printed = two_processes
    assert codes == [0, 0], printed
    found = {(folder / f"found_{name}").read_text() for name in "ab"}
    assert found == {all_of(mnist)}
    assert printed == [("", ""), ("", "")]
    names = [path.name for path in (folder / "tfds" / "mnist_idx").iterdir()]
    assert names == [Path(PREPARED).name]  # nothing of the killed one
    assert not list((folder / "temporary").iterdir())


class TestPreparedFolder:
    def test_it_takes_no_lock_and_the_environment_names_it(self, copy, monkeypatch, tmp_path, mnist):  # fmt: skip
        def fail(*_, **__):
            pytest.fail("it is prepared, and may be read-only")

        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setattr(prepared.filelock, "FileLock", fail)
        monkeypatch.setattr(builder.MnistIdx, "download_and_prepare", fail)
        monkeypatch.setenv("TFDS_DATA_DIR", str(copy))
        assert all_of(load_mnist()) == all_of(mnist)
        monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file" / "tfds"))
        (tmp_path / "file").touch()
        load_mnist(copy)  # the argument goes before
        with pytest.raises(DataError, match="file/tfds"):
            load_mnist()

    def test_what_an_earlier_edition_prepared_may_stand_beside_it(self, copy, monkeypatch, mnist):  # fmt: skip
        old = shutil.copytree(copy / PREPARED, copy / "mnist_idx" / "1.0.0")
        info = (old / "dataset_info.json").read_text("utf-8")
        for new, before in [
            ("parquet", "array_record"),
            (Path(PREPARED).name, "1.0.0"),
        ]:
            info = info.replace(f'"{new}"', f'"{before}"')
        (old / "dataset_info.json").write_text(info, "utf-8")
        assert all_of(load_mnist(copy)) == all_of(mnist)
        monkeypatch.setattr(builder.MnistIdx, "VERSION", tfds.core.Version("1.0.0"))
        with pytest.raises(DataError, match="ARRAY_RECORD"):  # hence another version
            load_mnist(copy)

    @pytest.mark.parametrize("file", [TRAIN, TEST, INFO])
    @pytest.mark.parametrize("damage", ["truncated", "altered", "emptied", "deleted"])
    def test_a_damaged_file_is_named_and_its_folder_removed(self, copy, file, damage):
        damaged = damage_of((copy / file).read_bytes())
        (copy / file).unlink()
        if damage != "deleted":
            (copy / file).write_bytes(damaged[damage])
        with pytest.raises(DataError, match="is damaged") as error:
            load_mnist(copy)
        no_info = (file, damage) == (INFO, "deleted")  # then TFDS knows no splits
        assert str(copy / (PREPARED if no_info else file)) in str(error.value)
        assert not (copy / PREPARED).exists()

    @pytest.mark.parametrize("error", [MemoryError("full"), PermissionError("closed")])
    def test_what_says_nothing_of_the_files_removes_nothing(self, copy, monkeypatch, error):  # fmt: skip
        def fail(*_):
            raise error

        monkeypatch.setattr(prepared, "sha256", fail)
        with pytest.raises((MemoryError, DataError), match=r"full|closed"):
            load_mnist(copy)
        assert (copy / TRAIN).exists()

    def test_what_cannot_be_removed_is_left_to_the_reader(self, copy, monkeypatch):
        def fail(*_):
            raise PermissionError("read-only")

        (copy / TRAIN).write_bytes(b"garbage")
        monkeypatch.setattr(prepared.shutil, "rmtree", fail)
        with pytest.raises(DataError, match=f"Remove {copy / PREPARED}, or set"):
            load_mnist(copy)

    def test_sound_records_with_other_content_are_refused(self, monkeypatch, tmp_path):
        """Here every checksum of TFDS and of the file format holds, and one pixel is wrong."""
        read = builder.read_idx

        def altered(path, dimensions):
            content = read(path, dimensions).copy()
            content.reshape(-1)[123_456 % content.size] ^= 1
            return content

        monkeypatch.setattr(builder, "read_idx", altered)
        with pytest.raises(DataError, match="fingerprint") as error:
            load_mnist(tmp_path)
        assert str(tmp_path / TRAIN) in str(error.value)
        assert not (tmp_path / PREPARED).exists()


class TestEmbeddedFiles:
    @pytest.mark.parametrize("name", MD5)
    @pytest.mark.parametrize("damage", ["truncated", "altered", "emptied"])
    def test_a_damaged_file_is_named_and_nothing_is_prepared(self, embedded, tmp_path, name, damage):  # fmt: skip
        damaged = damage_of((embedded / name).read_bytes())
        (embedded / name).write_bytes(damaged[damage])
        with pytest.raises(DataError, match="damaged") as error:
            load_mnist(tmp_path / "tfds")
        assert str(embedded / name) in str(error.value)
        assert not list((tmp_path / "tfds").glob("mnist_idx/*"))


class TestDownload:
    """Without the embedded files TFDS asks the network, which is played here."""

    @pytest.fixture
    def network(self, embedded, monkeypatch):
        """Takes the embedded files away; called, it makes `requests` answer with the official ones, if it may."""
        for name in MD5:
            (embedded / name).unlink()

        def play(status=200, change=lambda content: content):
            def get(_, url, **__):
                name = url.rpartition("/")[2]
                response = requests.Response()
                response.status_code, response.url = status, url
                response.headers["Content-Disposition"] = f"attachment; filename={name}"
                response.raw = io.BytesIO(change((EMBEDDED / name).read_bytes()))
                return response

            monkeypatch.setattr(requests.Session, "get", get)

        return play

    def test_a_damaged_download_is_refused_and_a_sound_one_taken(self, network, tmp_path, mnist):  # fmt: skip
        network(change=lambda content: content[:-100])
        with pytest.raises(DataError, match="damaged") as error:
            load_mnist(tmp_path / "tfds")
        assert any(name in str(error.value) for name in MD5)
        assert not list((tmp_path / "tfds").glob("mnist_idx/*"))
        network()
        assert all_of(load_mnist(tmp_path / "tfds")) == all_of(mnist)

    @pytest.mark.parametrize("status", [404, None])
    def test_a_network_that_fails_is_a_data_error(self, network, tmp_path, status):
        if status:
            network(status)
        with pytest.raises(DataError, match=str(status or "the network is down")):
            load_mnist(tmp_path / "tfds")
        assert not list((tmp_path / "tfds").glob("mnist_idx/*"))


def idx(array, dimensions=None):
    """Returns the content of an idx file."""
    shape = array.shape if dimensions is None else dimensions
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    return gzip.compress(header + array.tobytes(), 1)


@pytest.fixture
def clothes(tmp_path):
    """A folder of 5,001 + 7 images which are no digits."""
    for split, n in {"train": 5_001, "t10k": 7}.items():
        for kind, shape in {"images-idx3": (n, 28, 28), "labels-idx1": (n,)}.items():
            content = idx(np.zeros(shape, np.uint8))
            (tmp_path / f"{split}-{kind}-ubyte.gz").write_bytes(content)
    assert len(load_idx(tmp_path).x_train) == 1
    return tmp_path


class TestFolder:
    """Images of one's own, in files like those of MNIST."""

    def test_the_files_of_mnist_give_mnist(self, mnist, monkeypatch):
        """Two ways through the same files that have nothing in common but the format."""
        assert all_of(load_idx(EMBEDDED)) == all_of(mnist)
        monkeypatch.setenv("CAE_PRESET", "quick")
        assert all_of(load_idx(str(EMBEDDED))) == all_of(load_mnist())

    @pytest.mark.parametrize(
        "name, content, rule",
        [
            ("t10k-images-idx3", b"no gzip", "begins with b'no gzip', as no gzip file does: download it again"),
            ("t10k-images-idx3", gzip.decompress(idx(np.zeros((7, 28, 28), np.uint8))), "is not compressed: take .gz off its name"),
            ("t10k-images-idx3", b"\n<!DOCTYPE html>", "is a web page: download the file itself"),
            ("t10k-images-idx3", b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS: run git lfs pull"),
            ("t10k-images-idx3", b"PK\3\4", "is a zip archive: unpack it"),
            ("t10k-images-idx3", gzip.compress(b"\0\0\x08\x03\0\0"), "its header says 0 × 0 × 0"),
            ("t10k-labels-idx1", idx(np.zeros(9, np.uint8), (7,)), "holds 9 bytes: its header says 7 = 7; download it again"),
            ("t10k-images-idx3", idx(np.zeros((7, 28, 28), np.uint8))[:-9], "is damaged"),
            ("t10k-images-idx3", gzip.compress(b""), "begins with nothing: it must begin with 00000803"),
            ("t10k-images-idx3", idx(np.zeros(7, np.uint8)), "begins with 00000801: it must begin with 00000803"),
            ("t10k-labels-idx1", idx(np.zeros(7, np.uint8), (8,)), "holds 7 bytes: its header says 8 = 8"),
            ("t10k-images-idx3", idx(np.zeros(9, np.uint8), (2**32 - 1,) * 3), "holds 9 bytes: its header says"),
            ("t10k-images-idx3", idx(np.zeros((7, 32, 32), np.uint8)), "has images of 32 × 32: they must be 28 × 28"),
            ("t10k-images-idx3", idx(np.zeros((0, 28, 28), np.uint8)), "has 0 images: it must have more than 0"),
            ("train-images-idx3", idx(np.zeros((5_000, 28, 28), np.uint8)), "has 5,000 images: it must have more than 5,000"),
            ("t10k-labels-idx1", idx(np.zeros(6, np.uint8)), "has 6 labels: it must have 7, one for each image of t10k-images"),
            ("t10k-labels-idx1", idx(np.full(7, 26, np.uint8)), "has the label 26: labels must be 0 to 9"),
        ],
    )  # fmt: skip
    def test_what_it_cannot_take_is_named(self, clothes, name, content, rule):
        path = clothes / f"{name}-ubyte.gz"
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            load_idx(clothes)
        message = str(error.value)
        assert message.startswith(str(path))
        assert rule in message
        assert "\n" not in message

    def test_transposed_images_are_turned_back(self, clothes):
        x = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
        content = idx(x.swapaxes(1, 2))
        (clothes / "t10k-images-idx3-ubyte.gz").write_bytes(content)
        assert np.array_equal(load_idx(clothes, transposed=True).x_test[..., 0], x)
        assert not np.array_equal(load_idx(clothes).x_test[..., 0], x)

    def test_all_missing_files_are_named_at_once(self, clothes):
        for name in ("t10k-images-idx3", "train-labels-idx1"):
            (clothes / f"{name}-ubyte.gz").unlink()
        missing = "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz"
        with pytest.raises(DataError, match=f"has no {missing}: it must hold"):
            load_idx(clothes)


class TestFashion:
    def test_it_is_the_beginning_of_the_official_files(self, monkeypatch):
        x, y, x_test, y_test = plainly_read(DEBIAN if DEBIAN.exists() else FASHION)
        train, val, test = slice(10_000), slice(10_000, 15_000), slice(5_000)
        expected = (x[train], y[train], x[val], y[val], x_test[test], y_test[test])
        found = vars(load_fashion()).values()
        assert [len(array) for array in found] == [10_000] * 2 + [5_000] * 4
        assert fingerprint(*found) == fingerprint(*expected)
        monkeypatch.setenv("CAE_PRESET", "quick")
        assert np.array_equal(load_fashion().y_val, y[val][::4])

    def test_readme_says_which_official_files_it_is_cut_from(self):
        """As TFDS has their checksums, in a list of its own."""
        lists = Path(tfds.__file__).parent / "url_checksums" / "fashion_mnist.txt"
        for line in lists.read_text("utf-8").splitlines():
            _, size, checksum, name = line.split()
            row = f"{name} | {int(size):,} | {checksum} |"
            assert row in (FASHION / "README.md").read_text("utf-8")

    def test_what_is_not_shipped_is_refused(self, tmp_path, monkeypatch):
        folder = shutil.copytree(FASHION, tmp_path / "fashion")
        monkeypatch.setattr(fashion, "FASHION", folder)
        labels = folder / "train-labels-idx1-ubyte.gz"
        for content, wrong in [
            (labels.read_bytes()[:-9], f"{labels} is damaged"),
            (idx(np.zeros(15_000, np.uint8)), f"{folder} holds other files"),
        ]:
            labels.write_bytes(content)
            with pytest.raises(DataError, match="git checkout") as error:
                load_fashion()
            assert str(error.value).startswith(wrong)

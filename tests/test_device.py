"""The device is that of Keras, and is kept with what was done on it."""

from types import SimpleNamespace

import pytest
import torch
from fake_tasks import Fake, begun

from cae_keras.deploy import machine
from cae_keras.deploy.machine import device
from cae_keras.study import workers
from cae_keras.study.complete import complete
from cae_keras.study.store import Store, digest

GPU = "cuda: NVIDIA L4"


@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_it_is_where_keras_computes(start_python, name):
    script = "from cae_keras.deploy.machine import device; print(device())"
    process = start_python(script, KERAS_TORCH_DEVICE=name)
    out, err = process.communicate(timeout=120)
    assert (out, process.returncode) == (f"{name}\n", 0), err


def test_a_gpu_goes_by_its_name(monkeypatch):
    """Only a tensor and a name are made up: the tests run without a GPU."""
    tensor = SimpleNamespace(device=torch.device("cuda", 1))
    names = {torch.device("cuda", 1): "NVIDIA L4"}
    monkeypatch.setattr(machine.keras.ops, "zeros", lambda _: tensor)
    monkeypatch.setattr(torch.cuda, "get_device_name", names.get)
    assert device() == GPU


def test_it_is_kept_and_decides_neither_key_nor_digest(tiny, tmp_path, monkeypatch):
    """What a GPU gave is found without one."""
    task = Fake("task", tmp_path)
    for now in (GPU, "cpu"):
        monkeypatch.setattr(workers, "device", lambda now=now: now)
        (entry,) = complete([task], tiny)
        assert entry.device == GPU
    assert begun(tmp_path) == ["task"]
    assert [about["device"] for _, about in Store().entries()] == [GPU]
    assert digest(entry) == digest(entry._replace(device="cpu"))

"""The device is that of Keras, and is kept with what was done on it."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_tasks import Fake, begun, pids

from cae_keras.deploy import machine as module
from cae_keras.deploy.machine import device
from cae_keras.study import workers
from cae_keras.study.keys import task_key
from cae_keras.study.store import Store, digest
from cae_keras.study.workers import complete

GPU = "cuda: NVIDIA L4"


def kept():
    """Returns the device of each entry in the store."""
    return [about["device"] for _, about in Store().entries()]


@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_it_is_where_keras_computes(start_python, name):
    script = (
        "import cae_keras; from cae_keras.deploy.machine import device; print(device())"
    )
    process = start_python(script, KERAS_TORCH_DEVICE=name)
    out, err = process.communicate(timeout=120)
    assert (out, process.returncode) == (f"{name}\n", 0), err


def test_a_gpu_goes_by_its_name(monkeypatch):
    """Only a tensor and a name are made up: the tests run without a GPU."""
    tensor = SimpleNamespace(device=torch.device("cuda", 1))
    names = {torch.device("cuda", 1): "NVIDIA L4"}
    monkeypatch.setattr(module.keras.ops, "zeros", lambda _: tensor)
    monkeypatch.setattr(torch.cuda, "get_device_name", names.get)
    assert device() == GPU


@pytest.mark.parametrize("count", ["1", "2"])
def test_it_is_kept_with_each_entry(tiny, tmp_path, monkeypatch, count):
    monkeypatch.setenv("CAE_WORKERS", count)
    tasks = [Fake(name, tmp_path) for name in "ab"]
    done = complete(tasks, tiny)
    assert kept() == ["cpu", "cpu"]
    assert [entry.device for entry in done] == ["cpu", "cpu"]
    assert [entry.device for entry in complete(tasks, tiny)] == ["cpu", "cpu"]


def test_one_gpu_does_one_task_after_the_other(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(workers, "device", lambda: GPU)
    complete([Fake(name, tmp_path) for name in "abc"], tiny)
    assert pids(tmp_path) == {os.getpid()}
    assert kept() == [GPU] * 3


def test_it_decides_neither_key_nor_digest(tiny, tmp_path, monkeypatch):
    """What a GPU gave is found without one."""
    task = Fake("task", tmp_path)
    monkeypatch.setattr(workers, "device", lambda: GPU)
    complete([task], tiny)
    monkeypatch.setattr(workers, "device", lambda: "cpu")
    (entry,) = complete([task], tiny)
    assert begun(tmp_path) == ["task"]
    assert entry.device == GPU
    assert digest(entry) == digest(entry._replace(device="cpu"))


def test_an_entry_from_before_it_was_kept_is_still_sound(tiny, tmp_path):
    task = Fake("task", tmp_path)
    complete([task], tiny)
    path = Store().folder / f"{task_key(task, tiny)}.npz"
    with np.load(path) as file:
        content = dict(file)
    about = json.loads(str(content["about"]))
    del about["device"]
    np.savez(path, **{**content, "about": json.dumps(about)})
    (entry,) = complete([task], tiny)
    assert begun(tmp_path) == ["task"]
    assert entry.device is None

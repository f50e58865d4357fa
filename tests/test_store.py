"""The run store keeps what was trained, finds damage, and knows what must be trained again."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from cae_keras import CAEConfig, Recipe, load_or_train, store

CONFIG = CAEConfig(filters=(2, 2), latent_dim=2)
RECIPE = Recipe(images=64, epochs=1)


@pytest.fixture
def trained(monkeypatch):
    """Counts what is trained."""
    seeds = []

    def counting(config, recipe, seed, data):
        seeds.append(seed)
        return train(config, recipe, seed, data)

    train = store.train
    monkeypatch.setattr(store, "train", counting)
    return seeds


def same(a, b):
    losses = ("loss", "val_loss", "learning_rate")  # not the seconds
    return all(a.history[name] == b.history[name] for name in losses) and all(
        map(np.array_equal, a.weights, b.weights)
    )


def test_a_run_is_trained_once_and_comes_back_bit_for_bit(tiny, tmp_path, trained):
    first = load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    again = load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    assert trained == [0]
    assert same(first, again)
    assert np.array_equal(first.reconstruct(tiny.x_val), again.reconstruct(tiny.x_val))
    load_or_train(CONFIG, RECIPE, 1, tiny, tmp_path)
    assert trained == [0, 1]


@pytest.mark.parametrize("fault", ["truncated", "emptied", "flipped", "swapped"])
def test_a_damaged_run_is_set_aside_with_a_warning_and_trained_again(
    tiny, tmp_path, trained, fault
):
    first = load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    path = next(tmp_path.glob("*.npz"))
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    if fault == "swapped":
        load_or_train(CONFIG, RECIPE, 1, tiny, tmp_path)
        (other,) = set(tmp_path.glob("*.npz")) - {path}
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(
            {"truncated": good[:-50], "emptied": b"", "flipped": bytes(flipped)}[fault]
        )
    trained.clear()
    with pytest.warns(UserWarning, match="is damaged"):
        again = load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    assert trained == [0]
    assert same(first, again)
    assert path.with_suffix(".damaged").exists()


def test_a_pickle_in_the_store_is_not_run(tiny, tmp_path, trained):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "run",))

    path = tmp_path / f"{store.run_key(CONFIG, RECIPE, 0, tiny)}.npz"
    np.savez(
        path,
        np.array([Hostile()], dtype=object),
        about=np.array(Hostile(), dtype=object),
    )
    with pytest.warns(UserWarning, match="is damaged"):
        load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    assert not (tmp_path / "run").exists()


def other(images):
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    return changed


def test_the_key_covers_all_that_decides_the_numbers(tiny, monkeypatch):
    def key(config=CONFIG, recipe=RECIPE, seed=0, data=tiny):
        return store.run_key(config, recipe, seed, data)

    keys = [
        key(),
        key(config=CAEConfig(filters=(2, 2), latent_dim=3)),
        key(recipe=Recipe(images=64, epochs=2)),
        key(seed=1),
        key(recipe=Recipe(images=63, epochs=1)),
        key(data=replace(tiny, x_train=other(tiny.x_train))),
        key(data=replace(tiny, x_val=other(tiny.x_val))),
    ]
    for package in ("keras", "torch"):
        with monkeypatch.context() as patch:
            patch.setattr(
                store,
                "version",
                lambda name, p=package: "0" if name == p else version(name),
            )
            keys.append(key())
    source = store._source
    for module in ("config", "images", "models", "training"):
        changed = {module: source(module) + "\nCHANGED = True"}
        with monkeypatch.context() as patch:
            patch.setattr(
                store, "_source", lambda name, c=changed: c.get(name) or source(name)
            )
            keys.append(key())
    assert len(set(keys)) == len(keys) == 13


def test_what_decides_nothing_changes_no_key(tiny):
    key = store.run_key(CONFIG, RECIPE, 0, tiny)
    unused = replace(tiny, x_test=other(tiny.x_test), y_train=tiny.y_train[::-1])
    assert store.run_key(CONFIG, RECIPE, 0, unused) == key


@pytest.mark.parametrize(
    "fault", ["a shorter history", "another loss", "another shape"]
)
def test_a_run_that_was_rewritten_is_not_believed(tiny, tmp_path, trained, fault):
    """Here the zip file is sound, and so are the bytes of the weights."""
    load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    path = next(tmp_path.glob("*.npz"))
    with np.load(path) as file:
        content = dict(file)
    about = json.loads(str(content["about"]))
    if fault == "a shorter history":
        del about["history"]["loss"]
    elif fault == "another loss":
        about["history"]["val_loss"] = [0.0001]
    else:
        content["arr_0"] = content["arr_0"].reshape(-1)
    np.savez(path, **{**content, "about": json.dumps(about)})
    trained.clear()
    with pytest.warns(UserWarning, match="is damaged"):
        load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    assert trained == [0]


def test_a_finished_run_is_read_without_writing(tiny, tmp_path, monkeypatch):
    first = load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path)
    monkeypatch.setattr(
        store.filelock, "FileLock", lambda *_: pytest.fail("a store may be read-only")
    )
    assert same(load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path), first)


def test_the_digest_of_code_ignores_comments_and_docstrings_only():
    code = 'RATE = 1\n\ndef f(x):\n    """One."""\n    return x * RATE\n'
    digest = store.code_digest(code)
    assert store.code_digest(code.replace("One.", "Two.") + "# done\n") == digest
    assert store.code_digest(code.replace("RATE = 1", "RATE = 2")) != digest
    assert store.code_digest(code.replace("x * RATE", "x + RATE")) != digest
    assert store.code_digest('x = "a text, not a docstring"') != store.code_digest(
        "x = 'another text'"
    )


def test_a_store_that_cannot_be_written_is_refused_before_training(
    tiny, tmp_path, trained
):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"CAE_RUNS=.*file/runs.* cannot be written"):
        load_or_train(CONFIG, RECIPE, 0, tiny, tmp_path / "file" / "runs")
    assert trained == []


def test_two_processes_do_not_train_the_same_run_twice(tmp_path):
    code = f"""
import cae_keras as cae
from cae_keras import store
original = store.train
store.train = lambda *a: print("trained") or original(*a)
mnist = cae.load_mnist()
cae.load_or_train(cae.CAEConfig(filters=(2, 2)), cae.Recipe(images=2000, epochs=1), 0, mnist, {str(tmp_path)!r})
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        )
        for _ in "ab"
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(outputs) == ["", "trained\n"]

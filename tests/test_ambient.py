"""What Keras and torch keep globally decides no number, and is as before afterwards."""

import json

import keras
import numpy as np
import pytest
import torch

from cae_keras.config import CAEConfig, Recipe
from cae_keras.measurements.measured import measure_run
from cae_keras.measurements.reader import Reader, build_reader
from cae_keras.training import AMBIENT, pinned, train

CONFIG = CAEConfig(filters=(4, 8), latent_dim=3, batch_norm=True)
RECIPE = Recipe(images=130, epochs=3)
ODD = {
    "dtype_policy": "mixed_bfloat16", "floatx": "float64", "epsilon": 1e-2, "image_data_format": "channels_first",
    "max_epochs": 1, "max_steps_per_epoch": 1, "get_default_dtype": torch.float64, "get_num_threads": 3,
    "is_grad_enabled": False, "is_autocast_enabled": True, "are_deterministic_algorithms_enabled": True,
    "get_float32_matmul_precision": "medium", "getattr": True,
}  # fmt: skip
SCRIPT = """
import sys, cae_keras as cae, numpy as np
from cae_keras.config import CAEConfig, Recipe
from cae_keras.study.keys import task_key
from cae_keras.study.tasks import Training
from cae_keras.training import train
mnist = cae.load_mnist()
config, recipe = CAEConfig(filters=(4, 8), latent_dim=3, batch_norm=True), Recipe(images=130, epochs=3)
run = train(config, recipe, 0, mnist)
print(task_key(Training(config, recipe, 0), mnist), *(float(np.abs(w).sum()) for w in run.weights))
"""


def name_of(setting):
    return getattr(setting[0], "func", setting[0]).__name__


def numbers(data):
    """Returns all that a run and its measures hold but for the seconds."""
    keras.utils.set_random_seed(1)
    run = train(CONFIG, RECIPE, 0, data)
    with pinned():
        reader = Reader(RECIPE, 0, {}, tuple(build_reader().get_weights()))
    measures = measure_run(run, reader, data.x_test, data.y_test, data.x_val)
    history = [run.history[name] for name in ("loss", "val_loss", "learning_rate")]
    return [
        *run.weights,
        history,
        [measures[name] for name in measures if name != "seconds"],
    ]


@pytest.fixture(scope="module")
def plain(tiny):
    return numbers(tiny)


def test_an_odd_value_is_known_for_each_setting():
    assert [name_of(setting) for setting in AMBIENT] == list(ODD)


@pytest.mark.parametrize("setting", AMBIENT, ids=name_of)
def test_a_setting_decides_no_number_and_stays(setting, tiny, plain):
    read, write, _ = setting
    before, odd = read(), ODD[name_of(setting)]
    write(odd)
    try:
        kept = str(read())
        found = numbers(tiny)
        assert str(read()) == kept
    finally:
        write(before)
    for ours, theirs in zip(found, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nor_does_the_file_of_keras(start_python, tmp_path):
    """`keras.json`, which Keras reads when it is imported."""
    odd = {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 1e-2}
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "keras.json").write_text(json.dumps(odd))
    found = []
    for home in ("plain", "odd"):
        process = start_python(SCRIPT, KERAS_HOME=str(tmp_path / home))
        said, wrong = process.communicate(timeout=300)
        assert process.returncode == 0, wrong
        found.append(said)
    assert found[0] == found[1] != ""

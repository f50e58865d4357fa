"""Bad values: each is refused in one line that names it and its rule, and changes nothing.

A value of a wholly other kind, such as None for a run, is Python's own `TypeError` or
`AttributeError`. Further bad values are refused in `test_config.py`, `test_images.py`,
`test_data.py`, `test_workers.py`, `test_lab.py` and `test_book.py`.
"""

import math
import os

import keras
import numpy as np
import pytest

import cae_keras as cae
from cae_keras import __main__, config, figures
from cae_keras.compare.statistics import Interval
from cae_keras.config import CAEConfig, Recipe, get_preset
from cae_keras.data import Mnist, load_idx
from cae_keras.deploy.export import quantise_weights
from cae_keras.deploy.lab import Lab
from cae_keras.experiments import Experiment, configurations
from cae_keras.measurements.baselines import PCA
from cae_keras.measurements.curves import last_gain, roughness
from cae_keras.measurements.reader import Reader, build_reader
from cae_keras.metrics import psnr, ssim
from cae_keras.training import Run, train

NAN, INF = math.nan, math.inf
X = np.random.default_rng(0).random((12, 28, 28, 1)).astype("float32")
SMALL = X[:, :8, :8]
PIXELS = np.zeros((12, 28, 28, 1), np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10
DATA = Mnist(PIXELS, LABELS, PIXELS, LABELS, PIXELS, LABELS)
CONFIG = CAEConfig(filters=(2,), latent_dim=2, batch_norm=True)
FEW = Recipe(images=5)
RESULTS = {"baseline": {"mse": [1.0, 2.0]}, "wide": {"mse": [1.0, 2.0]}}
FINE = {"a": {"read": [1.0], "ssim": [1.0], "mse": [0.0]}}
RUN = Run.untrained(CONFIG, Recipe(batch_size=8))
FITTED = PCA(np.zeros(784), np.eye(784))
READER = Reader(FEW, 0, {}, tuple(build_reader().get_weights()))
SIZE = "expected shape=(None, 28, 28, 1)"  # in the words of Keras
NEW = keras.Sequential(
    [keras.Input((2,)), keras.layers.BatchNormalization(renorm=True)]
)
IMAGES = "it must be (n, height, width, 1)"
SEEDS = "distinct integers"

BAD_CALLS = [  # what is called, what the error names, the rule
    # arrays of images
    (lambda: cae.to_float("x"), "shape ()", IMAGES),
    (lambda: cae.bce(X, X[0]), "x_hat has shape (28, 28, 1)", IMAGES),
    (lambda: cae.bce_floor(X + 1), "x ranges from 1", "floats must lie in [0, 1]"),
    (lambda: cae.to_float(np.nextafter(0 * X + 1, 2)), "from 1.0000001 to 1.0000001", "in [0, 1]"),
    (lambda: cae.excess_bce(X, -X), "x_hat ranges from -", "in [0, 1]"),
    (lambda: cae.mse(X, X[:2]), "x_hat (2, 28, 28, 1)", "must be the same"),
    (lambda: psnr(X, X.astype(int)), "x_hat has dtype int64", "must be uint8"),
    (lambda: ssim(X[:, :5], X[:, :5]), "(12, 5, 28, 1)", "at least 11 × 11"),
    (lambda: cae.sharpness(SMALL[:, :2], SMALL[:, :2]), "(12, 2, 8, 1)", "at least 3"),
    (lambda: cae.sharpness(0 * X, X), "x has no edges", "must not be 0"),
    (lambda: cae.quality(X, X * NAN), "ranges from nan", "in [0, 1]"),
    (lambda: cae.mean_image(X[:0]), "x_train has shape (0, 28, 28, 1)", IMAGES),
    *((lambda k=k: FITTED.encode(X, k), f"k={k!r}", "an integer from 0 to 784") for k in (-1, 785)),
    (lambda: FITTED.encode(SMALL, 2), "x has 64 pixels", "must be 784"),
    (lambda: cae.pca_errors(FITTED, X, {"a": CAEConfig(latent_dim=500)}), "k=1000", "784"),
    # networks, and looks inside
    (lambda: RUN.encode(X[0]), "(28, 28, 1)", IMAGES),
    (lambda: RUN.encode(SMALL), "images has shape (12, 8, 8, 1)", "(n, 28, 28, 1)"),
    (lambda: RUN.decode(np.zeros((2, 3))), "latents has shape (2, 3)", "must be (n, 2)"),
    (lambda: READER.read(SMALL), "(12, 8, 8)", SIZE),
    (lambda: cae.dead_units(RUN, SMALL), "images has shape (12, 8, 8, 1)", "(n, 28, 28, 1)"),
    *((lambda n=n: cae.quantise([[0.5]], n), f"bits={n!r}", "an integer from 1 to 16") for n in (0, 17, 2.0)),
    (lambda: cae.quantise([0.5], 2), "latents has shape (1,)", "must be (n, latent_dim)"),
    (lambda: cae.quantise([[NAN]], 2), "latents holds NaN", "must be finite"),
    (lambda: quantise_weights([1.0, INF], 0), "weights holds", "must be finite"),
    (lambda: quantise_weights([1.0], 1), "axis=1", "an axis of weights, 0 to 0"),
    (lambda: cae.batch_coupling(RUN, X, X, batches=1), "batches=1", "at least 2"),
    (lambda: cae.reconstruct_among(RUN, X, X, seed="a"), "seed='a'", "at least 0"),
    (lambda: cae.reconstruct_among(RUN, X, X[:3]), "mates has 3", "at least 7"),
    (lambda: cae.reconstruct_among(RUN, X, SMALL), "(12, 8, 8, 1)", "(28, 28, 1)"),
    (lambda: RUN.reconstruct(X, 0), "batch_size=0", "positive"),
    # files
    (lambda: cae.load_mnist(3), "data_dir=3", "must be a path"),
    (lambda: cae.load_mnist(__file__), __file__, "Set TFDS_DATA_DIR to a folder"),
    (lambda: load_idx(3), "folder=3", "must be a path"),
    (lambda: load_idx("~no.such.user/x"), "folder='~no.such.user/x'", "must be a path"),
    (lambda: load_idx("nowhere"), "nowhere has no train-", "all four files"),
    (lambda: load_idx("nowhere", transposed=1), "transposed=1", "True or False"),
    (lambda: cae.save_keras(NEW, "new.h5"), "path='new.h5'", "must end in .keras"),
    (lambda: cae.save_keras(NEW, "new.keras"), "renorm=True", "must be False"),
    (lambda: cae.load_onnx("nowhere.onnx"), "path='nowhere.onnx'", "an ONNX file"),
    *((lambda name=name: cae.save_int8(name, "new.onnx"), f"source={name!r}", "must be an ONNX file") for name in (__file__, "/", "nowhere")),
    # data
    (lambda: Mnist(X, LABELS, *[PIXELS, LABELS] * 2), "float32", "must be uint8"),
    (lambda: Mnist([1], LABELS, *[PIXELS, LABELS] * 2), "x_train", "NumPy arrays"),
    (lambda: Mnist(PIXELS, LABELS[:3], *[PIXELS, LABELS] * 2), "(3,)", "uint8 (12,)"),
    # training, and the study
    *((lambda n=n: train(CONFIG, FEW, n, DATA), f"seed={n!r}", "an integer from 0 to 2**32 - 1") for n in (-1, 1.5, True, "1")),
    (lambda: train(CONFIG, Recipe(), 0, DATA), "images=55000", "only 12"),
    (lambda: cae.measure({}, DATA, READER, split="val"), "split='val'", "one of 'test', 'validation'"),
    (lambda: configurations("dep"), "experiment='dep'", "one of 'baseline', "),
    (lambda: configurations({"a": 3}), "a=3", "must be a CAEConfig"),
    (lambda: configurations({"a": (CONFIG, 3)}), "a=(CAEConfig", "and a Recipe"),
    (lambda: configurations("depth", {"baseline": CONFIG}), "baseline=", "that name"),
    (lambda: Experiment("a", "b", "c?", {}), "variants={}", "at least one"),
    *((lambda n=n: cae.run({"a": CONFIG}, recipe=FEW, seeds=n, data=DATA), f"seeds={n!r}", SEEDS) for n in (3, [], [1, 1])),
    (lambda: cae.run({"a": CONFIG}, recipe=FEW, seeds=[-1], data=DATA), "seed=-1", "from 0"),
    (lambda: cae.run({"a": CONFIG}, recipe={"epochs": 3}, data=DATA), "{'epochs': 3}", "a Recipe"),
    *((lambda name=name: get_preset(name), f"CAE_PRESET={name!r}", "one of 'full', 'quick'") for name in ("slow", 3, "")),
    # numbers of the seeds
    (lambda: cae.interval([]), "values=[]", "a finite number a seed"),
    (lambda: cae.interval([1.0, NAN]), "values=[1.0, nan]", "a finite number a seed"),
    (lambda: cae.interval(["a"]), "values=['a']", "a number a seed"),
    (lambda: cae.relative_change([1.0], [1.0, 2.0]), "variant has 1", "for each seed"),
    (lambda: cae.relative_change([1.0], [0.0]), "baseline has 0", "positive values"),
    (lambda: cae.judge(Interval(1, 0, 2, 3), 2, 1), "low=2, high=1", "less than high"),
    *((lambda n=n: cae.smallest_detectable(1.0, n), f"n={n!r}", "a positive integer") for n in (0, 1.5, "3", None, INF, True)),
    *((lambda sd=sd: cae.smallest_detectable(sd, 3), f"sd={sd!r}", "not negative") for sd in (-1.0, NAN, "1")),
    *((lambda x=x: cae.smallest_detectable(1.0, 3, power=x), f"power={x!r}", "in (0.05, 1)") for x in (0.01, 1, "95", NAN)),
    (lambda: roughness([1.0, 2.0], 0.0), "shape (2,)", "at least 3"),
    (lambda: roughness([1.0, 2.0, NAN], 0.0), "losses has nan", "must be finite"),
    (lambda: last_gain([2.0, 1.00000001], 1.00000002, [1, 2]), "has 1.00000001", "1.00000002"),
    (lambda: last_gain([1.0], 0.0, [1, 2]), "shape (1,)", "at least 2"),
    (lambda: last_gain([1.0, 2.0], 3.0, [1, 2]), "losses has 1", "above the floor, 3"),
    # results, tables, verdicts
    (lambda: cae.change(RESULTS, "mes", "wide"), "measure='mes'", "have 'mse'"),
    (lambda: cae.change(RESULTS, "mse", "wid"), "configuration='wid'", "'baseline', 'wide'"),
    (lambda: cae.change({"a": {"b": [1]}}, "b", "a", "a"), "measure='b'", "one of 'bce'"),
    (lambda: cae.effects({"wide": {"mse": [1.0]}}, "mse"), "='baseline'", "have 'wide'"),
    (lambda: cae.predicted_changes({}), "='narrow'", "they have none"),
    *((lambda f=f: f(RESULTS, ["mes"]), "measure='mes'", "one of 'bce'") for f in (cae.summary, cae.differences, cae.cost_table)),
    (lambda: cae.differences(RESULTS, "mse"), "measures='mse'", "or one of 'quality'"),
    (lambda: cae.dominators(RESULTS, "macs", "mse"), "measure='macs'", "have 'mse'"),
    (lambda: cae.dominators(RESULTS, "mse", "mse", 0.9), "margin=0.9", "in [1, inf)"),
    (lambda: cae.meets_quality_floor(FINE, {}), "errors={}", "must have 'a'"),
    (lambda: cae.meets_quality_floor(RESULTS, {"baseline": 1, "wide": 1}), "'read'", "have 'mse'"),
    (lambda: cae.quality_floor_table(FINE, {"b": 1.0}), "errors={'b': 1.0}", "must have 'a'"),
    (lambda: cae.choose(FINE, {"a": 1.0}), "measure='code_bytes'", "must have it"),
    (lambda: cae.judge_claims(RESULTS, "dep"), "chapter='dep'", "one of 'filters'"),
    (lambda: cae.judge_claims({}), "configuration='baseline'", "they have none"),
    # measuring
    (lambda: cae.latency({"a": int}, rounds=0), "rounds=0", "a positive integer"),
    (lambda: cae.latency({"a": int}, least=-1.0), "least=-1.0", "above 0"),
    (lambda: cae.latency({"a": 3}, rounds=1), "a=3", "a function"),
    # what pages draw
    *((lambda n=n: figures.digits(X, columns=n), f"columns={n!r}", "a positive integer") for n in (0, 2.5)),
    (lambda: figures.reconstructions(X, {}), "by_model is empty", "at least one"),
    (lambda: figures.reconstructions(X, {"a": X[:2]}), "a has shape (2,", "must be (12,"),
    (lambda: figures.loss_curves({}, 0.1), "histories={}", "must have a run"),
    (lambda: figures.latent_map(X[0, :, :3, 0], LABELS), "(28, 3)", "must be (n, 2)"),
    (lambda: figures.latent_map(X[0, :, :2, 0], LABELS), "shape (12,)", "must be (28,)"),
    (lambda: Lab({}, DATA), "runs is empty", "at least one trained network"),
    (lambda: Lab({"a": RUN}, DATA).latent_pad(), "{'a': 2}", "8 or more"),
    (lambda: Lab({"a": RUN}, DATA, ["decoder"]).draw(), "('decoder',)", "'encoder' must"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_changes(monkeypatch, tmp_path):
    """Works in an empty folder, with the store in it, and finds it empty afterwards."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CAE_RUNS", str(folder / "runs"))
    yield
    assert list(folder.iterdir()) == []


def check(error, *words):
    message = str(error)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("call, named, rule", BAD_CALLS)
def test_a_function_names_value_and_rule(call, named, rule):
    with pytest.raises(ValueError) as error:  # noqa: PT011, its message is checked
        call()
    check(error.value, named, rule)


BAD_COUNTS = (
    "0", "-1", "+1", "two", "1.5", "1e3", "0x10", " 3", "²", "None", "1001", "9" * 5000,
)  # fmt: skip
BAD_SETTINGS = [  # variable, value, the rule
    *(("CAE_PRESET", text, "'full', 'quick'") for text in ("slow", "Full", " ", "1", "quick\n", "full,quick")),
    *(("CAE_SEEDS", text, "a positive integer, at most 1,000") for text in BAD_COUNTS),
    *(("CAE_WORKERS", text, "a positive integer, at most 1,000") for text in BAD_COUNTS),
    *(("CAE_BACKEND", text, "'local', 'ray'") for text in ("Ray", "dask", " ", "local,ray")),
    *(("CAE_RUNS", text, "set it to a folder") for text in (__file__, f"{__file__}/runs", "/proc/runs", "x" * 300)),
    ("CAE_RUNS", "~no.such.user/runs", "must be a path"),
    *(("TFDS_DATA_DIR", text, "Set TFDS_DATA_DIR to a folder") for text in (__file__, "/proc/tfds", "x" * 300)),
]  # fmt: skip


@pytest.fixture
def refused(capsys, monkeypatch):
    """Runs a command and returns what it says; it must end with status 2, and train nothing."""
    load = __main__.load_mnist

    def loaded():  # the real images, only where they matter
        get_preset()
        wanted = os.environ.get("TFDS_DATA_DIR", "")
        return load() if wanted.startswith((__file__, "/proc", "xx")) else DATA

    def run(*arguments):
        monkeypatch.setattr(__main__, "load_mnist", loaded)
        monkeypatch.setattr(
            "cae_keras.study.tasks.train", lambda *_: pytest.fail("it trained")
        )
        try:
            status = __main__.main(list(arguments))
        except SystemExit as stopped:  # of argparse
            status = stopped.code
        out, err = capsys.readouterr()
        assert (status, out) == (2, "")
        return err

    return run


@pytest.mark.parametrize(
    "command, variable, value, rule",
    [("train", *setting) for setting in BAD_SETTINGS]
    + [("report", *setting) for setting in BAD_SETTINGS if setting[1] in ("slow", __file__)]
    + [("bench", *BAD_SETTINGS[0])],
)  # fmt: skip
def test_a_setting_is_refused_in_one_line(refused, monkeypatch, command, variable, value, rule):  # fmt: skip
    preset = config.Preset("full", FEW, (0,))
    monkeypatch.setitem(config.PRESETS, "full", preset)
    monkeypatch.setenv(variable, value)
    named = value if variable == "TFDS_DATA_DIR" else f"{variable}={value!r}"
    said = refused(command).removesuffix("\n")
    assert said.startswith("error: ")
    check(said, named, rule)


BAD_COMMANDS = [  # arguments, what the last line names, and the rule
    ([], "required", "{train,report,bench}"),
    (["trian"], "'trian'", "choose from"),
    (["--json"], "required", "{train,report,bench}"),
    (["train", "--json"], "--json", "unrecognized"),
    (["train", "depht"], "experiment='depht'", "must be one of 'baseline'"),
    (["train", "filters", "wide"], "experiment='wide'", "must be one of"),
    (["train", "search", "serach"], "experiment='serach'", "must be one of"),
    (["report", "x"], "x", "unrecognized"),
    (["report", "--json", "--readme"], "--readme", "not allowed with"),
    (["bench", "--qualtiy"], "--qualtiy", "unrecognized"),
]  # fmt: skip


@pytest.mark.parametrize("arguments, named, rule", BAD_COMMANDS)
def test_a_command_is_refused_with_its_usage(refused, arguments, named, rule):
    *usage, last = refused(*arguments).splitlines()
    check(last, "error: ", named, rule)
    assert not usage or usage[0].startswith("usage: ")

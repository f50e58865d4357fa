"""Imports run one way, and no module reaches for the book, the notebook or TensorFlow."""

import ast
from pathlib import Path

import pytest

import cae_keras

PACKAGE = Path(cae_keras.__file__).parent
FIGURES = {"figure", "pictures", "plots"}
ALLOWED = {  # module: what of the package it may import; a new module has to be placed here
    # leaves, and what rests on them alone
    "config": set(),
    "backends": set(),
    "images": set(),
    "progress": set(),
    "metrics": {"images"},
    "smoothness": set(),
    "idx": set(),
    "mnist_idx": {"config", "idx"},
    "experiments": {"config"},
    "data": {"config", "idx", "mnist_idx"},
    "layers": set(),
    "fit": set(),
    "models": {"config", "fit", "layers"},
    "runs": {"config", "images", "models"},
    "baselines": {"config", "images"},
    "cost": {"config", "models"},
    "floor": {"baselines", "comparison", "config", "metrics"},
    "footprint": {"config", "models"},
    "int8": {"config"},
    "latency": {"config"},
    "machine": set(),
    "pareto": {"comparison"},
    "benchmark": {"config", "cost", "footprint", "latency", "runs"},
    # one run, and what looks at it
    "training": {"config", "data", "fit", "images", "models", "progress", "runs"},
    "reader": {"config", "data", "fit", "images", "models", "progress", "training"},
    "probes": {"config", "images", "models", "runs"},
    "batch_norm": {"config", "images", "models", "runs", "training"},
    "portable": {"batch_norm", "layers", "runs"},
    "embed": {"batch_norm", "images", "runs"},
    # many runs
    "store": {"data"},
    "tasks": {
        "config", "cost", "data", "images", "metrics", "progress", "reader", "runs", "smoothness",
        "store", "training",
    },
    "device": set(),
    "pools": {"config", "data", "device", "progress", "store"},
    "ray_pool": {"data", "pools", "progress", "store"},
    "workers": {"backends", "config", "data", "pools", "progress", "ray_pool", "store"},
    "provenance": {"config", "data", "machine", "pools", "store", "tasks"},
    "study": {
        "config", "data", "experiments", "reader", "runs", "store", "tasks", "training",
        "workers",
    },
    "search": {"data", "reader", "runs", "store", "study", "tasks", "workers"},
    "report": {"config", "data", "experiments", "store", "tasks"},
    "bench": {
        "config", "data", "images", "machine", "metrics", "pools", "progress", "study", "training",
    },
    # results: plain numbers in, words and figures out
    "statistics": {"config"},
    "units": {"statistics"},
    "comparison": {"statistics", "units"},
    "tables": {"comparison", "units"},
    "rules": {"comparison", "experiments", "units"},
    "claims": {"rules", "units"},
    "choices": {"claims", "rules", "units"},
    "additivity": {"comparison", "statistics", "units"},
    "verdicts": {"claims", "comparison", "rules", "statistics", "units"},
    # many runs and results together
    "readme": {
        "baselines", "benchmark", "comparison", "config", "data", "experiments", "floor", "machine",
        "pareto", "search", "store", "study", "tables",
    },
    "figure": set(),
    "pictures": {"config", "figure"},
    "plots": {"figure", "pareto", "statistics", "units"},
    "lab": {"data", "embed", "figure", "images", "pictures", "plots", "runs"},
}  # fmt: skip
ALLOWED["__init__"] = set(ALLOWED) - FIGURES - {"__main__", "bench", "lab"}
ALLOWED["__main__"] = {
    "baselines", "bench", "data", "experiments", "floor", "images", "pictures", "readme", "report",
    "search", "store", "study",
}  # fmt: skip
RESULTS = {
    "statistics",
    "units",
    "comparison",
    "tables",
    "rules",
    "claims",
    "verdicts",
    "choices",
    "additivity",
    "pareto",
}
NEVER = {
    "tensorflow",
    "IPython",
    "ipykernel",
    "myst_nb",
    "sphinx",
    "book",
    "_ext",
    "cae_book",
}
NEVER_IN = {name: {"keras", "torch"} for name in FIGURES | RESULTS}


def imported(source):
    """Returns the dotted names a source imports, wherever in it; `from a import b` may mean a module: `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(
                filter(None, ["cae_keras" if node.level else "", node.module])
            )
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def broken_rules(module, source):
    """Returns what a module imports against the table."""
    if module not in ALLOWED:
        return [f"{module} is not in the table: place it"]
    broken = set()
    allowed = ALLOWED[module] | ({module} if (PACKAGE / module).is_dir() else set())
    for name in imported(source):
        top, second, *_ = [*name.split("."), ""]
        if top == "cae_keras":
            inner = (
                second
                if (PACKAGE / f"{second}.py").exists() or second in ALLOWED
                else "__init__"
            )
            if inner not in allowed:
                broken.add(f"{module} must not import {inner}")
        elif top in NEVER | NEVER_IN.get(module, set()):
            broken.add(f"{module} must not import {top}")
    return sorted(broken)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem
)
def test_arrows_run_one_way(path):
    module = path.relative_to(PACKAGE).with_suffix("").parts[0]  # a folder is one idea
    assert broken_rules(module, path.read_text(encoding="utf-8")) == []


def test_the_table_has_no_circle():
    """A table with a circle would allow arrows that run back."""
    left = dict(ALLOWED)
    while left:
        free = [module for module, needs in left.items() if not needs & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for module in free:
            del left[module]


@pytest.mark.parametrize(
    "module, source, broken",
    [
        ("config", "from cae_keras.images import to_float", "images"),
        ("models", "import cae_keras.training", "training"),
        ("models", "from cae_keras import training", "training"),
        ("models", "from cae_keras import train", "__init__"),
        ("models", "import cae_keras", "__init__"),
        ("models", "from .data import load_mnist", "data"),
        ("models", "from . import data", "data"),
        (
            "baselines",
            "def f():\n    from cae_keras.models import build_encoder",
            "models",
        ),
        ("plots", "from cae_keras.training import Run", "training"),
        ("plots", "import keras.layers", "keras"),
        ("plots", "from torch import nn", "torch"),
        ("data", "import tensorflow as tf", "tensorflow"),
        ("data", "from tensorflow.io import gfile", "tensorflow"),
        ("progress", "from IPython.display import display", "IPython"),
        ("training", "from book._ext import cae_book", "book"),
        ("training", "import myst_nb", "myst_nb"),
    ],
)
def test_the_walker_finds_an_arrow_that_runs_back(module, source, broken):
    assert broken_rules(module, source) == [f"{module} must not import {broken}"]


def test_the_walker_lets_the_others_pass():
    source = "import tensorflow_datasets as tfds\nimport keras\nfrom cae_keras.config import CAEConfig\nfrom . import mnist_idx"
    assert broken_rules("data", source) == []


def test_a_module_without_a_place_fails():
    assert broken_rules("newcomer", "") == ["newcomer is not in the table: place it"]

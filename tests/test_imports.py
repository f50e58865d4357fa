"""Files are the heart, folders are the wings; imports run one way, and reach for no book, notebook or TensorFlow."""

import ast
import contextlib
import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import keras
import pytest

import cae_keras

PACKAGE = Path(cae_keras.__file__).parent
ROOT = PACKAGE.parent
HEART = [
    "config",
    "images",
    "progress",
    "experiments",
    "mnist",
    "models",
    "fast",
    "optimisers",
    "data",
    "metrics",
    "training",
]
WINGS = ["measurements", "compare", "figures", "deploy", "study", "bench"]
ORDER = [
    *HEART,
    *WINGS,
    "__init__",
    "__main__",
]  # from the ground up: each imports only what stands before it
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
PLAIN = {"keras", "torch", "cae_keras.training"}  # numbers in, words and figures out
NEVER_IN = {"compare": PLAIN, "figures": PLAIN}
SOURCES = {
    path.relative_to(PACKAGE): path.read_text("utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room(path):
    """Returns the room of a module: its folder, or itself."""
    return Path(path).parts[0].removesuffix(".py")


def imported(source):
    """Returns the dotted names a source imports, wherever in it; `from a import b` may mean a module: `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, (
                "imports name the package: `from cae_keras.room.module import name`"
            )
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def broken_rules(path, source):
    """Returns the imports of a module that its room must not have."""
    here, broken = room(path), []
    for name in sorted(imported(source)):
        top, second, *_ = [*name.split("."), ""]
        if top == "cae_keras":
            there = second if second in ORDER else "__init__"
            if ORDER.index(there) > ORDER.index(here) or (there == here == "__init__"):
                broken.append(name)
        if top in NEVER or any(
            name == never or name.startswith(f"{never}.")
            for never in NEVER_IN.get(here, ())
        ):
            broken.append(name)
    return broken


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_arrows_run_one_way(path):
    assert broken_rules(path, SOURCES[path]) == []


def test_no_circle_within_a_room():
    modules = {
        ".".join(["cae_keras", *path.with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in SOURCES
    }
    needs = {
        module: {
            other
            for name in imported(SOURCES[path])
            for other in (name, name.rpartition(".")[0])
            if other in modules
        }
        - {"cae_keras", module}
        for module, path in modules.items()
        if path.parts != ("__init__.py",)
    }
    TopologicalSorter(needs).prepare()  # raises a CycleError


def test_nothing_else_lies_at_the_top():
    there = {room(path) for path in SOURCES}
    assert there == set(ORDER)
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {
        "__pycache__"
    } == {"mnist", *WINGS}


def test_the_heart_is_read_in_one_sitting():
    heart = [
        source
        for path, source in SOURCES.items()
        if room(path) in HEART and len(path.parts) == 1
    ]
    assert sum(source.count("\n") for source in heart) <= 1_500


@pytest.mark.parametrize(
    "path, source",
    [
        ("config.py", "from cae_keras.images import to_float"),
        ("models.py", "import cae_keras.training"),
        ("models.py", "from cae_keras import train"),
        ("models.py", "import cae_keras"),
        ("mnist/idx.py", "from cae_keras.data import Mnist"),
        (
            "measurements/curves.py",
            "def f():\n    from cae_keras.compare.statistics import interval",
        ),
        ("figures/lines.py", "from cae_keras.training import Run"),
        ("figures/lines.py", "import keras.layers"),
        ("compare/claims.py", "from torch import nn"),
        ("data.py", "import tensorflow as tf"),
        ("data.py", "from tensorflow.io import gfile"),
        ("progress.py", "from IPython.display import display"),
        ("training.py", "from book._ext import cae_book"),
        ("training.py", "import myst_nb"),
    ],
)
def test_the_walker_finds_an_arrow_that_runs_back(path, source):
    assert len(broken_rules(path, source)) == 1


def test_no_layer_and_no_model_that_is_kept_is_subclassed():
    """`fast.Trainer` alone is a model of its own: it shares its weights with the one that is kept."""
    found = []
    for path in SOURCES:
        with contextlib.suppress(ImportError):  # Ray need not be there
            module = importlib.import_module(
                ".".join(["cae_keras", *path.with_suffix("").parts])
            )
            kinds = [
                kind
                for kind in vars(module).values()
                if isinstance(kind, type) and kind.__module__ == module.__name__
            ]
            found += [
                kind.__name__ for kind in kinds if issubclass(kind, keras.layers.Layer)
            ]
    assert found == ["Trainer"]


def test_each_public_name_is_used_by_a_reader():
    """On a page, by the command line or in the README; what nobody uses is taken from its room."""
    pages = [*ROOT.glob("book/*.md"), *ROOT.glob("*.md")]
    used = {
        name
        for page in pages
        for name in re.findall(r"\bcae\.(\w+)", page.read_text("utf-8"))
    }
    used |= {
        name.rpartition(".")[2]
        for name in imported((PACKAGE / "__main__.py").read_text("utf-8"))
    }
    assert sorted(set(cae_keras.__all__) - used) == []
    assert len(cae_keras.__all__) == len(set(cae_keras.__all__)) <= 90

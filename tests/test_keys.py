"""Keys: what decides a result moves its key, and nothing else does; which code decides is found in its imports."""

import ast
import importlib.util
import os
import re
import shutil
from dataclasses import replace
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest

from cae_keras import CAEConfig, Recipe
from cae_keras.config import ROOT
from cae_keras.measurements.reader import Reader
from cae_keras.study import keys
from cae_keras.study.keys import LEFT_OUT, SOURCES, UNREAD, closure, task_key
from cae_keras.study.tasks import Measuring, Reading, Training
from cae_keras.training import Run

CONFIG = CAEConfig(filters=(2, 2), latent_dim=2)
RECIPE = Recipe(images=64, epochs=1)
RUN = Run(CONFIG, RECIPE, 0, {"loss": (0.5, 0.25)}, (np.arange(6.0),))
READER = Reader(RECIPE, 0, {"loss": (2.0,)}, (np.arange(4.0),))
RECIPES = {  # another value of each
    "images": 63, "epochs": 2, "batch_size": 32, "peak_learning_rate": 1e-3, "warmup": 0.1, "optimizer": "adam",
}  # fmt: skip
CONFIGS = {
    "filters": (2, 3), "latent_dim": 3, "batch_norm": True, "activation": "leaky_relu", "negative_slope": 0.2,
}  # fmt: skip
TASKS = {
    "run": Training(CONFIG, RECIPE, 0),
    "reader": Reading(RECIPE, 0),
    "measures": Measuring(RUN, READER),
    "validated": Measuring(RUN, READER, "validation"),
}
NETWORKS = {
    "config.py",
    "fast.py",
    "images.py",
    "models.py",
    "optimisers.py",
    "training.py",
}
READING = NETWORKS | {"measurements/reader.py"}
MEASURED = READING | {"metrics.py"}
MEASURED |= {
    f"measurements/{name}.py" for name in ("measured", "cost", "curves", "sharpness")
}
ALL = ("keras", "torch", "numpy", "scipy", "scikit-image")
DECIDING = {  # of the data, of the code, and of the packages
    "run": ({"x_train", "x_val"}, NETWORKS, ALL[:2]),
    "reader": ({"x_train", "y_train", "x_val", "y_val"}, READING, ALL[:2]),
    "measures": ({"x_val", "x_test", "y_test"}, MEASURED, ALL),
    "validated": ({"x_val", "y_val"}, MEASURED, ALL),
}
EACH = [(kind, module) for kind in DECIDING for module in sorted(DECIDING[kind][1])]
LEFT = [(path, name) for path, names in LEFT_OUT.items() for name in names]
LEFT += [(path, None) for path in UNREAD]
kinds = pytest.mark.parametrize("kind", TASKS)


def with_another_constant(source, name=None):
    """Returns a source with one constant changed: of what a name defines, or of whatever is not left out."""
    tree = ast.parse(source)
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    left_out = {name for _, name in LEFT}
    for node in tree.body:
        defined = keys._defined(node)
        for inner in ast.walk(node) if name in defined or not name else ():
            if (
                isinstance(inner, ast.Constant)
                and id(inner) not in texts
                and (name or not defined & left_out)
            ):
                inner.value = f"{inner.value} changed"
                return ast.unparse(tree)
    raise AssertionError(f"no constant in {name or source}")


@pytest.fixture
def change(monkeypatch):
    """Gives modules another source than their file has."""
    return lambda path, source: monkeypatch.setitem(SOURCES, path, source)


@kinds
def test_a_key_covers_the_images_that_are_used_and_no_others(kind, tiny):
    key, deciding = task_key(TASKS[kind], tiny), set()
    for split in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        other = getattr(tiny, split).copy()
        other.flat[0] ^= 1
        if task_key(TASKS[kind], replace(tiny, **{split: other})) != key:
            deciding.add(split)
    assert deciding == DECIDING[kind][0]


@kinds
def test_a_key_covers_the_versions(kind, tiny, monkeypatch):
    key, deciding = task_key(TASKS[kind], tiny), set()
    for package in (*ALL, "tqdm"):
        with monkeypatch.context() as patch:
            patch.setattr(
                keys, "version", lambda n, p=package: "0" if n == p else version(n)
            )
            if task_key(TASKS[kind], tiny) != key:
                deciding.add(package)
    assert deciding == set(DECIDING[kind][2])


@kinds
def test_the_code_of_a_key_is_what_the_work_imports(kind):
    assert set(closure(TASKS[kind].module)) == DECIDING[kind][1]


@pytest.mark.parametrize("kind, module", EACH)
def test_a_constant_in_each_module_that_decides_moves_the_key(kind, module, tiny, change):  # fmt: skip
    key = task_key(TASKS[kind], tiny)
    change(module, with_another_constant(SOURCES[module]))
    assert task_key(TASKS[kind], tiny) != key


@kinds
@pytest.mark.parametrize("path, name", LEFT)
def test_a_constant_in_what_is_left_out_moves_no_key(kind, path, name, tiny, change):
    key = task_key(TASKS[kind], tiny)
    for module in filter(lambda module: module.startswith(path), [*SOURCES]):
        if name:
            change(module, with_another_constant(SOURCES[module], name))
        else:
            change(module, SOURCES[module] + "CHANGED = 1\n")
    assert task_key(TASKS[kind], tiny) == key


@kinds
def test_neither_comments_nor_docstrings_nor_other_modules_move_a_key(kind, tiny, change):  # fmt: skip
    key = task_key(TASKS[kind], tiny)
    change("models.py", re.sub(r'"""(?=\w)', '"""Or so: ', SOURCES["models.py"]))
    change("training.py", SOURCES["training.py"].replace("\n\n\n", "\n\n\n# new\n"))
    for module in set(SOURCES) - DECIDING[kind][1]:
        change(module, SOURCES[module] + "CHANGED = 1\n")
    assert task_key(TASKS[kind], tiny) == key


@pytest.mark.parametrize(
    "line, found",
    [
        ("from cae_keras.mnist.idx import read_idx", set()),
        ("from cae_keras.compare.text import show", {"compare/text.py"}),
        ("from cae_keras.compare import text", {"compare/text.py"}),
        ("import cae_keras.compare.text", {"compare/text.py"}),
        ("def f():\n    import cae_keras.compare.text as t", {"compare/text.py"}),
        ("from cae_keras.figures import loss_curves", {"figures/__init__.py"}),
        ("from cae_keras import bce", {"__init__.py", "study/keys.py"}),
        ("import cae_keras_too, keras", set()),
    ],
)
def test_an_import_brings_its_module_wherever_it_stands(line, found, change):
    before = set(closure("training.py"))
    change("images.py", f"{SOURCES['images.py']}\n{line}\n")
    now = set(closure("training.py"))
    assert found <= now - before
    assert bool(found) == (now != before)


def test_what_is_asked_is_in_the_key(tiny):
    asked = [
        *TASKS.values(),
        Training(CONFIG, RECIPE, 1),
        *(Training(CONFIG, replace(RECIPE, **{name: other}), 0) for name, other in RECIPES.items()),
        *(Training(replace(CONFIG, **{name: other}), RECIPE, 0) for name, other in CONFIGS.items()),
        Reading(RECIPE, 1),
        Reading(replace(RECIPE, epochs=2), 0),
        Measuring(replace(RUN, weights=(np.arange(6.0) + 1,)), READER),
        Measuring(replace(RUN, history={"loss": (0.5, 0.26)}), READER),
        Measuring(RUN, replace(READER, weights=(np.arange(4.0) + 1,))),
    ]  # fmt: skip
    assert RECIPES.keys() | CONFIGS.keys() == vars(RECIPE).keys() | vars(CONFIG).keys()
    found = {task_key(task, tiny) for task in asked}
    assert len(found) == len(asked)
    assert all(len(key) == 32 and set(key) <= set("0123456789abcdef") for key in found)


def test_images_beyond_the_budget_decide_nothing(tiny):
    beyond = tiny.x_train.copy()
    beyond[RECIPE.images] ^= 1
    for kind in ("run", "reader"):
        key = task_key(TASKS[kind], tiny)
        assert task_key(TASKS[kind], replace(tiny, x_train=beyond)) == key


def test_the_key_is_of_the_code_that_is_loaded(start_python, tmp_path):
    """A notebook may be open for days; what it trains must not be kept under a key of code that it does not run."""
    script = """
import shutil, sys
from pathlib import Path
shutil.copytree(sys.argv[1], "cae_keras", ignore=shutil.ignore_patterns("*.gz"))
sys.path.insert(0, ".")
import cae_keras
from cae_keras.study import keys
from cae_keras.study.tasks import Training
assert Path(cae_keras.__file__).parent == Path("cae_keras").resolve()
before = keys.code_digests(Training)
for path in Path("cae_keras").glob("*.py"):
    path.write_text(path.read_text() + "CHANGED = 1")
keys.code_digest.cache_clear()
assert keys.code_digests(Training) == before
"""
    here = f"import os; os.chdir({str(tmp_path)!r})\n"
    process = start_python(here + script, keys.PACKAGE)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def test_a_change_of_any_module_executes_pages_again_whatever_its_date(tmp_path, monkeypatch):  # fmt: skip
    """So no number survives that a page computes beside the store: statistics, claims, tables, figures."""
    path = ROOT / "book" / "_ext" / "cae_book.py"
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location("cae_book", path)
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    ignore = shutil.ignore_patterns("*.gz", "__pycache__")
    copied = shutil.copytree(keys.PACKAGE, tmp_path / "cae_keras", ignore=ignore)
    monkeypatch.setattr(extension, "PACKAGE", copied)
    pages = {"runs": "```{code-cell}\n1\n```\n", "reads": "Text alone.\n"}
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    env = SimpleNamespace(found_docs=set(pages), doc2path=lambda name: tmp_path / name)
    extension.note_contents(None, env, ["runs", "reads"])
    ask = [None, env, set(), set(), set()]
    for changed in sorted(copied.rglob("*.py")):
        before = changed.read_text("utf-8")
        changed.write_text(before + "CHANGED = 1\n", "utf-8")
        os.utime(changed, (1, 1))
        assert extension.find_changed(*ask) == ["runs"], changed
        changed.write_text(before, "utf-8")
    assert extension.find_changed(*ask) == []
    (tmp_path / "reads").write_text("Other text.\n")
    os.utime(tmp_path / "reads", (1, 1))
    assert extension.find_changed(*ask) == ["reads"]

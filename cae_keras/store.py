"""The run store: a run is trained again only if what decides it has changed.

A run is one `.npz` file without pickles, named by a key made of the configuration, the
recipe, the seed, the images, the code that trains, and the versions of Keras and torch.
"""

import ast
import hashlib
import json
import os
import warnings
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import filelock
import numpy as np

from cae_keras.config import CAEConfig, Recipe
from cae_keras.data import Mnist, fingerprint
from cae_keras.training import Run, check_run, train

# The modules that decide the numbers of a run
DECIDING = ("config", "images", "models", "training")


def load_or_train(
    config: CAEConfig,
    recipe: Recipe,
    seed: int,
    data: Mnist,
    folder: str | os.PathLike | None = None,
) -> Run:
    """Returns a run from the store, or trains and keeps it.

    Two processes do not train the same run twice.

    Args:
        config: The network.
        recipe: Its budget.
        seed: The random seed.
        data: Where the images come from.
        folder: The store; without it, the environment variable `CAE_RUNS`, and without
            that, `.runs/` at the top of the project.

    Returns:
        A `Run`.

    Raises:
        ValueError: If the arguments are none that `train` takes, or the folder cannot
            be written; nothing is trained then.
    """
    check_run(recipe, seed, data)
    folder = folder or os.environ.get("CAE_RUNS") or Path(__file__).parents[1] / ".runs"
    folder = Path(os.path.expanduser(folder))
    key = run_key(config, recipe, seed, data)
    path = folder / f"{key}.npz"
    try:
        run = _read(path, config, recipe, seed)  # also from a store that is read-only
        if run is not None:
            return run
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path.with_suffix(".lock")).acquire()
    except OSError as error:
        raise ValueError(
            f"CAE_RUNS={str(folder)!r} cannot be written ({error}): set it to a folder "
            "that can be"
        ) from error
    with lock:
        run = _read(path, config, recipe, seed)
        if run is None:
            run = train(config, recipe, seed, data)
            _write(path, run)
    return run


def run_key(config: CAEConfig, recipe: Recipe, seed: int, data: Mnist) -> str:
    """Returns what a run is stored under: 32 digits over all that decides it."""
    decided_by = {
        "config": asdict(config),
        "recipe": asdict(recipe),
        "seed": int(seed),
        "images": fingerprint(data.x_train[: recipe.images], data.x_val),
        "code": {name: code_digest(_source(name)) for name in DECIDING},
        "versions": {package: version(package) for package in ("keras", "torch")},
    }
    return hashlib.sha256(json.dumps(decided_by).encode()).hexdigest()[:32]


def code_digest(source: str) -> str:
    """Returns a digest of Python source that comments and docstrings do not change.

    Example:
        >>> code_digest("x = 1  # one") == code_digest("x = 1")
        True
        >>> code_digest("x = 1") == code_digest("x = 2")
        False
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _source(name: str) -> str:
    return Path(__file__).with_name(f"{name}.py").read_text("utf-8")


def _digest(history: dict, weights: tuple[np.ndarray, ...]) -> str:
    about = json.dumps([history, [(str(w.dtype), w.shape) for w in weights]])
    return fingerprint(np.frombuffer(about.encode(), np.uint8), *weights)


def _write(path: Path, run: Run):
    """Writes a run under a temporary name, then renames it: no half file is left."""
    about = {
        "history": run.history,
        "digest": _digest(run.history, run.weights),
        "key": path.stem,
    }
    temporary = path.with_suffix(".part")
    with open(temporary, "wb") as file:
        np.savez(file, *run.weights, about=json.dumps(about))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _read(path: Path, config: CAEConfig, recipe: Recipe, seed: int) -> Run | None:
    """Reads a run and verifies it; a damaged file is set aside with a warning."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            weights = tuple(file[f"arr_{i}"] for i in range(len(file.files) - 1))
        history = {name: tuple(values) for name, values in about["history"].items()}
        if (about["key"], about["digest"]) != (path.stem, _digest(history, weights)):
            raise ValueError("it holds something else than its name says")
    except Exception as error:  # whatever damage does to zip, JSON or array
        aside = path.with_suffix(".damaged")
        os.replace(path, aside)
        warnings.warn(
            f"{path} is damaged ({error}): set aside as {aside.name}, trained again",
            stacklevel=3,
        )
        return None
    return Run(config, recipe, int(seed), history, weights)

"""What a result is kept under: a digest of all that decides it, code included.

The code that decides is the module that does the work and whatever that imports within
the package, found in the sources themselves; nobody keeps a list of it.
"""

import ast
import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from cae_keras.data import Mnist, fingerprint
from cae_keras.deploy.machine import on_gpu
from cae_keras.study.tasks import Task

PACKAGE = Path(__file__).parents[1]
# As this process has loaded them: what is changed on disk later is not what it runs
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8")
    for path in PACKAGE.rglob("*.py")
}
# Of what the work imports, this cannot decide a number: the images themselves are in
# the key; progress shows how far the work is
UNREAD = ("data.py", "mnist/", "progress.py")
ON_GPU = "study/captured.py"  # decides there as well
LEFT_OUT = {  # nor can these names
    "config.py": (
        *("Preset", "PRESETS", "get_preset"),  # what they ask for is in the key
        *("count_from", "BACKENDS", "backend"),  # how many workers, and where
        *("ROOT", "checked_path"),  # where a checkout, a store and images lie
    ),
}


def task_key(task: Task, data: Mnist, asked: dict | None = None) -> str:
    """Returns what a task is kept under: 32 digits over all that decides its result.

    `asked` takes the place of what the task asks, where only the store knows that.
    """
    decided_by = {
        "kind": task.kind,
        "asked": task.asked() if asked is None else asked,
        "images": fingerprint(*task.images(data)),
        "code": code_digests(task),
        "versions": {package: version(package) for package in task.packages},
    }
    if on_gpu():  # its sums are others, and so is the code of a step
        decided_by["on_gpu"] = _digests(ON_GPU)
    return hashlib.sha256(json.dumps(decided_by).encode()).hexdigest()[:32]


def code_digests(task: Task) -> dict[str, str]:
    """Returns a digest of each module that decides a task's result, by its path."""
    return _digests(task.module)


def _digests(module: str) -> dict[str, str]:
    return {
        path: code_digest(SOURCES[path], LEFT_OUT.get(path, ()))
        for path in closure(module)
    }


def closure(module: str) -> list[str]:
    """Returns a module, by its path in the package, and all it imports there.

    Example:
        >>> closure("measurements/cost.py")
        ['config.py', 'measurements/cost.py', 'models.py']
    """
    found, waiting = set(), {module}
    while waiting:
        path = waiting.pop()
        found.add(path)
        others = imported(SOURCES[path]) - found
        waiting |= {other for other in others if not other.startswith(UNREAD)}
    return sorted(found)


@functools.cache
def imported(source: str) -> set[str]:
    """Returns which modules of the package a source imports, wherever in it.

    An `__init__` counts only if something is imported from it.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {_module(name) for name in names if name.split(".")[0] == PACKAGE.name}


def _module(name: str) -> str:
    """Returns the file that a dotted name is, or in which it is defined."""
    parts = name.split(".")[1:]
    for path in ("/".join([*parts, "__init__.py"]), "/".join(parts) + ".py"):
        if path in SOURCES:
            return path
    return _module(name.rpartition(".")[0])


@functools.cache
def code_digest(source: str, without: tuple[str, ...] = ()) -> str:
    """Returns a digest of Python source that comments and docstrings do not change.

    What defines a name in `without` is left out.
    """
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _defined(node) & set(without)]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _defined(node: ast.stmt) -> set[str]:
    """Returns what a statement at the top of a module defines."""
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {getattr(node, "name", "")}

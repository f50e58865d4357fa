"""The directive `source`: shows the package's own code, without its docstrings.

Its argument is a file of the package. `:object:` names what of it is shown, separated
by spaces: functions, classes, constants, or methods as `Class.method`.
"""

import ast

from docutils import nodes
from docutils.parsers.rst import directives
from package import PACKAGE
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Source(SphinxDirective):
    required_arguments = 1
    option_spec = {"object": directives.unchanged_required}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        path = PACKAGE / name
        self.env.note_dependency(str(path))
        try:
            code = shown(path.read_text("utf-8"), self.options.get("object", ""))
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            logger.warning("source %s: %s", name, said, location=self.get_location())
            return []
        title = nodes.paragraph("", "", nodes.literal(text=f"cae_keras/{name}"))
        block = nodes.literal_block(code, code, language="python", source=str(path))
        return [nodes.container("", title, block, classes=["cae-source"])]


def shown(text: str, names: str) -> str:
    """Returns a module, or what the names in it stand for, without docstrings."""
    module, lines = ast.parse(text), text.splitlines()
    gone = {line for node in ast.walk(module) for line in _docstring(node, lines)}
    parts = [_extent(module, name, lines) for name in names.split()]
    return "\n\n\n".join(
        _dedent([lines[i] for i in range(*part) if i not in gone])
        for part in parts or [(0, len(lines))]
    )


def _docstring(node: ast.AST, lines: list[str]) -> range:
    """Returns the lines of a node's docstring, and of the empty ones below.

    A class that is nothing but its docstring keeps it.
    """
    if not isinstance(node, DOCUMENTED) or ast.get_docstring(node) is None:
        return range(0)
    first, end = node.body[0].lineno - 1, node.body[0].end_lineno
    if len(node.body) == 1:
        return range(0)
    while not lines[end].strip():
        end += 1
    return range(first, end)


def _extent(module: ast.Module, name: str, lines: list[str]) -> tuple[int, int]:
    """Returns where an object begins, with decorators and comments above, and ends."""
    node = module
    for part in name.split("."):
        found = [one for one in node.body if part in _names(one)]
        if not found:
            raise ValueError(f"there is no {name!r} in it")
        node = found[0]
    decorated = getattr(node, "decorator_list", [])
    begin = min([node.lineno, *(one.lineno for one in decorated)]) - 1
    while begin and lines[begin - 1].strip().startswith("#"):
        begin -= 1
    return begin, node.end_lineno


def _names(node: ast.AST) -> set[str]:
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    names = {one.id for one in targets if isinstance(one, ast.Name)}
    return names | {getattr(node, "name", None)}


def _dedent(lines: list[str]) -> str:
    """Takes away as much as the first line is set in; others may be in strings."""
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines).strip("\n")

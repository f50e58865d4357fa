"""What came of executing a page is kept, for a build after one that did not end well.

Sphinx reads all pages anew then. A page is not executed anew if it was to its end, and
its text, the package, the settings and the files that it offers are as they were.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import nbformat
from jupyter_cache.executors.utils import ExecutionResult

OFFERED = re.compile(r"\{download\}`[^`<]*<([^`>]+)>`")


def save(env, docname: str, result: ExecutionResult):
    said = {"made_of": _made_of(env, docname), "seconds": result.time}
    path = _path(env, docname)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({**said, "notebook": result.nb}), "utf-8")
    os.replace(new, path)  # a kill leaves the old one or the new one


def load(env, docname: str) -> ExecutionResult | None:
    """Returns what is kept of a page, if it still holds."""
    try:
        kept = json.loads(_path(env, docname).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if kept["made_of"] != _made_of(env, docname):
        return None
    notebook = nbformat.from_dict(kept["notebook"])
    folder = str(Path(env.doc2path(docname)).parent)
    return ExecutionResult(notebook, folder, kept["seconds"])


def _path(env, docname: str) -> Path:
    return Path(env.app.outdir).parent / ".executed" / f"{docname}.json"


def _made_of(env, docname: str) -> list:
    page = Path(env.doc2path(docname))
    offered = [page.parent / name for name in OFFERED.findall(page.read_text("utf-8"))]
    files = [_digest(path) for path in offered if path.is_file()]
    return [env.config.cae_build, *env.cae_contents[docname], *files]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

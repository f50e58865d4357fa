"""What a folded cell says of itself: its first line, which must be a comment.

Tagged `hide-input`, a cell shows its outputs and folds its code; tagged `hide-cell`, it
folds both. Tagged `code-below` as well, its code comes after its outputs, for eyes and
for the Tab key.
"""

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)
MUTE = ' aria-label="Toggle hidden content"'  # a screen reader would hear only this


def setup(app):
    app.connect("doctree-read", name_folds)
    app.connect("doctree-resolved", put_code_below)
    app.connect("html-page-context", let_them_be_heard)


def name_folds(app, doctree):
    """Puts the first line of each folded cell where its fold is opened and closed."""
    for cell in doctree.findall(nodes.container):
        if not cell.get("hide_mode"):
            continue
        first, *_ = next(cell.findall(nodes.literal_block)).astext().splitlines()
        label = first.lstrip("# ")
        if not first.startswith("#"):
            logger.warning("a folded cell must begin with a comment", location=cell)
        if cell["hide_mode"] != "all":
            label = f"Code: {label[:1].lower()}{label[1:]}"
        cell["prompt_show"] = cell["prompt_hide"] = label


def put_code_below(app, doctree, docname):
    """Moves code behind outputs: now, since what comes first has been folded."""
    for cell in doctree.findall(nodes.container):
        if "tag_code-below" in cell["classes"]:
            cell.append(cell.pop(0))


def let_them_be_heard(app, pagename, templatename, context, doctree):
    context["body"] = context.get("body", "").replace(MUTE, "")

"""The notebooks for a class: nothing in them solves an exercise, and they run."""

import copy
import importlib
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient
from test_extension import STRICT, build, make_book

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
notebooks = importlib.import_module("notebooks")

PAGES = {path.stem: path.read_text("utf-8") for path in (ROOT / "book").glob("*.md")}
MADE = notebooks.notebooks(PAGES, "The book")
SOLUTION = re.compile(r"^:::\{solution-start\}.*?^:::\n(.*?)^:::\{solution-end\}", re.M | re.S)  # fmt: skip
every_notebook = pytest.mark.parametrize("name", MADE)


def texts(name, kind="markdown"):
    return "\n\n".join(c.source for c in MADE[name].cells if c.cell_type == kind)


def words(text):
    return " ".join(re.findall(r"\w+", text))


def test_every_chapter_with_exercises_has_one():
    asked = {name for name, text in PAGES.items() if ":::{exercise}" in text}
    assert set(MADE) == asked
    assert len(asked) > 10
    assert all(SOLUTION.search(PAGES[name]) for name in asked)


@every_notebook
def test_a_notebook_is_valid_says_how_it_starts_and_has_a_cell_for_each_answer(name):
    nbformat.validate(MADE[name])
    first, *_ = MADE[name].cells
    for said in ("*The book*", "pip install", "jupyter lab", "solutions"):
        assert said in first.source
    asked = PAGES[name].count(":::{exercise}")
    assert texts(name, "code").count("# Your answer") == asked
    assert f"**Exercise {asked}.**" in texts(name)


@every_notebook
def test_all_exercises_are_in_a_notebook_and_nothing_that_solves_them(name):
    shown = words(texts(name))
    exercise = r":::\{exercise\}\n:label: [^\n]*\n(.*?)\n:::\n"
    for asked in re.findall(exercise, PAGES[name], re.S):
        for part in re.split(r"\{[\w:]+\}`[^`]*`|\[[^]]*\]\([^)]*\)", asked):
            assert words(part) in shown  # what stands between roles and links
    lines = {line.strip() for cell in MADE[name].cells for line in cell.source.splitlines()}  # fmt: skip
    outside = SOLUTION.sub("", PAGES[name])
    for solved in SOLUTION.findall(PAGES[name]):
        own = {line.strip() for line in solved.splitlines() if line not in outside}
        assert own
        assert not {line for line in own if len(line) > 20} & lines
    assert not re.search(r"^(Right|Not quite)\.|Open the answer", texts(name), re.M)
    assert texts(name).count("Choose one answer") == texts(name).count("Check yourself")


@every_notebook
def test_a_notebook_has_nothing_that_only_the_book_can_show(name):
    assert not re.search(r"\{[\w:-]+\}`|^\W*:::|^`+\{|\$\$ \(|\]\(\w+\)", texts(name), re.M)  # fmt: skip
    assert "glue" not in texts(name, "code")
    for page in re.findall(r"\]\((\w+)\.ipynb\)", texts(name)):
        assert page in MADE


def test_the_code_of_notebooks_is_whole_without_the_cells_that_are_left_out(tmp_path):
    """No name is used that no cell binds; the linter reads notebooks."""
    with zipfile.ZipFile(io.BytesIO(notebooks.pack(MADE))) as zipped:
        zipped.extractall(tmp_path)
    found = list(tmp_path.glob("notebooks/*.ipynb"))
    assert {path.stem for path in found} == set(MADE)
    command = ["ruff", "check", "--isolated", "--no-cache", "--select", "F821", tmp_path]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout


CELL = "```{{code-cell}} ipython3\n---\ntags: [{tag}]\n---\n{code}\n```\n"
PAGE = (
    "---\njupytext: {text_representation: {extension: .md, format_name: myst}}\n---\n# A page\n\n"
    + CELL.format(tag="remove-cell", code="needed = 1")
    + CELL.format(
        tag="remove-cell", code="from myst_nb import glue\nglue('two', needed)"
    )
    + CELL.format(tag="hide-input", code="# Print it\nprint(needed)")
    + """
It is {glue:text}`two`, as {cite:t}`vincent2010stacked` say {cite:p}`maas2013rectifier,altman1995absence`, in
{numref}`fig-a-b`, for {term}`the store <run store>`, [here](one) and [there](https://there.example).

:::{admonition} Think
:class: note

One line.

Another.
:::

:::{dropdown} A. Choose $x$
Right. It is.
:::
"""
)


def test_a_page_by_hand():
    made = notebooks.notebook(PAGE, "T", ["one"])
    needed, printed, text = made.cells[2:]
    assert [needed.source, printed.source] == [
        "needed = 1",
        "# Print it\nprint(needed)",
    ]
    assert printed.metadata == {"jupyter": {"source_hidden": True}}
    assert text.source.splitlines() == [
        r"It is \_\_\_, as Vincent et al. (2010) say (Maas et al., 2013; Altman and Bland, 1995), in",
        "Figure “a b”, for the store, [here](one.ipynb) and [there](https://there.example).",
        "", "> **Think**", ">", "> One line.", ">", "> Another.", "", "- A. Choose $x$",
    ]  # fmt: skip
    assert "[here](one)" not in notebooks.notebook(PAGE, "T").cells[-1].source
    again = notebooks.notebook(PAGE, "T", ["one"])
    assert notebooks.pack({"a": made}) == notebooks.pack({"a": again})


EXERCISE = """\
# One

:::{exercise}
:label: ex-one

How many?
:::

:::{solution-start} ex-one
:class: dropdown
:::

So many.

:::{solution-end}
:::
"""


def test_a_build_offers_the_notebooks_that_belong_to_its_pages(tmp_path, monkeypatch):
    """They are written again only if they are others: Sphinx reads the page again that offers them."""
    index = "# Index\n\n{download}`notebooks.zip <../_build/downloads/notebooks.zip>`\n"
    book = make_book(tmp_path, index=index, one=EXERCISE)
    done = build(book, *STRICT)
    assert done.returncode == 0, done.said
    (path,) = (book / "_build" / "html").glob("_downloads/*/notebooks.zip")
    with zipfile.ZipFile(path) as zipped:
        assert zipped.namelist() == ["notebooks/one.ipynb"]
        said = zipped.read("notebooks/one.ipynb").decode()
    title = "A Convolutional Autoencoder, One Factor at a Time"
    assert f"the book *{title}*" in said
    assert "How many?" in said
    assert "So many" not in said
    made = book / "_build" / "downloads" / "notebooks.zip"
    monkeypatch.setattr(notebooks, "ZIP", made)
    config = SimpleNamespace(html_title=title)
    for again, text in ((False, EXERCISE), (True, EXERCISE.replace("many?", "few?"))):
        (book / "book" / "one.md").write_text(text)
        time = made.stat().st_mtime_ns
        notebooks.offer(SimpleNamespace(srcdir=book / "book", config=config))
        assert (made.stat().st_mtime_ns != time) == again


def test_a_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.setenv("CAE_PRESET", "quick")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    notebook = copy.deepcopy(MADE["mnist"])
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=400, resources=folder).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]

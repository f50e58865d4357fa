"""The chapters as notebooks for a class, without what solves their exercises.

Before pages are read, those with exercises are written to one zip, which the page for
teachers offers by `{download}`. Between `solution-start` and `solution-end` a notebook
has a cell for an answer, of a quiz it has only the choices, and what a page glues into
a sentence is a blank: it comes from the run. The zip is written anew only if it has
changed, so that Sphinx reads that page again exactly then.
"""

import ast
import io
import re
import zipfile
from functools import cache
from itertools import count
from pathlib import Path

import nbformat
from myst_nb.core.read import read_myst_markdown_notebook
from package import ROOT
from pybtex.database import parse_file
from pybtex.richtext import Text

ZIP = ROOT / "_build" / "downloads" / "notebooks.zip"
BLANK = r"\_\_\_"
HEAD = f"""\
This notebook belongs to the book *{{title}}*. The solutions of its exercises are there.

To start it, go to the folder of the book's project and install all it needs, once:
`pip install -r requirements.txt jupyterlab`. Put the folder `notebooks` there, beside
`book`, and start `jupyter lab`, for short trainings with `CAE_PRESET=quick` set before.
Run the cells from top to bottom: each rests on those above it. Where a sentence has a
blank, {BLANK}, fill it in from what you have run."""
QUIZ = re.compile(
    r"^## Check yourself\n(\nOpen the answer that you would give\.\n)?", re.M
)
ANSWER = """\
```{code-cell} ipython3
# Your answer
```

*Your answer in words:*
"""
SOLUTION = re.compile(
    r"^(:{3,})\{solution-start\}.*?^:{3,}\{solution-end\}\n\1\n", re.M | re.S
)
DIRECTIVE = re.compile(
    r"^(?P<fence>:{3,}|`{3,})\{(?P<name>(?!code-cell)[\w-]+)\}(?P<title>[^\n]*)\n"
    r"(?::[\w-]+:[^\n]*\n)*(?P<body>.*?)^(?P=fence)$\n?",
    re.M | re.S,
)
ROLE = re.compile(r"\{([\w:]+)\}`([^`]*)`")
LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?:#|(?!\w+:|\.))([\w#-]+)\)")


def setup(app):
    app.connect("builder-inited", offer)


def offer(app):
    """Writes the zip, if a page has exercises and the zip is another one."""
    found = Path(app.srcdir).glob("*.md")
    pages = {path.stem: path.read_text("utf-8") for path in found}
    zipped = pack(notebooks(pages, app.config.html_title))
    if zipped and not (ZIP.is_file() and ZIP.read_bytes() == zipped):
        ZIP.parent.mkdir(parents=True, exist_ok=True)
        ZIP.write_bytes(zipped)


def pack(made: dict) -> bytes:
    """Returns a zip of notebooks, the same for the same notebooks; nothing for none."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, notebook in made.items():
            info = zipfile.ZipInfo(f"notebooks/{name}.ipynb")  # of 1980, everywhere
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, nbformat.writes(notebook))
    return file.getvalue() if made else b""


def notebooks(pages: dict[str, str], title: str) -> dict:
    """Returns a notebook for each page that has exercises, by its name."""
    names = sorted(name for name, text in pages.items() if "{exercise}" in text)
    return {name: notebook(pages[name], title, names) for name in names}


def notebook(text: str, title: str, names=()):
    """Returns a page as a notebook; links lead to those named, which lie beside it."""
    numbers = count(1)
    text = SOLUTION.sub(lambda _: ANSWER, text)
    text = QUIZ.sub("## Check yourself\n\nChoose one answer each.\n", text)
    text = DIRECTIVE.sub(lambda found: directive(found, numbers), text)
    read = read_myst_markdown_notebook(text)
    cells = [nbformat.v4.new_markdown_cell(HEAD.format(title=title))]
    for cell in without_hidden(read.cells):
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(plain(cell.source, names)))
            continue
        cells.append(nbformat.v4.new_code_cell(cell.source))
        if {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])):
            cells[-1].metadata.jupyter = {"source_hidden": True}
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            caption = plain(figure["caption"].strip(), names)
            said = f"*{figure_of(figure['name'])}*. {caption}"
            cells.append(nbformat.v4.new_markdown_cell(said))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # not a random one: the zip would change
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def without_hidden(cells: list) -> list:
    """Leaves out cells that only glue and check: no code below names what they bind."""
    kept, words = [], set()
    for cell in reversed(cells):
        if cell.cell_type == "code":
            hidden = "remove-cell" in cell.metadata.get("tags", [])
            if hidden and not bound(cell.source) & words:
                continue
            words |= set(re.findall(r"\w+", cell.source))
        kept.append(cell)
    return kept[::-1]


def bound(code: str) -> set[str]:
    """Returns the names that code binds."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name.split(".")[0])
    return names


def directive(found: re.Match, numbers) -> str:
    """Returns what a directive says, as Markdown that a notebook shows."""
    title, body = found["title"].strip(), found["body"].strip("\n")
    body = DIRECTIVE.sub(lambda inner: directive(inner, numbers), body)
    match found["name"]:
        case "exercise":
            return f"**Exercise {next(numbers)}.**\n\n{body}\n"
        case "dropdown" if re.match(r"[A-Z]\. ", title):  # without what it then says
            return f"- {title}\n"
        case "source" | "literalinclude":
            file = f"cae_keras/{title}" if found["name"] == "source" else title
            return f"*(The page shows code here, from `{file.removeprefix('../')}`.)*\n"
        case "admonition":
            lines = [f"**{title}**", "", *body.splitlines()]
            return "".join(f"> {line}".rstrip() + "\n" for line in lines)
    return f"{body}\n"


def plain(text: str, names=()) -> str:
    """Returns Markdown without what only MyST knows."""
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"^\$\$ \(([\w-]+)\)$", r"\\tag{\1}\n$$", text, flags=re.M)
    text = ROLE.sub(role, text)

    def link(found):
        shown, page = found.groups()
        return f"[{shown}]({page}.ipynb)" if page in names else shown

    return LINK.sub(link, text)


def role(found: re.Match) -> str:
    name, text = found.groups()
    shown, _, target = text.removesuffix(">").partition("<")
    match name:
        case "glue:text":
            return BLANK
        case "numref":
            return figure_of(target or text)
        case "eq":
            return f"({text})"
        case "cite:t" | "cite:p":
            cited = [source(key.strip()) for key in text.split(",")]
            if name == "cite:t":
                return ", ".join(f"{who} ({year})" for who, year in cited)
            return f"({'; '.join(map(', '.join, cited))})"
    return shown.strip()


def figure_of(name: str) -> str:
    return f"Figure “{name.removeprefix('fig-').replace('-', ' ')}”"


def source(key: str) -> tuple[str, str]:
    """Returns who wrote an entry of the bibliography, and when."""
    entry = bibliography().entries[key]
    people = [
        str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names])))
        for person in entry.persons["author"]
    ]
    who = " and ".join(people) if len(people) < 3 else f"{people[0]} et al."
    return who, entry.fields["year"]


@cache
def bibliography():
    return parse_file(ROOT / "book" / "references.bib")

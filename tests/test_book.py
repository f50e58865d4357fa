"""The pages keep their form: what they open with, glue, show and import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cae_keras
from cae_keras import bench
from cae_keras.study.budgets import budgets

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
PAGES = sorted((ROOT / "book").glob("*.md"))
RUN = [path for path in PAGES if "{code-cell}" in path.read_text("utf-8")]
CHAPTERS = [path for path in RUN if path.stem != "how_built"]  # that is back matter
WITH_CODE = [*RUN, ROOT / "CONTRIBUTING.md"]  # which has two cells as an example
CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?:---\n(.*?)\n---\n)?(.*?)^```", re.M | re.S
)
PUBLIC = {
    "cae_keras": {"figures"},
    "cae_keras.bench": set(bench.__all__),
    "cae_keras.deploy": {"lab"},
}
chapters = pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
with_code = pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)


def cells(text):
    """Returns the options and the code of each cell of a page."""
    return [(yaml.safe_load(head or "{}"), code) for head, code in CELL.findall(text)]


def toc_files(entry):
    for key, value in entry.items():
        if key in ("root", "file"):
            yield value
        elif isinstance(value, list):
            for below in value:
                yield from toc_files(below)


def test_both_tables_of_contents_read_the_same_and_list_every_page():
    assert (ROOT / "_toc.yml").read_text() == (ROOT / "book" / "_toc.yml").read_text()
    listed = list(toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text())))
    assert sorted(listed) == [page.stem for page in PAGES]


@chapters
def test_a_chapter_says_first_what_to_do_learn_and_need(page):
    head, rest = page.read_text("utf-8").split("\n## ", 1)
    for words in ("will do", "will learn", "need"):
        assert f"**What you {words}.**" in head
    assert "\n## Further reading\n" in rest
    if page.stem != "index":
        assert "\n## Exercises\n" in rest
        asked = re.findall(r":label: (\S+)", rest)
        assert asked
        assert asked == re.findall(r"\{solution-start\} (\S+)", rest)


@with_code
def test_code_of_a_page_fits_its_column_and_uses_public_names_only(page):
    codes = [code for _, code in cells(page.read_text("utf-8"))]
    first = next(x for x in codes[0].splitlines() if not x.startswith("#"))
    assert first.startswith("import cae_keras as cae"), "it selects Keras' backend"
    for code in codes:
        assert max(map(len, code.splitlines())) <= 88
        for node in ast.walk(ast.parse(code)):
            match node:
                case ast.Attribute(value=ast.Name(id="cae"), attr=name):
                    assert name in cae_keras.__all__
                case ast.ImportFrom(module=module) if "cae_keras" in (module or ""):
                    assert {alias.name for alias in node.names} <= PUBLIC[module]


@with_code
def test_every_figure_outside_a_solution_has_a_name_and_a_caption(page):
    solution = r":::\{solution-start\}.*?:::\{solution-end\}"
    text = page.read_text("utf-8")
    found = cells(re.sub(solution, "", text, flags=re.S))
    drawing = [
        head for head, code in found if re.search(r"^figures\.\w+\(", code, re.M)
    ]
    assert bool(drawing) == ("import figures" in text)
    for options in drawing:
        figure = options["mystnb"]["figure"]
        assert figure["name"].startswith("fig-")
        assert len(figure["caption"].split()) > 5


@chapters
def test_every_glued_number_of_a_sentence_comes_from_a_cell(page):
    text = page.read_text("utf-8")
    used = set(re.findall(r"\{glue:text\}`([\w-]+)", text))
    assert used == set(re.findall(r"glue\(\"([\w-]+)\"", text))


TYPED = {  # numbers of a quiz or of another study, which no run of this book gives
    "experiment_4_activation": {"0.001", "−0.7 %"},
    "takeaways": {"0.001", "−0.3 %"},
    "tradeoff": {"0.020", "0.015", "0.016"},
}


def prose(path):
    """Returns the sentences of a page: without its head, cells, directives of code, formulas, roles and links."""
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.S)
    text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.M | re.S)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
    return re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\$[^$]*\$|\]\([^)]*\)", "", text)


def test_what_pages_train_beside_the_study_stands_in_one_place():
    """No page makes a recipe of its own, but for those who teach, who train nothing here."""
    texts = {page.stem: page.read_text("utf-8") for page in PAGES}
    own = {name for name, text in texts.items() if re.search(r"recipe=(cae\.)?Recipe\(|= cae\.Recipe\(|replace\(\w*\.?recipe", text)}  # fmt: skip
    assert own <= {"teachers", "experiment_3_batch_norm"}
    for name, budget in budgets().items():
        asked = re.findall(r"recipe_for\(f?\"(.*?)\"\)", texts[budget.page])
        by_itself = name in ("reader", "besides")  # by the recipe of the build
        assert by_itself or any(re.fullmatch(re.sub("{.*}", ".*", each), name) for each in asked)  # fmt: skip


@chapters
def test_no_result_is_typed_in_a_sentence(page):
    """A result has decimals: three of them, or any of a percentage or a factor."""
    typed = re.findall(r"[−-]?\d+\.\d+\s?%|×\d+\.\d+|[−-]?\d+\.\d{3,}", prose(page))
    typed = {re.sub(r"\s", " ", number) for number in typed}
    assert typed == TYPED.get(page.stem, set())


def test_the_commits_that_the_first_page_names_are_of_the_time_that_it_says():
    def git(*words):
        words = ["git", "-C", ROOT, *words]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    if git("rev-parse", "--is-shallow-repository") != "false\n":
        pytest.skip("a copy without its history")
    note = (ROOT / "book" / "index.md").read_text("utf-8")
    said = re.findall(r"\((\d[\d:-]+)[^()]*\{commit\}`(\w+)`\)", note)
    assert len(said) == note.count("{commit}`")
    for time, commit in said:
        assert time in git("log", "-1", "--format=%cI", commit)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_image_of_a_page_has_an_alternative_text(page):
    text = page.read_text("utf-8")
    assert "![](" not in text
    image = r"^[`:]{3,}\{(?:image|figure)\}.*\n((?::.*\n)*)"
    for options in re.findall(image, text, re.M):
        assert re.search(r"^:alt: \S", options, re.M)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_source_that_a_page_shows_is_there(page):
    """A strict build says so as well, after minutes."""
    from source import PACKAGE, shown

    text = page.read_text("utf-8")
    for file, names in re.findall(r"\{source\} (\S+)\n(?::object: (.*)\n)?", text):
        code = shown((PACKAGE / file).read_text("utf-8"), names)
        ast.parse(code)
        assert '"""' not in code


def test_readme_is_short_and_says_how_long_its_commands_take():
    text = (ROOT / "README.md").read_text("utf-8")
    prose = re.sub(r"```python.*?```", "", text, flags=re.S)
    assert len(prose.split()) <= 1_000
    assert "minutes" in text.split("jupyter-book build book")[1].split("```bash")[0]
    assert "CAE_PRESET=quick jupyter-book build book" in text
    top = set(
        re.findall(
            r"^  (\S+?)/? ", text.split("cae_keras/\n")[1].split("tests/")[0], re.M
        )
    )
    rooms = {
        path.name for path in (ROOT / "cae_keras").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }  # fmt: skip
    assert rooms <= top

"""The pages keep their form, and the extension does what it says, tried on a book of one page."""

import ast
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fake_tasks import gone, until

import cae_keras
from cae_keras import bench
from cae_keras.study.tasks import Measuring, Reading, Training

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in (ROOT / "book").glob("*.md"))
RUN = [path for path in PAGES if "{code-cell}" in path.read_text("utf-8")]
CHAPTERS = [path for path in RUN if path.stem != "how_built"]  # that is back matter
WITH_CODE = [*RUN, ROOT / "README.md"]  # which has two cells as an example
CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?:---\n(.*?)\n---\n)?(.*?)^```", re.M | re.S
)


def cells(path):
    """Yields the options and the code of each cell of a page."""
    for options, code in CELL.findall(path.read_text("utf-8")):
        yield yaml.safe_load(options or "{}"), code


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


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_says_first_what_to_do_learn_and_need(page):
    text = page.read_text("utf-8")
    head, rest = text.split("\n## ", 1)
    for words in (
        "**What you will do.**",
        "**What you will learn.**",
        "**What you need.**",
    ):
        assert words in head
    assert "\n## Further reading\n" in rest
    if page.stem != "index":
        assert "\n## Exercises\n" in rest
        asked, answered = (
            re.findall(r":label: (\S+)", rest),
            re.findall(r"\{solution-start\} (\S+)", rest),
        )
        assert asked
        assert asked == answered


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_code_of_a_page_fits_its_column_and_uses_public_names_only(page):
    for _, code in cells(page):
        assert max(map(len, code.splitlines())) <= 88
        for node in ast.walk(ast.parse(code)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "cae"
            ):
                assert node.attr in cae_keras.__all__
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "cae_keras"
            ):
                public = {"lab", "pictures", "plots"}
                if node.module == "cae_keras.bench":
                    public = set(bench.__all__)
                assert {alias.name for alias in node.names} <= public


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_a_page_imports_the_package_before_keras(page):
    first = next(cells(page))[1].splitlines()[0]
    assert first.startswith("import cae_keras as cae"), "it selects the backend"


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_every_figure_outside_a_solution_has_a_name_and_a_caption(page):
    text = re.sub(
        r":::\{solution-start\}.*?:::\{solution-end\}",
        "",
        page.read_text("utf-8"),
        flags=re.S,
    )
    found = [
        (yaml.safe_load(options or "{}"), code) for options, code in CELL.findall(text)
    ]
    drawing = [
        options
        for options, code in found
        if re.search(r"^(plots|pictures)\.\w+\(", code, re.M)
    ]
    assert drawing
    for options in drawing:
        figure = options["mystnb"]["figure"]
        assert figure["name"].startswith("fig-")
        assert len(figure["caption"].split()) > 5


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_every_glued_number_of_a_sentence_comes_from_a_cell(page):
    text = page.read_text("utf-8")
    used = set(re.findall(r"\{glue:text\}`([\w-]+)", text))
    made = set(re.findall(r"glue\(\"([\w-]+)\"", text))
    assert used == made


TYPED = {  # numbers of a quiz or of another study, which no run of this book gives
    "experiment_4_activation": {"2.5 %", "0.001", "−0.7 %"},
    "takeaways": {"0.001", "−0.3 %", "×1.11"},
    "tradeoff": {"0.020", "0.015", "0.016"},
}


def prose(path):
    """Returns the sentences of a page: without its head, cells, directives of code, formulas, roles and links."""
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.S)
    text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.M | re.S)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
    return re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\$[^$]*\$|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_no_result_is_typed_in_a_sentence(page):
    """A result has decimals: three of them, or any of a percentage or a factor."""
    typed = re.findall(r"[−-]?\d+\.\d+\s?%|×\d+\.\d+|[−-]?\d+\.\d{3,}", prose(page))
    typed = {re.sub(r"\s", " ", number) for number in typed}
    assert typed == TYPED.get(page.stem, set())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_image_of_a_page_has_an_alternative_text(page):
    text = page.read_text("utf-8")
    assert "![](" not in text
    for options in re.findall(
        r"^[`:]{3,}\{(?:image|figure)\}.*\n((?::.*\n)*)", text, re.M
    ):
        assert re.search(r"^:alt: \S", options, re.M)


# A book of one page


PAGE = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
# One page

```{code-cell} ipython3
import os
from cae_keras.figures.style import Figure
from cae_keras.progress import progress_bar

with progress_bar(3, "counting to three") as bar:
    bar.update(3)
with open("executed.txt", "a") as file:
    file.write("once ")
Figure(2, 1, alt="an empty figure, " + os.environ.get("CAE_PRESET", "full"))
```
"""


@pytest.fixture
def small_book(tmp_path):
    """The book's settings and extension, the package, and one page."""
    shutil.copytree(ROOT / "book" / "_ext", tmp_path / "book" / "_ext")
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    shutil.copytree(
        ROOT / "cae_keras",
        tmp_path / "cae_keras",
        ignore=shutil.ignore_patterns("mnist"),
    )
    (tmp_path / "cae_keras" / "__init__.py").write_text("")  # without Keras: faster
    for name in ("_config.yml", "book/references.bib"):
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in (tmp_path, tmp_path / "book"):
        (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "book" / "index.md").write_text(PAGE)
    return tmp_path


def build(book, *options, preset="quick", **settings):
    """Runs `jupyter-book build book` and returns the finished process."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        "book",
        *options,
    ]
    environment = {**os.environ, "CAE_PRESET": preset, **settings}
    return subprocess.run(
        command, cwd=book, env=environment, capture_output=True, text=True, check=False
    )


def executions(book):
    return (book / "book" / "executed.txt").read_text().count("once")


def test_the_life_of_a_page(small_book):
    done = build(small_book, "-n", "-W", "--keep-going")
    page = small_book / "_build" / "html" / "index.html"
    assert done.returncode == 0, done.stdout + done.stderr
    assert "quick build" in page.read_text("utf-8")
    assert 'alt="an empty figure, quick"' in page.read_text("utf-8")
    assert "counting to three |" in done.stderr
    assert "counting to three" not in re.sub(
        r"<span.*?</span>", "", page.read_text("utf-8")
    )
    assert executions(small_book) == 1

    build(small_book)
    assert executions(small_book) == 1, "nothing has changed"

    with open(small_book / "cae_keras" / "figure.py", "a") as file:
        file.write("\n# changed\n")
    os.utime(small_book / "cae_keras" / "figure.py", (1e9, 1e9))  # a date of long ago
    build(small_book)
    assert executions(small_book) == 2, "the package has changed"
    build(small_book)
    assert executions(small_book) == 2, "nothing has changed"

    done = build(small_book, preset="quik")
    assert done.returncode != 0
    assert (
        "CAE_PRESET='quik': it must be one of 'full', 'quick'"
        in done.stdout + done.stderr
    )
    done = build(small_book, CAE_WORKERS="two")
    assert done.returncode != 0
    assert "CAE_WORKERS='two': it must be a positive integer" in done.stderr
    assert page.exists(), "bad input changes nothing"
    assert not (small_book / "_build" / ".unfinished").exists()

    build(small_book, preset="full")
    assert executions(small_book) == 3, "the preset has changed"
    assert "quick build" not in page.read_text("utf-8")
    whole = page.read_text("utf-8")
    assert 'alt="an empty figure, full"' in whole

    page.write_text(
        whole[:100], "utf-8"
    )  # as a build leaves it that is killed while writing
    (small_book / "_build" / ".unfinished").touch()
    done = build(small_book, preset="full")
    assert done.returncode == 0
    assert page.read_text("utf-8").strip().endswith("</html>")
    assert executions(small_book) == 4
    assert not (small_book / "_build" / ".unfinished").exists()


def test_another_store_and_other_versions_execute_a_page_anew(small_book):
    assert build(small_book).returncode == 0
    assert executions(small_book) == 1
    build(small_book, CAE_RUNS="elsewhere")
    assert executions(small_book) == 2, "the store has changed"
    with open(small_book / "book" / "_ext" / "cae_book.py", "a") as file:
        file.write("\n\ndef version(package):\n    return '0'\n")
    build(small_book, CAE_RUNS="elsewhere")
    assert executions(small_book) == 3, "the versions have changed"


def test_a_package_that_is_changed_while_a_page_runs_is_told_and_the_page_executed_again(
    small_book,
):
    """By its date the file is older than what Sphinx notes of the page."""
    page = small_book / "book" / "index.md"
    figure = "../cae_keras/figures/style.py"
    changing = f'if not os.path.exists("executed.txt"):\n    open({figure!r}, "a").write("# new")'
    page.write_text(PAGE.replace('with open("exec', f'{changing}\nwith open("exec'))
    done = build(small_book)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "index changed while the book was built: build again" in done.stderr
    done = build(small_book)
    assert "changed while" not in done.stderr
    assert executions(small_book) == 2


@pytest.mark.parametrize(
    "settings, head, said",
    [
        ({"CAE_SEEDS": "none"}, "", "CAE_SEEDS='none': it must be a positive integer"),
        ({"CAE_BACKEND": "moon"}, "", "CAE_BACKEND='moon': it must be one of"),
        ({}, "cae_alone: yes\n", "index.md: cae_alone='yes': it must be true"),
    ],
)
def test_a_bad_setting_is_said_before_a_page_is_executed(
    small_book, settings, head, said
):
    page = small_book / "book" / "index.md"
    page.write_text(PAGE.replace("---\n", f"---\n{head}", 1))
    done = build(small_book, **settings)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert not (small_book / "book" / "executed.txt").exists()
    assert not list((small_book / "_build").rglob("*.html"))


MAKING_A_FILE = """
```{code-cell} ipython3
from pathlib import Path

folder = Path("../_build/downloads")
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.bin").write_bytes(b"the weights")
```

Here it is: {download}`model.bin <../_build/downloads/model.bin>`.
"""


def test_the_life_of_a_download(small_book):
    """It is offered by every build: executed, from what is there, and after a loss of either folder."""
    with open(small_book / "book" / "index.md", "a") as page:
        page.write(MAKING_A_FILE)
    html = small_book / "_build" / "html"
    made = small_book / "_build" / "downloads" / "model.bin"

    def offered():
        (address,) = Page((html / "index.html").read_text("utf-8")).downloads
        return (html / address).read_bytes()

    done = build(small_book, "-n", "-W", "--keep-going")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (offered(), executions(small_book)) == (b"the weights", 1)

    shutil.rmtree(html)
    build(small_book)
    assert (offered(), executions(small_book)) == (b"the weights", 1)

    made.unlink()
    build(small_book)
    assert (offered(), executions(small_book)) == (b"the weights", 2)

    made.write_bytes(b"the w")  # as a build leaves it that is killed while writing
    (small_book / "_build" / ".unfinished").touch()
    build(small_book)
    assert (offered(), executions(small_book)) == (b"the weights", 3)


def test_the_index_is_read_first_and_so_trains_the_whole_study(small_book):
    """Sphinx reads pages in the order of the alphabet; `aaa` needs what `index` leaves."""
    contents = "format: jb-book\nroot: index\nchapters:\n  - file: aaa\n"
    for folder in (small_book, small_book / "book"):
        (folder / "_toc.yml").write_text(contents)
    (small_book / "book" / "aaa.md").write_text(
        PAGE.replace('open("executed.txt", "a")', 'open("executed.txt", "r+")')
    )
    done = build(small_book)
    assert done.returncode == 0, done.stdout + done.stderr


# A book of many pages


TIMED = """---
{head}jupytext: {{text_representation: {{extension: .md, format_name: myst}}}}
kernelspec: {{name: python3, display_name: Python 3}}
---
# Page {name}

```{{code-cell}} ipython3
import os, time

with open("times.txt", "a") as file:
    threads = os.environ.get("OMP_NUM_THREADS")
    print("{name}", "begins", time.time(), os.getpid(), threads, file=file)
{code}
with open("times.txt", "a") as file:
    print("{name}", "ends", time.time(), os.getpid(), file=file)
```
"""


@pytest.fixture
def many_pages(small_book):
    """Seven pages; `index` is the last but one by the alphabet, `alone` the first."""
    names = ["alone", "b", "c", "d", "e", "f"]
    contents = "format: jb-book\nroot: index\nchapters:\n"
    contents += "".join(f"  - file: {name}\n" for name in names)
    for folder in (small_book, small_book / "book"):
        (folder / "_toc.yml").write_text(contents)
    for name in ["index", *names]:
        head = "cae_alone: true  # it measures\n" if name == "alone" else ""
        text = TIMED.format(head=head, name=name, code="time.sleep(1)")
        (small_book / "book" / f"{name}.md").write_text(text)
    return small_book


def times(book):
    """Returns for each page when it began and when it ended."""
    found = {}
    for line in (book / "book" / "times.txt").read_text().splitlines():
        name, _, when, *_ = line.split()
        found.setdefault(name, []).append(float(when))
    return found


needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "fork") or len(os.sched_getaffinity(0)) < 2,
    reason="pages are read one after the other on one core",
)


@needs_two_cores
def test_pages_are_executed_side_by_side_but_for_two(many_pages, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    done = build(many_pages, "-n", "-W", "--keep-going")
    assert done.returncode == 0, done.stdout + done.stderr
    found = times(many_pages)
    assert len(found) == 7

    def beside(name):
        begin, end = found[name]
        others = set(found) - {name}
        return {other for other in others if found[other][0] < end and begin < found[other][1]}  # fmt: skip

    assert min(found, key=found.get) == "index"
    assert max(found, key=found.get) == "alone"
    assert (beside("index"), beside("alone")) == (set(), set())
    assert any(beside(name) for name in "bcdef")
    lines = (many_pages / "book" / "times.txt").read_text().splitlines()
    threads = {line.split()[0]: line.split()[4] for line in lines if "begins" in line}
    assert threads == dict.fromkeys("bcdef", "1") | dict.fromkeys(("index", "alone"), "None")  # fmt: skip


@needs_two_cores
def test_an_error_beside_other_pages_is_told_with_its_cause(many_pages):
    page = many_pages / "book" / "d.md"
    page.write_text(page.read_text().replace("time.sleep(1)", "1 / 0"))
    done = build(many_pages)
    assert done.returncode != 0
    assert "book/d.md" in done.stderr
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    assert "ZeroDivisionError: division by zero" in plain


@needs_two_cores
def test_a_build_that_is_killed_leaves_no_process(many_pages):
    for page in (many_pages / "book").glob("*.md"):
        page.write_text(page.read_text().replace("sleep(1)", "sleep(60)"))
    index = many_pages / "book" / "index.md"
    index.write_text(index.read_text().replace("sleep(60)", "sleep(0)"))
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "book"]
    times_file, log = many_pages / "book" / "times.txt", many_pages / "log.txt"
    with open(log, "w") as file:
        process = subprocess.Popen(command, cwd=many_pages, stdout=file, stderr=file)
    try:
        until(lambda: times_file.exists() and times_file.read_text().count("begins") == 3)  # fmt: skip
    finally:
        forked = set(map(int, children(process.pid)))
        process.kill()
        process.wait()
    assert len(forked) >= 6
    assert gone(forked, 20)
    kernels = [int(line.split()[3]) for line in times_file.read_text().splitlines()]
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in kernels))


def process_of(kernel: int) -> int:
    """Returns the process that a kernel was started by."""
    return int(Path(f"/proc/{kernel}/stat").read_text().rpartition(")")[2].split()[1])


@needs_two_cores
@pytest.mark.parametrize(
    "page, what",
    [("index", "process"), ("d", "process"), ("d", "kernel"), ("alone", "process")],
)
def test_a_page_that_is_killed_ends_the_build_by_name(many_pages, page, what):
    """As for want of memory: the first one, one of many beside each other, and the last."""
    source = many_pages / "book" / f"{page}.md"
    source.write_text(source.read_text().replace("sleep(1)", "sleep(600)"))
    times_file, log = many_pages / "book" / "times.txt", many_pages / "log.txt"
    for other in (many_pages / "book").glob("[bcef].md"):
        other.write_text(other.read_text().replace("sleep(1)", "sleep(0)"))
    with open(log, "w") as file:
        building = subprocess.Popen(
            [str(Path(sys.executable).with_name("jupyter-book")), "build", "book"],
            cwd=many_pages, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        until(lambda: times_file.exists() and f"{page} begins" in times_file.read_text() and times_file.read_text().endswith("\n"))  # fmt: skip
        begun = [line.split() for line in times_file.read_text().splitlines()]
        (kernel,) = (int(line[3]) for line in begun if line[:2] == [page, "begins"])
        processes = [pid for pid in map(int, children(building.pid))]
        assert process_of(kernel) in processes
        os.kill(process_of(kernel) if what == "process" else kernel, signal.SIGKILL)
        building.wait(60)
    finally:
        building.kill()
        building.wait()
    assert building.returncode == 1
    told = re.sub(r"\x1b\[[\d;]*m", "", log.read_text())
    if what == "process":
        assert f"{page}: the process of this page was killed (exit code -9)" in told
    else:
        assert f"{page}.md" in told
        assert "DeadKernelError" in told
    assert gone({*processes, *(int(line[3]) for line in begun)}, 20)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.fixture
def fingerprint(monkeypatch):
    """Returns what the extension registers of a build; with other versions if they are given."""
    path = ROOT / "book" / "_ext" / "cae_book.py"
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location("cae_book", path)
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)

    def registered(**versions):
        monkeypatch.setattr(
            extension, "version", lambda name: versions.get(name) or version(name)
        )
        settings = SimpleNamespace(html_theme_options={})
        extension.choose_preset(None, settings)
        return settings.cae_build

    return registered


@pytest.mark.parametrize(
    "variable, value",
    [("CAE_PRESET", "quick"), ("CAE_SEEDS", "7"), ("CAE_RUNS", "elsewhere")],
)
def test_the_fingerprint_of_a_build_changes_with_its_settings(
    fingerprint, monkeypatch, variable, value
):
    before = fingerprint()
    monkeypatch.setenv("CAE_WORKERS", "1")  # decides no number
    assert fingerprint() == before
    monkeypatch.setenv(variable, value)
    assert fingerprint() != before


@pytest.mark.parametrize(
    "package",
    sorted({*Training.packages, *Reading.packages, *Measuring.packages, "matplotlib"}),
)
def test_the_fingerprint_of_a_build_changes_with_a_version(fingerprint, package):
    """Of each package that the store names, and of the one that draws."""
    assert fingerprint(**{package: "0"}) != fingerprint()


def test_a_page_that_raises_makes_the_build_fail_with_page_cell_and_error(small_book):
    page = small_book / "book" / "index.md"
    page.write_text(
        PAGE
        + "\n```{code-cell} ipython3\nraise RuntimeError('a mistake on purpose')\n```\n"
    )
    done = build(small_book)
    assert done.returncode != 0
    for words in ("book/index.md", "raise RuntimeError", "a mistake on purpose"):
        assert words in done.stdout + done.stderr


def test_two_builds_at_once_do_each_other_no_harm(small_book):
    (small_book / "book" / "index.md").write_text(
        PAGE.replace("bar.update(3)", "bar.update(3)\n    import time; time.sleep(4)")
    )
    with ThreadPoolExecutor() as pool:
        first = pool.submit(build, small_book)
        while not (small_book / "_build" / ".unfinished").exists():
            time.sleep(0.1)
        second = pool.submit(build, small_book)
    assert [first.result().returncode, second.result().returncode] == [0, 0]
    assert "another build of this book is running" in second.result().stdout
    assert executions(small_book) == 1


# The built book, where there is one: the gate builds it first


class Page(HTMLParser):
    """What a built page shows and asks for."""

    def __init__(self, text):
        super().__init__()
        self.images, self.asked, self.downloads = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            self.images.append(attributes)
        if tag in ("img", "script") and attributes.get("src"):
            self.asked.append(attributes["src"])
        if (
            tag == "link"
            and attributes.get("rel") != "canonical"
            and attributes.get("href")
        ):
            self.asked.append(attributes["href"])
        if tag == "a" and "download" in attributes.get("class", "").split():
            self.downloads.append(attributes["href"])


def test_every_download_that_a_page_names_is_offered():
    """The gate builds the book first; without `CAE_BUILT` there is nothing to look at."""
    if not os.environ.get("CAE_BUILT"):
        pytest.skip("CAE_BUILT is not set")
    html = ROOT / "_build" / "html"
    for source in PAGES:
        named = re.findall(r"\{download\}`([^ ]+) <", source.read_text("utf-8"))
        page = Page((html / f"{source.stem}.html").read_text("utf-8"))
        offered = [html / address for address in page.downloads]
        assert [path.name for path in offered] == named
        assert all(path.stat().st_size > 0 for path in offered)


@pytest.fixture(params=[page.stem for page in PAGES])
def built(request):
    path = ROOT / "_build" / "html" / f"{request.param}.html"
    if not os.environ.get("CAE_BUILT"):
        pytest.skip(
            "CAE_BUILT is not set: build the book, then set it to check the built pages"
        )
    return path.read_text("utf-8")


def test_every_image_of_a_built_page_has_an_alternative_text(built):
    for image in Page(built).images:
        assert image.get("alt"), image["src"]


def test_a_built_page_asks_no_other_host(built):
    assert not [
        address for address in Page(built).asked if re.match(r"(https?:)?//", address)
    ]


def test_a_built_page_shows_neither_warnings_nor_errors(built):
    assert "output stderr" not in built
    assert "output traceback" not in built


def test_every_page_of_a_quick_build_says_so(built):
    assert ("This is a <strong>quick build" in built) == (
        os.environ["CAE_BUILT"] == "quick"
    )

"""The Sphinx extension does what it says, tried on books of one page and of seven."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from fake_tasks import gone, until
from IPython.core.interactiveshell import InteractiveShell
from sphinx.errors import ConfigError

from cae_keras.study.tasks import Measuring, Reading, Training

ROOT = Path(__file__).parents[1]
EXTENSION = ROOT / "book" / "_ext"
STRICT = ("-n", "-W", "--keep-going")
REPOSITORY = "https://github.com/Somebody/a-fork"
HEAD = """---
{head}jupytext: {{text_representation: {{extension: .md, format_name: myst}}}}
kernelspec: {{name: python3, display_name: Python 3}}
---
# Page {name}

"""
PAGE = (
    HEAD.format(head="", name="index")
    + """\
```{code-cell} ipython3
import os
from pathlib import Path
from cae_keras.figures.style import Figure
from cae_keras.progress import progress_bar

with progress_bar(3, "counting to three") as bar:
    bar.update(3)
if not os.path.exists("executed.txt"):
    open("../cae_keras/figures/style.py", "a").write("# new")
with open("executed.txt", "a") as file:
    file.write("once ")
folder = Path("../_build/downloads")
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.bin").write_bytes(b"the weights")
Figure(1, width=2, alt="an empty figure, " + os.environ.get("CAE_PRESET", "full"))
```

Here it is: {download}`model.bin <../_build/downloads/model.bin>`.
"""
)
TIMED = (
    HEAD
    + """\
```{{code-cell}} ipython3
import os, time

with open("times.txt", "a") as file:
    threads = os.environ.get("OMP_NUM_THREADS")
    print("{name}", "begins", time.time(), os.getpid(), threads, file=file)
time.sleep(1)
with open("times.txt", "a") as file:
    print("{name}", "ends", time.time(), os.getpid(), file=file)
```
"""
)
SHOWN = """
```{code-cell} ipython3
:tags: [hide-input]
# Draw the curve
1
```
```{code-cell} ipython3
:tags: [hide-cell]
# All curves
2
```
```{code-cell} ipython3
:tags: [hide-input, code-below]
# Play
"a lab"
```

{commit}`abc1234`

:::{source} metrics.py
:object: EPSILON bce
:::
"""


def make_book(folder, **pages):
    """The book's settings and extension, the package, and some pages; its remote is on GitHub."""
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    shutil.copytree(EXTENSION, folder / "book" / "_ext")
    quick = shutil.ignore_patterns("mnist", "__pycache__")
    shutil.copytree(ROOT / "cae_keras", folder / "cae_keras", ignore=quick)
    for room in ("", "figures"):  # without Keras: faster
        (folder / "cae_keras" / room / "__init__.py").write_text("")
    for name in ("_config.yml", "requirements.txt", "book/references.bib"):
        shutil.copy(ROOT / name, folder / name)
    contents = "format: jb-book\nroot: index\nchapters:\n"
    contents += "".join(f"  - file: {name}\n" for name in pages if name != "index")
    for inside in (folder, folder / "book"):
        (inside / "_toc.yml").write_text(contents.removesuffix("chapters:\n"))
    for name, text in pages.items():
        (folder / "book" / f"{name}.md").write_text(text)
    for words in (["init", "-q"], ["remote", "add", "origin", f"{REPOSITORY}.git"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def seven_pages():
    """`index` is the last but one by the alphabet, `alone` the first."""
    names = ("alone", "b", "c", "d", "e", "f", "index")
    heads = {"alone": "cae_alone: true  # it measures\n"}
    pages = {name: TIMED.format(head=heads.get(name, ""), name=name) for name in names}
    return pages | {"b": pages["b"] + SHOWN}


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    """A built book of seven pages, to be looked at, built as on a system without symlinks."""
    book = make_book(tmp_path_factory.mktemp("seven"), **seven_pages())
    (book / "book" / "_toc.yml").write_text("../_toc.yml")
    toc = f"--toc={book / '_toc.yml'}"  # as in running.md
    done = build(book, *STRICT, toc, OMP_NUM_THREADS="")
    assert done.returncode == 0, done.stdout + done.stderr
    return book


@pytest.fixture
def many_pages(tmp_path):
    return make_book(tmp_path, **seven_pages())


def command(*options, folder="book"):
    return [str(Path(sys.executable).with_name("jupyter-book")), "build", folder, *options]  # fmt: skip


def build(book, *options, preset="quick", folder="book", **settings):
    """Runs `jupyter-book build book` and returns the finished process."""
    environment = {**os.environ, "CAE_PRESET": preset, **settings}
    environment = {name: value for name, value in environment.items() if value}
    done = subprocess.run(
        command(*options, folder=folder), cwd=book, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    done.said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    return done


# The life of a page


def test_the_life_of_a_page(tmp_path):
    """In the first build its cell changes the package, to a date before what Sphinx notes of it."""
    book = make_book(tmp_path, index=PAGE)
    build_folder, unfinished = book / "_build", book / "_build" / ".unfinished"
    html, made = build_folder / "html", build_folder / "downloads" / "model.bin"
    page = html / "index.html"

    def built(times, *options, **settings):
        done = build(book, *options, **settings)
        assert done.returncode == 0, done.said
        assert (book / "book" / "executed.txt").read_text().count("once") == times
        text = page.read_text("utf-8")
        assert text.strip().endswith("</html>")
        (address,) = re.findall(
            r'<a class="[^"]*download[^"]*" download="" href="([^"]*)"', text
        )
        assert (html / address).read_bytes() == b"the weights"
        assert not unfinished.exists()
        return done, text

    done, text = built(1)
    assert "index changed while the book was built: build again" in done.said
    assert "quick build" in text
    assert 'alt="an empty figure, quick"' in text
    assert "the book: 0 of 1 pages | now index" in done.stderr
    assert re.search(r"page by page:\n +\d+ s  index\n +\d+ s  all,", done.said)
    assert "counting to three" not in re.sub(r"<span.*?</span>", "", text)

    assert "changed while" not in built(2, *STRICT)[0].said
    shutil.rmtree(html)
    assert "page by page" not in built(2)[0].said  # the download is what is there
    made.unlink()
    built(3)

    _, text = built(4, preset="full")
    assert "quick build" not in text
    assert 'alt="an empty figure, full"' in text
    page.write_text(text[:100], "utf-8")  # as a build leaves it that is killed
    made.write_bytes(b"the w")
    (picture,) = (build_folder / "jupyter_execute").glob("*.png")
    whole = picture.read_bytes()
    picture.write_bytes(whole[:100])
    unfinished.touch()
    built(5, preset="full")
    assert (html / "_images" / picture.name).read_bytes() == whole


# A build that fails, or is killed

NOTING = (
    HEAD
    + """\
```{{code-cell}} ipython3
import os

print("{name}", file=open("executed.txt", "a"))
{code}
```

{text}
"""
)
FAULTS = """\
import os, signal
from pathlib import Path

def setup(app):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background is deaf
    app.connect("html-page-context", lambda *_: exec(Path(app.srcdir, "fault").read_text()))
    return {"parallel_read_safe": True}
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A book of three pages, one after the other, what writes `one` and what happens in writing, and what was executed at first."""
    heads = {"index": "", "one": "", "last": "cae_alone: true\n"}
    folder = make_book(tmp_path_factory.mktemp("faulty"), **heads)

    def write(name="one", code="", text="", fault=""):
        page = NOTING.format(head=heads[name], name=name, code=code, text=text)
        (folder / "book" / f"{name}.md").write_text(page)
        (folder / "book" / "fault").write_text(fault)

    config = folder / "_config.yml"
    name = "    cae_book: book/_ext\n"
    config.write_text(config.read_text().replace(name, name + "    faults: book/_ext\n"))  # fmt: skip
    (folder / "book" / "_ext" / "faults.py").write_text(FAULTS)
    for name, code in {"index": "", "one": "1 / 0", "last": ""}.items():
        write(name, code)
    begun = [made(folder, *options)[1] for options in ((), (), ("--all",))]
    write()
    return folder, write, [*begun, made(folder)[1]]


def made(book, *options, **settings):
    """Returns a build, and the pages that it has executed."""
    log = book / "book" / "executed.txt"
    log.write_text("")
    done = build(book, *options, CAE_RUNS="", **settings)
    return done, log.read_text().split()


@pytest.mark.parametrize(
    "wrong, again",
    [
        pytest.param({"code": "1 / 0"}, ["one"], id="error in a cell", marks=pytest.mark.long),
        pytest.param({"code": "os.kill(os.getppid(), 2)"}, ["one"], id="Ctrl-C in executing"),
        pytest.param({"code": "os.kill(os.getppid(), 9)"}, ["one"], id="kill in executing", marks=pytest.mark.long),
        pytest.param({"text": "[](nowhere)"}, ["one"], id="strict warning", marks=pytest.mark.long),
        pytest.param({"fault": "raise OSError(28, 'the disk is full')"}, [], id="error in writing", marks=pytest.mark.long),
        pytest.param({"fault": "os.kill(os.getpid(), 2)"}, [], id="Ctrl-C in writing", marks=pytest.mark.long),
        pytest.param({"fault": "os.kill(os.getpid(), 9)"}, [], id="kill in writing"),
    ],
)  # fmt: skip
def test_after_what_went_wrong_only_the_page_concerned_is_executed_again(faulty, wrong, again):  # fmt: skip
    book, write, _ = faulty
    new = f"At {time.time_ns()}. "
    write(**wrong | {"text": new + wrong.get("text", "")})
    done, executed = made(book, "-W")
    assert (done.returncode != 0, executed) == (True, ["one"])
    html = book / "_build" / "html"
    for page in html.glob("*.html") if again == [] else ():
        page.write_text("<html>")  # as what is cut off
    write(text=new)
    done, executed = made(book)
    assert (done.returncode, executed) == (0, again), done.said
    pages = {path.stem: path.read_text("utf-8") for path in html.glob("*.html")}
    assert set(pages) >= {"index", "one", "last"}
    assert all(page.rstrip().endswith("</html>") for page in pages.values())
    assert new.strip() in pages["one"]


@pytest.mark.long
def test_a_page_that_is_put_back_after_a_kill_says_what_it_said(faulty):
    """The build that was killed has read the other text; by its date the file is the old one."""
    book, write, _ = faulty
    page, html = book / "book" / "index.md", book / "_build" / "html" / "index.html"
    made(book)
    text, date = page.read_text(), page.stat().st_mtime
    write("index", text="Not for long.")
    write("last", code="import time; time.sleep(5); os.kill(os.getppid(), 9)")
    assert made(book)[1] == ["index", "last"]
    page.write_text(text)
    os.utime(page, (date, date))
    write("last", text="New.")
    assert made(book)[0].returncode == 0
    assert "Not for long" not in html.read_text("utf-8")


def test_a_first_build_that_fails_again_and_again_keeps_what_is_done(faulty):
    *_, executed = faulty
    asked_afresh = ["index", "one"]
    assert executed == [["index", "one"], ["one"], asked_afresh, ["one", "last"]]


def test_two_builds_at_once_do_each_other_no_harm(faulty):
    book, write, _ = faulty
    write(code="import time; time.sleep(3)")
    log, progress = book / "book" / "executed.txt", book / "_build" / ".progress"
    log.write_text("")
    progress.unlink(missing_ok=True)  # a build that was killed leaves it
    with ThreadPoolExecutor() as pool:
        first = pool.submit(build, book, CAE_RUNS="")
        until(progress.exists)
        second = pool.submit(build, book, CAE_RUNS="")
    assert [first.result().returncode, second.result().returncode] == [0, 0]
    assert "another build of this book is running" in second.result().said
    assert log.read_text() == "one\n"


def test_a_single_page_is_built_by_its_name(faulty):
    """Sphinx is then asked to read twice."""
    book, *_ = faulty
    done, executed = made(book, folder="book/one.md")
    assert (done.returncode, executed) == (0, ["one"]), done.said


def test_a_build_that_cannot_begin_changes_nothing_and_says_why(faulty):
    book, *_ = faulty
    page, config = book / "_build" / "html" / "index.html", book / "_config.yml"
    text, date = config.read_text(), page.stat().st_mtime_ns
    for wrong, said in {"[": "", "logo: none.svg\n": "'none.svg' does not exist"}.items():  # fmt: skip
        config.write_text(text.replace("logo:", "was_logo:") + wrong)
        done, executed = made(book, "-W")
        assert (done.returncode != 0, executed) == (True, [])
        assert said in done.said
    config.write_text(text)
    done, executed = made(book, folder=".")
    assert (done.returncode != 0, executed) == (True, [])
    assert f"the pages are not in {book}: jupyter-book build {book / 'book'}" in done.said  # fmt: skip
    done, executed = made(book)
    assert (done.returncode, executed) == (0, [])
    assert page.stat().st_mtime_ns == date


@pytest.mark.parametrize(
    "versions, kind, said",
    [
        ({"myst-nb": "1.2.0", "sphinx": "7.3.7"}, "warning", "not what this book is made with: myst-nb 1.2.0, sphinx 7.3.7: pip install -r"),
        ({"jupyter-book": "0.15.1"}, "error", "not what this book is made with: jupyter-book 0.15.1: pip install -r"),
        ({"jupyter-book": None}, "error", "jupyter-book is not installed in "),
        ({}, None, None),
    ],
)  # fmt: skip
def test_another_engine_is_told(extension, monkeypatch, versions, kind, said):
    module, told = extension("cae_book"), []

    def found(name):
        if versions.get(name, "") is None:
            raise PackageNotFoundError(name)
        return versions.get(name) or version(name)

    monkeypatch.setattr(module, "version", found)
    monkeypatch.setattr(module.logger, "warning", lambda text: told.append(("warning", text)))  # fmt: skip
    try:
        module.check_engine(SimpleNamespace(srcdir=ROOT / "book"), None)
    except ConfigError as error:
        told.append(("error", str(error)))
    assert [which for which, _ in told] == [kind] * bool(kind)
    assert all(text.startswith(said) for _, text in told)


@pytest.mark.long
def test_jupyter_book_2_says_that_it_is_the_wrong_program(tmp_path):
    """It makes no page of this book, and would succeed."""
    pip, program = (tmp_path / "new" / "bin" / name for name in ("pip", "jupyter-book"))
    venv.create(tmp_path / "new", with_pip=True)
    asked = [pip, "install", "-q", "jupyter-book>=2"]
    if not shutil.which("node") or subprocess.run(asked, check=False).returncode:
        pytest.skip("no Node.js, or no registry")
    for name in ("myst.yml", "book/_ext/jupyter_book_2.mjs"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("book", "."):
        done = subprocess.run([program, "build", folder], cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 1
        assert "made with Jupyter Book 1, not 2" in done.stderr.splitlines()[-1]


# Pages side by side


def times(book):
    """Returns for each page when it began and when it ended, and the threads that it was given."""
    lines = [line.split() for line in (book / "book" / "times.txt").read_text().splitlines()]  # fmt: skip
    found = {}
    for name, _, when, *_ in lines:
        found.setdefault(name, []).append(float(when))
    return found, {line[0]: line[4] for line in lines if line[1] == "begins"}


def test_pages_are_executed_side_by_side_but_for_two(seven):
    found, threads = times(seven)
    assert len(found) == 7

    def beside(name):
        begin, end = found[name]
        others = set(found) - {name}
        return {other for other in others if found[other][0] < end and begin < found[other][1]}  # fmt: skip

    assert min(found, key=found.get) == "index", "it trains the whole study"
    assert max(found, key=found.get) == "alone", "it measures times"
    assert (beside("index"), beside("alone")) == (set(), set())
    several = len(os.sched_getaffinity(0)) > 1
    assert any(beside(name) for name in "bcdef") == several
    one = "1" if several else "None"
    assert threads == dict.fromkeys("bcdef", one) | dict.fromkeys(("index", "alone"), "None")  # fmt: skip


def test_an_error_beside_other_pages_ends_the_build_with_page_cell_and_cause(many_pages):  # fmt: skip
    for name, sleep in {"b": "time.sleep(60)", "d": "1 / 0"}.items():
        page = many_pages / "book" / f"{name}.md"
        page.write_text(page.read_text().replace("time.sleep(1)", sleep))
    begun = time.monotonic()
    done = build(many_pages)
    assert time.monotonic() - begun < 50, "the others end, too"
    assert done.returncode != 0
    for words in ("book/d.md", "1 / 0", "ZeroDivisionError: division by zero"):
        assert words in done.said


def started(book):
    """Starts a build; returns it, and the kernels that have begun when page `d` has."""
    times_file = book / "book" / "times.txt"
    with open(book / "log.txt", "w") as log:
        process = subprocess.Popen(command(), cwd=book, stdout=log, stderr=log)
    try:
        until(lambda: times_file.exists() and re.search("d begins.*\n", times_file.read_text()))  # fmt: skip
    except BaseException:
        process.kill()
        raise
    lines = [line.split() for line in times_file.read_text().splitlines()]
    return process, {line[0]: int(line[3]) for line in lines if line[1] == "begins"}


@pytest.mark.long
@pytest.mark.parametrize("victim", ["build", "page"])
def test_what_is_killed_ends_all_and_is_named(many_pages, victim):
    """As for want of memory: no kernel stays behind."""
    page = many_pages / "book" / "d.md"
    page.write_text(page.read_text().replace("sleep(1)", "sleep(600)"))
    process, kernels = started(many_pages)
    os.kill(process.pid if victim == "build" else kernels["d"], signal.SIGKILL)
    assert process.wait(60) != 0
    assert gone(kernels.values(), 20)
    if victim == "page":
        said = (many_pages / "log.txt").read_text()
        assert "d.md: " in said
        assert "DeadKernelError" in said


# What pages show


def test_the_source_on_a_page_is_that_of_the_package_without_docstrings(seven):
    text = (seven / "_build" / "html" / "b.html").read_text("utf-8")
    block = re.search(r'<div class="cae-source.*?<pre>(.*?)</pre>', text, re.S)
    assert "cae_keras/metrics.py" in block[0]
    code = re.sub(r"<.*?>", "", block[1])
    assert code.lstrip().startswith("EPSILON = 1e-7  # as in Keras")
    assert "def bce(x: np.ndarray, x_hat: np.ndarray) -&gt; float:\n    x" in code
    assert "Returns" not in code


def test_source_that_is_not_there_is_a_warning_with_page_and_line(tmp_path):
    text = "# A page\n\n:::{source} metrics.py\n:object: bse\n:::\n\n:::{source} metric.py\n:::\n"
    done = build(make_book(tmp_path, index=text), *STRICT)
    assert done.returncode != 0
    for said in (
        "book/index.md:3: WARNING: source metrics.py: there is no 'bse' in it",
        "book/index.md:7: WARNING: source metric.py: No such file or directory",
    ):
        assert said in done.said


def test_a_folded_cell_is_named_by_its_first_line(seven):
    text = (seven / "_build" / "html" / "b.html").read_text("utf-8")
    summaries = re.findall(r"<summary.*?</summary>", text, re.S)
    assert [re.sub(r"<.*?>", "", each).split("\n") for each in summaries] == [
        ["", label, label, ""]
        for label in ("Code: draw the curve", "All curves", "Code: play")
    ]
    assert not any("aria-label" in each for each in summaries)
    assert text.index("'a lab'") < text.index("Code: play") < text.index("# Play")


@pytest.fixture
def extension(monkeypatch):
    """Imports a module of the extension."""
    monkeypatch.syspath_prepend(str(EXTENSION))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, EXTENSION / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_what_is_left_is_that_of_all_pages_at_the_pace_so_far(extension, tmp_path):
    """By hand: 2 × (510 of the study + 20 + 200 side by side + 70) after 1,000 seconds; 2 = 1,020 / 510."""
    book = extension("minutes").Minutes(tmp_path, "index")
    book.table = {"study": 2_000, "index": 20, "b": 60, "c": 60, "d": 200, "e": 70}
    book.plan([(["index"], 1), (["b", "c", "d"], 2), (["e"], 1)])
    book.begun = book.begins["index"] = time.monotonic() - 1_000
    book.bars.write_text("30 × training, 2 at a time |#| 49 %, 09:00 left [490/1000 in 1000.0 s]", "utf-8")  # fmt: skip
    assert book.line() == "the book: 0 of 5 pages | 38 %, about 27 min left | now index"


MODULE = '''\
"""About the module."""

import functools

# why it is three
THREE = 3  # of them


@functools.cache
def first(x):
    """Has
    two lines."""

    # a comment stays
    return """kept, since it is
    no docstring"""


class Second(Exception):
    """Nothing else."""


class Third:
    """A class."""

    def method(self):
        """Short."""
        return THREE
'''


@pytest.mark.parametrize(
    "names, shown",
    [
        ("", MODULE.replace('"""About the module."""\n\n', "").replace('    """A class."""\n\n', "").replace('        """Short."""\n', "").replace('    """Has\n    two lines."""\n\n', "").rstrip()),
        ("THREE", "# why it is three\nTHREE = 3  # of them"),
        ("first", '@functools.cache\ndef first(x):\n    # a comment stays\n    return """kept, since it is\n    no docstring"""'),
        ("Second", 'class Second(Exception):\n    """Nothing else."""'),
        ("Third.method", "def method(self):\n    return THREE"),
        ("Third THREE", "class Third:\n    def method(self):\n        return THREE\n\n\n# why it is three\nTHREE = 3  # of them"),
    ],
)  # fmt: skip
def test_an_object_is_shown_as_it_stands(extension, names, shown):
    assert extension("source").shown(MODULE, names) == shown


# What decides whether pages are executed again


@pytest.fixture
def fingerprint(extension, monkeypatch):
    """Returns what the extension registers of a build; with other versions if they are given."""
    module = extension("cae_book")

    def registered(**versions):
        monkeypatch.setattr(module, "version", lambda name: versions.get(name) or version(name))  # fmt: skip
        settings = SimpleNamespace(html_theme_options={})
        module.choose_preset(None, settings)
        return settings.cae_build

    return registered


def test_the_fingerprint_of_a_build_changes_with_what_decides_its_numbers(fingerprint, monkeypatch):  # fmt: skip
    """Settings, and the versions of each package that the store names, and of the one that draws."""
    monkeypatch.setenv("CAE_RUNS", "runs")
    found = [fingerprint()]
    kinds = (Training, Reading, Measuring)
    packages = {"matplotlib"}.union(*(kind.packages for kind in kinds))
    found += [fingerprint(**{package: "0"}) for package in packages]
    with monkeypatch.context() as other:
        other.setenv("CAE_WORKERS", "1")  # decides no number
        assert fingerprint() == found[0]
    for variable, value in (("PRESET", "quick"), ("SEEDS", "7"), ("RUNS", "x")):
        with monkeypatch.context() as other:
            other.setenv(f"CAE_{variable}", value)
            found.append(fingerprint())
    assert len(set(found)) == len(found) > 8


@pytest.mark.parametrize("name", ["PRESET", "SEEDS", "WORKERS", "BACKEND"])
def test_a_bad_setting_is_refused_by_name(fingerprint, monkeypatch, name):
    monkeypatch.setenv(f"CAE_{name}", "moon")
    with pytest.raises(ConfigError, match=f"CAE_{name}='moon': it must be "):
        fingerprint()


def test_a_bad_head_is_refused_by_name(extension):
    with pytest.raises(ConfigError, match=r"one\.md: cae_alone='yes': it must be true"):
        extension("side_by_side").alone("one", "---\ncae_alone: yes\n---\n# One\n")


# Where the book and its sources are


def test_a_book_with_a_repository_is_launched_cloned_and_found(seven):
    html = seven / "_build" / "html"
    page = (html / "b.html").read_text("utf-8")
    launched = "mybinder.org/v2/gh/Somebody/a-fork/main?urlpath=lab/tree/book/b.md"
    assert re.findall(r'href="https://(mybinder[^"]*)"', page) == [launched]
    assert f"git clone --quiet --depth 1 {REPOSITORY} cae_book" in (html / "_sources" / "b.ipynb").read_text()  # fmt: skip
    assert f'href="{REPOSITORY}/commit/abc1234"' in page
    base = "https://somebody.github.io/a-fork/"
    assert f"<loc>{base}b.html</loc>" in (html / "sitemap.xml").read_text("utf-8")
    assert f"Sitemap: {base}sitemap.xml" in (html / "robots.txt").read_text("utf-8")


@pytest.fixture
def named(extension, monkeypatch, tmp_path):
    """Returns what a build of a project with a remote makes of the address in its configuration."""
    monkeypatch.delenv("BOOK_URL", raising=False)
    module, project = extension("addresses"), tmp_path / "project"
    project.mkdir()
    monkeypatch.setattr(module, "ROOT", project)

    def build(remote, url="", folder=project):
        subprocess.run(["git", "-C", folder, "init", "-q"], check=True)
        if remote:
            words = ["remote", "add", "origin", remote]
            subprocess.run(["git", "-C", folder, *words], check=True)
        options = {"repository_url": url} if url else {}
        config = SimpleNamespace(html_theme_options=options, html_context={})
        module.name_addresses(None, config)
        assert config.ogp_site_url == config.html_baseurl
        return config.html_theme_options["repository_url"], config.html_baseurl

    return build


GITHUB, PAGES = "https://github.com", "https://somebody.github.io/a-fork/"
OTHERS = "https://token@github.com/a/b.git", "git@github.com:a/b.git", f"{GITHUB}.example/a/b", f"{GITHUB}/a"  # fmt: skip


@pytest.mark.parametrize(
    "remote, url, asked, expected",
    [
        *((REPOSITORY + end, f"{GITHUB}/o/n", "", (REPOSITORY, PAGES)) for end in ("", ".git", "/")),
        *((remote, "", "", ("", "")) for remote in (*OTHERS, "https://gitlab.com/a/b", "/home/a/b", None)),
        (None, REPOSITORY, "", (REPOSITORY, PAGES)),
        (None, "https://gitlab.com/o/n", "", ("https://gitlab.com/o/n", "")),
        (None, REPOSITORY, "https://book.example/", (REPOSITORY, "https://book.example/")),
        (None, REPOSITORY, "https://books.example/cae", (REPOSITORY, "https://books.example/cae/")),
        (None, REPOSITORY, " https://b.example:8443/a%20b// ", (REPOSITORY, "https://b.example:8443/a%20b/")),
        (None, f"{GITHUB}/Somebody/somebody.github.io", "", (f"{GITHUB}/Somebody/somebody.github.io", "https://somebody.github.io/")),
    ],
)  # fmt: skip
def test_a_remote_of_github_is_what_the_buttons_open_and_of_others_nothing_is_shown(
    named, monkeypatch, remote, url, asked, expected
):
    """What is configured stands in where there is no remote; `BOOK_URL` names the site."""
    monkeypatch.setenv("BOOK_URL", asked)
    assert named(remote, url) == expected


def test_a_copy_within_another_repository_does_not_take_its_remote(named, tmp_path):
    assert named(REPOSITORY, folder=tmp_path) == ("", "")


def test_without_git_nothing_is_shown(extension, monkeypatch):
    monkeypatch.setenv("PATH", "")
    module = extension("addresses")
    assert module.origin() == ""
    settings = SimpleNamespace(env=SimpleNamespace(config=SimpleNamespace(html_theme_options={})))  # fmt: skip
    inliner = SimpleNamespace(document=SimpleNamespace(settings=settings))
    ((shown,), _) = module.commit("commit", "", "abc1234", 1, inliner)
    assert (shown.tagname, shown.astext()) == ("literal", "abc1234")


@pytest.mark.parametrize("minor", [4, 5])
def test_a_notebook_that_is_offered_gets_the_package_where_it_is_missing(extension, monkeypatch, tmp_path, minor):  # fmt: skip
    path = tmp_path / "_sources" / "page.ipynb"
    path.parent.mkdir()
    cell = {"cell_type": "markdown", "metadata": {}, "source": "# A page"}
    cell |= {"id": "title"} if minor == 5 else {}
    page = {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": [cell]}
    nbformat.write(nbformat.from_dict(page), path)
    config = SimpleNamespace(html_theme_options={"repository_url": REPOSITORY})
    builder = SimpleNamespace(format="html")
    app = SimpleNamespace(config=config, outdir=tmp_path, builder=builder)
    for _ in range(2):  # a second build finds it as it is
        extension("addresses").begin_notebooks(app, None)
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert [cell.cell_type for cell in notebook.cells] == ["code", "markdown"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAE_PRESET", "full")
    code = notebook.cells[0].source
    shell, asked = InteractiveShell(), []
    shell.system = asked.append
    assert shell.run_cell(code).success  # the package is here, so nothing is fetched
    assert asked == []
    monkeypatch.delenv("CAE_PRESET")
    shell.system = lambda line: (asked.append(line), Path("cae_book").mkdir())
    shell.run_line_magic = lambda name, line, **_: asked.append(f"%{name} {line}")
    away = code.replace('"cae_keras"', '"no_such_package"')
    assert shell.run_cell(away).success
    assert asked == [
        f"git clone --quiet --depth 1 {REPOSITORY} cae_book",
        '%pip install --quiet "./cae_book[notebook]"',
    ]
    assert os.environ["CAE_PRESET"] == "quick"  # what there is is small
    monkeypatch.setattr("numpy.__version__", "1.0.2")  # and on disk there is another
    stopped = shell.run_cell(code).error_in_exec
    assert "numpy was renewed: restart the kernel" in str(stopped)

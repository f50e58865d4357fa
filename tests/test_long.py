"""Long ones, behind the marker `long`: whole studies and whole books that are killed.

`pytest -m long -s` shows the moments of the kills. All of it works on a copy of the package with a full preset that
takes seconds, and with a log of what is trained.
"""

import collections
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_tasks import gone
from test_extension import STRICT, build, command, make_book

ROOT = Path(__file__).parents[1]
KILLS = 20
PRESET = 'Preset("full", Recipe(), seeds=(0, 1, 2))'
TINY = 'Preset("full", Recipe(images=192, epochs=3), seeds=(0, 1), every=100)'
LOGGED = """

def _log_what_is_begun():
    import hashlib
    import json
    import os

    def logged(do):
        def begin(task, data):
            name = hashlib.sha256(json.dumps([task.kind, task.asked()]).encode())
            with open(os.environ["CAE_LOG"], "a") as log:
                log.write(name.hexdigest() + "\\n")
            return do(task, data)

        return begin

    for kind in (Training, Reading, Measuring):
        kind.do = logged(kind.do)


_log_what_is_begun()
"""

pytestmark = pytest.mark.long


def copy(package, folder):
    ignore = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(package, folder / "cae_keras", ignore=ignore)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A copy of the package with a tiny preset and a log."""
    folder = copy(ROOT / "cae_keras", tmp_path_factory.mktemp("project"))
    config = (folder / "config.py").read_text("utf-8")
    assert PRESET in config
    (folder / "config.py").write_text(config.replace(PRESET, TINY), "utf-8")
    with open(folder / "study" / "tasks.py", "a") as file:
        file.write(LOGGED)
    return folder


class Caller:
    """Starts commands of one package with one store, and reads what they leave."""

    def __init__(self, package, folder, **environment):
        folder.mkdir(exist_ok=True)
        self.top, self.store, self.log = package.parent, folder / "runs", folder / "log"
        paths = {"PYTHONPATH": self.top, "CAE_RUNS": self.store, "CAE_LOG": self.log}
        paths = {name: str(path) for name, path in paths.items()}
        self.environment = {**os.environ, **paths, **environment}

    def start(self, *words):
        return subprocess.Popen(
            words, cwd=self.top, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def python(self, *words):
        return self.start(sys.executable, *words)

    def result(self, process):
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        return out

    def train(self):
        """Returns the table that it prints."""
        out = self.result(self.python("-m", "cae_keras", "train"))
        return out.splitlines()[:-1]

    def rows(self):
        """Returns what the report says, without times."""
        out = self.result(self.python("-m", "cae_keras", "report", "--json"))
        rows = json.loads(out)
        for row in rows:
            del row["seconds"], row["history"]["seconds"]
        return rows

    def begun(self):
        text = self.log.read_text() if self.log.exists() else ""
        return collections.Counter(text.split())

    def kept(self):
        """Returns for each task in the store its date, its kind, and the bits of its arrays."""
        found = {}
        for path in self.store.glob("*.npz"):
            with np.load(path) as file:
                about = json.loads(str(file["about"]))
                bits = [file[f"arr_{i}"].tobytes() for i in range(len(file.files) - 1)]
            name = json.dumps([about["kind"], about["asked"]]).encode()
            entry = path.stat().st_mtime_ns, about["kind"], bits
            found[hashlib.sha256(name).hexdigest()] = entry
        return found

    def weights(self):
        kept = self.kept().items()
        return {name: bits for name, (_, kind, bits) in kept if kind != "measures"}

    def assert_keeps(self, finished):
        """Holds that nothing of what was finished is done again; returns what is finished now."""
        now, begun = self.kept(), self.begun()
        for name, (date, count) in finished.items():
            assert (now[name][0], begun[name]) == (date, count), "done again"
        return {name: (date, begun[name]) for name, (date, *_) in now.items()}


@pytest.fixture(scope="session")
def reference(package, tmp_path_factory):
    """The study from nothing, by one worker."""
    caller = Caller(package, tmp_path_factory.mktemp("one"), CAE_WORKERS="1")
    start = time.monotonic()
    caller.table = caller.train()
    caller.seconds = time.monotonic() - start
    assert len(caller.weights()) == 21
    assert set(caller.begun().values()) == {1}
    return caller


def assert_like(caller, reference):
    assert caller.train() == reference.table
    assert caller.weights() == reference.weights()
    assert caller.rows() == reference.rows()


def children(pid):
    """Returns the processes below one."""
    ps = ["ps", "-eo", "pid=,ppid="]
    found = subprocess.run(ps, capture_output=True, text=True, check=True).stdout
    pairs, below = [list(map(int, line.split())) for line in found.splitlines()], {pid}
    for _ in range(4):
        below |= {child for child, parent in pairs if parent in below}
    return below - {pid}


def kill_at(process, seconds, worker=None):
    """Kills it so many seconds after its start, or after a `Caller`'s first work, unless it has ended."""
    before = worker and worker.begun()
    while worker and process.poll() is None and worker.begun() == before:
        time.sleep(0.01)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    below = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert gone(below, 30)


def moments(start, end, of_work):
    """Returns when to kill: half of the moments counted from the start, half from the first work."""
    share = np.random.default_rng(9).uniform(size=(2, KILLS // 2))
    early, late = start + share[0] * (end - start), share[1] * of_work
    return [*((m, False) for m in early), *((m, True) for m in late)]


def test_training_that_is_killed_at_any_moment_goes_on(package, reference, tmp_path):
    caller = Caller(package, tmp_path, CAE_WORKERS="2")
    start = time.monotonic()
    reference.train()
    start = time.monotonic() - start  # what it takes with nothing to do
    whole, finished, ended = reference.seconds, {}, 0
    for moment, of_work in moments(0.2 * start, start + whole / 3, whole / 5):
        process = caller.python("-m", "cae_keras", "train")
        kill_at(process, moment, caller if of_work else None)
        finished = caller.assert_keeps(finished)
        print(f"SIGKILL after {moment:5.2f} s: {len(finished)} of 41 kept")
        ended += len(finished) == 41
    assert ended < KILLS / 2, "too late to meet any work"
    assert_like(caller, reference)
    assert not list(caller.store.glob("*.damaged"))
    assert not list(caller.store.glob("*.part"))


# Books


RUNNING = """---
jupytext: {{text_representation: {{extension: .md, format_name: myst}}}}
kernelspec: {{name: python3, display_name: Python 3}}
---
# {name}

```{{code-cell}} ipython3
import cae_keras as cae
from cae_keras import figures
from myst_nb import glue

data = cae.load_mnist()
runs = cae.run({asked}, data=data)
results = cae.measure(runs, data)
{{name: {{what: list(v) for what, v in found.items() if what != "seconds"}} for name, found in results.items()}}
```

```{{code-cell}} ipython3
glue("bce", float(results["baseline"]["bce"].mean()), display=False)
print(cae.differences(results))
figures.loss_curves({{name: [run.history for run in several] for name, several in runs.items()}}, cae.bce_floor(data.x_val))
```

It is {{glue:text}}`bce:.6f`.
"""
ASKED = {
    "index": '"filters", "batch_norm"', "width": '"filters"', "norm": '"batch_norm"',
}  # fmt: skip


@pytest.fixture
def book(tmp_path, package):
    """A book with three pages that train and read a part of the study, and three of text."""
    texts = {name: f"# {name}\n\nText.\n" for name in ("one", "two", "three")}
    running = {name: RUNNING.format(name=name, asked=ASKED[name]) for name in ASKED}
    folder = make_book(tmp_path / "book", **running, **texts)
    shutil.rmtree(folder / "cae_keras")
    copy(package, folder)
    return folder


def pages(folder):
    """Returns what each built page says and which figures it shows, which are named by their content."""
    found = {}
    for path in sorted((folder / "_build" / "html").glob("*.html")):
        text = path.read_text("utf-8")
        assert text.rstrip().endswith("</html>"), path
        figures = re.findall(r'<img[^>]* src="([^"]*)"', text)
        assert all((path.parent / source).stat().st_size for source in figures)
        found[path.name] = text
    assert "_images/" in found["width.html"]
    return found


def test_a_book_that_is_killed_at_any_moment_ends_with_the_same_numbers(book, tmp_path):
    """While it trains, executes, writes and renders; the first one from nothing by one worker.

    Half of the kills fall anywhere between its start and its end; the other half is counted from the first work of
    a build, and a study that is whole makes room for another.
    """
    caller = Caller(book / "cae_keras", tmp_path / "killed", CAE_PRESET="full")
    log = {"CAE_LOG": str(caller.log), "preset": "full"}
    other, start = tmp_path / "other", time.monotonic()
    done = build(book, *STRICT, CAE_RUNS=str(other), CAE_WORKERS="1", **log)
    assert done.returncode == 0, done.said
    whole, expected = time.monotonic() - start, pages(book)
    dates = [path.stat().st_mtime for path in other.glob("*.npz")]
    working, finished, cut_short = (max(dates) - min(dates)) / 2, {}, 0
    shutil.rmtree(book / "_build")
    caller.log.unlink()
    for moment, of_work in moments(1, whole, working):
        if of_work and len(finished) == len(dates):
            shutil.rmtree(caller.store)
            shutil.rmtree(book / "_build", ignore_errors=True)
            caller.log.unlink()
            finished = {}
        process = caller.start(*command())
        kill_at(process, moment, caller if of_work else None)
        finished = caller.assert_keeps(finished)
        print(f"SIGKILL after {moment:5.2f} s: {len(finished)} of {len(dates)} kept")
        cut_short += len(finished) < len(dates)
        if process.returncode == 0:
            shutil.rmtree(book / "_build")  # or the next one would have nothing to do
    assert cut_short >= 3, "too late to meet any training"
    done = build(book, *STRICT, CAE_RUNS=str(caller.store), **log)
    assert done.returncode == 0, done.said
    assert pages(book) == expected

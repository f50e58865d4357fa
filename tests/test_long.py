"""Long ones, behind the marker `long`: whole studies and whole books that are killed, built twice, or made of changed code.

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
from test_extension import build, small_book  # noqa: F401

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


def replace(path, old, new):
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} has no {old!r} any more: choose another change"
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A copy of the package with a tiny preset and a log."""
    folder = tmp_path_factory.mktemp("project") / "cae_keras"
    shutil.copytree(
        ROOT / "cae_keras", folder, ignore=shutil.ignore_patterns("__pycache__")
    )
    replace(folder / "config.py", PRESET, TINY)
    (folder / "tasks.py").write_text(
        (folder / "tasks.py").read_text("utf-8") + LOGGED, "utf-8"
    )
    return folder.parent


class Caller:
    """Starts commands of one package with one store, and reads what they leave."""

    def __init__(self, package, folder, **environment):
        folder.mkdir(exist_ok=True)
        self.package, self.folder, self.store, self.log = (
            package,
            folder,
            folder / "runs",
            folder / "log",
        )
        paths = {
            "PYTHONPATH": str(package),
            "CAE_RUNS": str(self.store),
            "CAE_LOG": str(self.log),
        }
        self.environment = {**os.environ, **paths, **environment}

    def start(self, *arguments, before=()):
        command = [*before, sys.executable, *arguments]
        return subprocess.Popen(
            command, cwd=self.package, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def result(self, process):
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        return out

    def train(self, before=()):
        """Returns the table that it prints."""
        out = self.result(self.start("-m", "cae_keras", "train", before=before))
        return out.splitlines()[:-1]

    def rows(self):
        """Returns what the report says, without times."""
        rows = json.loads(
            self.result(self.start("-m", "cae_keras", "report", "--json"))
        )
        for row in rows:
            del row["seconds"], row["history"]["seconds"]
        return rows

    def begun(self):
        return (
            collections.Counter(self.log.read_text().split())
            if self.log.exists()
            else collections.Counter()
        )

    def kept(self):
        """Returns for each task in the store its date, and the bits of its arrays."""
        found = {}
        for path in self.store.glob("*.npz"):
            with np.load(path) as file:
                about = json.loads(str(file["about"]))
                name = hashlib.sha256(
                    json.dumps([about["kind"], about["asked"]]).encode()
                ).hexdigest()
                bits = [file[f"arr_{i}"].tobytes() for i in range(len(file.files) - 1)]
                found[name] = path.stat().st_mtime_ns, about["kind"], bits
        return found

    def weights(self):
        return {
            name: bits
            for name, (_, kind, bits) in self.kept().items()
            if kind != "measures"
        }


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


def is_like(caller, reference):
    assert caller.weights() == reference.weights()
    assert caller.rows() == reference.rows()
    assert caller.train() == reference.table


@pytest.mark.parametrize(
    "workers, before",
    [("2", ()), ("2", ("taskset", "-c", "0")), ("1", ("taskset", "-c", "0"))],
)
def test_workers_and_cores_change_no_number(
    package, reference, tmp_path, workers, before
):
    caller = Caller(package, tmp_path, CAE_WORKERS=workers)
    assert caller.train(before) == reference.table
    is_like(caller, reference)


def test_two_at_once_train_nothing_twice(package, reference, tmp_path):
    caller = Caller(package, tmp_path, CAE_WORKERS="1")
    both = [caller.start("-m", "cae_keras", "train") for _ in range(2)]
    for process in both:
        assert caller.result(process).splitlines()[:-1] == reference.table
    assert len(caller.begun()) == len(caller.kept()) == 41
    assert set(caller.begun().values()) == {1}
    is_like(caller, reference)


def children(pid):
    """Returns the processes below one."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    below = {pid}
    for _ in range(4):
        below |= {
            int(line.split()[0])
            for line in found.splitlines()
            if int(line.split()[1]) in below
        }
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


def test_training_that_is_killed_at_any_moment_goes_on(package, reference, tmp_path):
    caller, rng = Caller(package, tmp_path, CAE_WORKERS="2"), np.random.default_rng(9)
    start = time.monotonic()
    reference.train()
    start = time.monotonic() - start  # what it takes with nothing to do
    finished, ended = {}, 0
    moments = np.concatenate([
        rng.uniform(0.2 * start, start + reference.seconds / 3, KILLS // 2),
        rng.uniform(0, reference.seconds / 5, KILLS // 2),  # after it began to work
    ])  # fmt: skip
    for at, moment in enumerate(moments):
        process = caller.start("-m", "cae_keras", "train")
        kill_at(process, moment, caller if at >= KILLS // 2 else None)
        now, begun = caller.kept(), caller.begun()
        print(
            f"SIGKILL after {moment:5.2f} s: {len(now)} of 41 kept, {sum(begun.values())} begun"
        )
        for name, (date, count) in finished.items():
            assert (now[name][0], begun[name]) == (date, count), (
                "finished, and done again"
            )
        finished = {name: (date, begun[name]) for name, (date, *_) in now.items()}
        ended += len(now) == 41
    assert ended < KILLS / 2, "too late to meet any work"
    is_like(caller, reference)
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
from cae_keras import figures as plots
from myst_nb import glue

data = cae.load_mnist()
runs = cae.run({asked}, data=data)
results = cae.measure(runs, data)
{{name: {{what: list(v) for what, v in found.items() if what != "seconds"}} for name, found in results.items()}}
```

```{{code-cell}} ipython3
glue("bce", float(results["baseline"]["bce"].mean()), display=False)
print(cae.effects(results))
plots.loss_curves({{name: [run.history for run in several] for name, several in runs.items()}}, cae.bce_floor(data.x_val))
```

It is {{glue:text}}`bce:.6f`.
"""
ASKED = {
    "index": '"filters", "batch_norm"',
    "width": '"filters"',
    "norm": '"batch_norm"',
}


@pytest.fixture
def book(small_book, package):  # noqa: F811
    """A book with three pages that train and read a part of the study, and three of text."""
    shutil.rmtree(small_book / "cae_keras")
    shutil.copytree(package / "cae_keras", small_book / "cae_keras")
    names = [*ASKED, "one", "two", "three"]
    contents = "format: jb-book\nroot: index\nchapters:\n" + "".join(
        f"  - file: {name}\n" for name in names[1:]
    )
    for folder in (small_book, small_book / "book"):
        (folder / "_toc.yml").write_text(contents)
    for name in names:
        text = (
            RUNNING.format(name=name, asked=ASKED[name])
            if name in ASKED
            else f"# {name}\n\nText.\n"
        )
        (small_book / "book" / f"{name}.md").write_text(text)
    return small_book


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
    """While it trains, executes, writes and renders; the first one from nothing by one worker on one core.

    Half of the kills are counted from the first work of a build, and a study that is whole makes room for another;
    the other half falls anywhere between its start and its end.
    """
    settings = {"CAE_LOG": str(tmp_path / "log"), "preset": "full"}
    start = time.monotonic()
    done = build(
        book,
        "-n",
        "-W",
        "--keep-going",
        CAE_RUNS=str(tmp_path / "other"),
        CAE_WORKERS="1",
        **settings,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    whole, expected = time.monotonic() - start, pages(book)
    dates = [path.stat().st_mtime for path in (tmp_path / "other").glob("*.npz")]
    shutil.rmtree(book / "_build")
    (tmp_path / "log").unlink()
    caller = Caller(book, tmp_path, CAE_PRESET="full")
    caller.store, finished = tmp_path / "runs", {}
    environment = {
        **os.environ,
        "CAE_PRESET": "full",
        "CAE_LOG": settings["CAE_LOG"],
        "CAE_RUNS": str(caller.store),
    }
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "book"]
    rng, cut_short = np.random.default_rng(9), 0
    moments = np.concatenate([
        rng.uniform(0, (max(dates) - min(dates)) / 2, KILLS // 2),
        rng.uniform(1, whole, KILLS // 2),
    ])  # fmt: skip
    for at, moment in enumerate(moments):
        if at < KILLS // 2 and len(finished) == len(dates):
            shutil.rmtree(caller.store)
            shutil.rmtree(book / "_build")
            (tmp_path / "log").unlink()
            finished = {}
        process = subprocess.Popen(
            command,
            cwd=book,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        kill_at(process, moment, caller if at < KILLS // 2 else None)
        now, begun = caller.kept(), caller.begun()
        cut_short += len(now) < len(dates)
        print(
            f"SIGKILL after {moment:5.2f} s: {len(now)} of {len(dates)} kept, {sum(begun.values())} begun, status {process.returncode}"
        )
        for name, (date, count) in finished.items():
            assert (now[name][0], begun[name]) == (date, count), (
                "finished, and done again"
            )
        finished = {name: (date, begun[name]) for name, (date, *_) in now.items()}
        if process.returncode == 0:
            shutil.rmtree(book / "_build")  # or the next one would have nothing to do
    assert cut_short >= 3, "too late to meet any training"
    done = build(
        book, "-n", "-W", "--keep-going", CAE_RUNS=str(caller.store), **settings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pages(book) == expected


def test_a_build_on_a_full_disk_fails_and_the_next_one_is_whole(small_book):  # noqa: F811
    folder = small_book / "_build"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no disk of its own can be mounted: {done.stderr.strip()}")

    mount("size=1m")
    try:
        done = build(small_book)
        assert done.returncode != 0
        assert "No space left on device" in done.stdout + done.stderr
        mount("remount,size=99m")
        done = build(small_book, "-n", "-W", "--keep-going")
        assert done.returncode == 0, done.stdout + done.stderr
        page = (folder / "html" / "index.html").read_text("utf-8")
        assert page.rstrip().endswith("</html>")
        assert 'alt="an empty figure, quick"' in page
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# Stale


NUMBERS = """
import hashlib, io, json
import cae_keras as cae
from cae_keras import figures as plots

def bits(*arrays):
    return hashlib.sha256(b"".join(map(bytes, arrays))).hexdigest()

data = cae.load_mnist()
configs = {"baseline": cae.CAEConfig((2, 3), 2), "norm": cae.CAEConfig((2, 3), 2, True, "leaky_relu")}
runs = cae.run(configs, data=data)
results = cae.measure(runs, data)
histories = {name: [run.history for run in several] for name, several in runs.items()}
png = io.BytesIO()
plots.loss_curves(histories, cae.bce_floor(data.x_val)).savefig(png, format="png")
found = {what: list(values) for what, values in results["norm"].items()}
found |= {
    "weights": [bits(*run.weights) for several in runs.values() for run in several],
    "rate": [run.history["learning_rate"] for run in runs["norm"]],
    "val_loss": [run.history["val_loss"] for run in runs["norm"]],
    "statistic": repr(cae.effects(results)["norm"]),
    "plot": bits(png.getvalue()),
    "reader": bits(*cae.load_or_train_reader(data=data).weights),
}
print(json.dumps(found))
"""
CHANGES = [  # what decides numbers, where, its text, another text, and which number is another then
    ("optimiser", "fit.py", "** (done + 1)", "** (done + 2)", "weights"),
    ("schedule", "fit.py", "1 + 24 * step", "1 + 23 * step", "weights"),
    ("loss", "fit.py", "p = y_pred.clamp(EPSILON, 1 - EPSILON)", "p = y_pred.clamp(0.01, 0.99)", "weights"),
    ("layers", "layers.py", "variance + self.epsilon)", "variance + 0.01)", "weights"),
    ("seed", "training.py", "set_random_seed(int(seed))", "set_random_seed(int(seed) + 1)", "weights"),
    ("models", "models.py", "LeakyReLU(config.negative_slope", "LeakyReLU(0.3", "weights"),
    ("preset", "config.py", "images=192", "images=191", "weights"),
    ("images", "images.py", "np.float32(255)", "np.float32(256)", "weights"),
    ("split", "data.py", "VALIDATION = 5_000", "VALIDATION = 4_999", "val_loss"),
    ("metric", "metrics.py", "-10 * np.log10", "-11 * np.log10", "psnr"),
    ("smoothness", "smoothness.py", "n=2) ** 2", "n=1) ** 2", "roughness"),
    ("cost", "cost.py", "get_total_flops() // 2", "get_total_flops() // 3", "macs"),
    ("reader", "reader.py", "CLASSES = 10", "CLASSES = 11", "reader"),
    ("reconstruction", "runs.py", "return self.decode(self.encode(images))", "return self.decode(0.9 * self.encode(images))", "bce"),
    ("what is measured", "tasks.py", 'sharpness(x_test, x_hat)', 'sharpness(x_test, 0.5 * x_hat)', "sharpness"),
    ("statistic", "statistics.py", "(1 + level) / 2", "(1 + level) / 2.1", "statistic"),
    ("plot", "figure.py", '"lines.linewidth": 1.8', '"lines.linewidth": 2.8', "plot"),
]  # fmt: skip


@pytest.fixture(scope="session")
def unchanged(package, tmp_path_factory):
    caller = Caller(package, tmp_path_factory.mktemp("unchanged"), CAE_WORKERS="1")
    return caller, json.loads(caller.result(caller.start("-c", NUMBERS)))


@pytest.mark.parametrize(
    "file, old, new, number",
    [row[1:] for row in CHANGES],
    ids=[row[0] for row in CHANGES],
)
def test_no_number_survives_a_change_of_what_decides_it(
    package, unchanged, tmp_path, file, old, new, number
):
    """With the store at hand in which the old numbers are."""
    caller, before = unchanged
    shutil.copytree(
        package, tmp_path / "changed", ignore=shutil.ignore_patterns("__pycache__")
    )
    replace(tmp_path / "changed" / "cae_keras" / file, old, new)
    shutil.copytree(caller.store, tmp_path / "runs")
    changed = Caller(tmp_path / "changed", tmp_path, CAE_WORKERS="1")
    after = json.loads(changed.result(changed.start("-c", NUMBERS)))
    assert after[number] != before[number]


def test_another_kernel_rule_fits_no_side_and_is_an_error(package, unchanged, tmp_path):
    """No number is printed, though the store has the old one."""
    caller, _ = unchanged
    shutil.copytree(
        package, tmp_path / "changed", ignore=shutil.ignore_patterns("__pycache__")
    )
    replace(
        tmp_path / "changed" / "cae_keras" / "models.py",
        "return 4 if side % 2 == 0 else 3",
        "return 3",
    )
    shutil.copytree(caller.store, tmp_path / "runs")
    process = Caller(tmp_path / "changed", tmp_path, CAE_WORKERS="1").start(
        "-c", NUMBERS
    )
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (1, "")
    assert "Error" in err.splitlines()[-1]


def test_with_nothing_changed_every_number_comes_from_the_store(unchanged):
    caller, before = unchanged
    begun = caller.begun()
    assert json.loads(caller.result(caller.start("-c", NUMBERS))) == before
    assert caller.begun() == begun

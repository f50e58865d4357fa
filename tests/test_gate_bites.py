"""Deliberate faults, each in a copy of the project: what of the gate catches them?

Each long test runs one part of the gate in the copy, which passes; makes a fault; and runs it
again, which must fail. `python -m pytest -m long tests/test_gate_bites.py`.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns("_build", ".runs", ".git", "__pycache__", ".*_cache")
PAGE = "book/experiment_1_filters.md"
SLOPE = "The slope over all three is {glue:text}`slope`"


class Fault(NamedTuple):
    """A fault, and the part of the gate that catches it."""

    name: str
    file: str
    before: str  # "" stands for the end of the file
    after: str
    caught_by: str  # what pytest is asked; or "links", the build without execution


FAULTS = [
    Fault("a wrong padding: two pixels on one side", "cae_keras/fast.py",
          "functional.conv2d(x, kernel, bias, stride=2, padding=1)",
          "functional.conv2d(functional.pad(x, (2, 0, 2, 0)), kernel, bias, stride=2)",
          "tests/test_fast.py"),
    Fault("a wrong padding: of the convolution back", "cae_keras/fast.py",
          "stride=2, padding=1)\n    return x.movedim(1, -1)",
          "stride=2)[..., 2:, 2:]\n    return x.movedim(1, -1)",
          "tests/test_fast.py"),
    Fault("a shifted split: the first images validate", "cae_keras/data.py",
          "slice(None, -VALIDATION), slice(-VALIDATION, None, every)",
          "slice(VALIDATION, None), slice(None, VALIDATION, every)",
          "tests/test_data.py -k TestContent"),
    Fault("a shifted split: one image trains and validates", "cae_keras/data.py",
          "slice(None, -VALIDATION), ", "slice(None, -VALIDATION + 1), ",
          "tests/test_data.py -k TestContent"),
    Fault("test-set peeking: training watches it", "cae_keras/training.py",
          'to_float(data.x_val, "x_val")', 'to_float(data.x_test, "x_val")',
          "tests/test_training.py -k TestWhatIsLookedAt"),
    Fault("test-set peeking: the reader watches it", "cae_keras/measurements/reader.py",
          "(x_val, data.y_val)", "(to_float(data.x_test), data.y_test)",
          "tests/test_reader.py"),
    Fault("test-set peeking: the search chooses by it", "cae_keras/__main__.py",
          '_show(runs, mnist, "validation")', '_show(runs, mnist, "test")',
          "tests/test_command_line.py -k search"),
    Fault("test-set peeking: the floor is laid by it", "cae_keras/__main__.py",
          "mnist.x_val, configs", "mnist.x_test, configs",
          "tests/test_command_line.py -k search"),
    Fault("a claim's rule inverted", "cae_keras/compare/claims.py",
          'changed("excess_bce", "three blocks", low=-5, high=0)',
          'changed("excess_bce", "three blocks", low=0, high=5)',
          "tests/test_claims.py"),
    Fault("verdicts inverted", "cae_keras/compare/statistics.py",
          "return FAILS if found.high <= low or", "return HOLDS if found.high <= low or",
          "tests/test_statistics.py"),
    Fault("a number typed in place of a glued one", PAGE,
          SLOPE, "The slope over all three is 0.21",
          "tests/test_book.py -k experiment_1"),
    Fault("a number typed in a new sentence", PAGE,
          SLOPE, f"The baseline's BCE is 0.0706. {SLOPE}",
          "tests/test_book.py -k experiment_1"),
    Fault("a percentage typed in a new sentence", PAGE,
          SLOPE, f"It gains 7.3 %. {SLOPE}",
          "tests/test_book.py -k experiment_1"),
    Fault("a missing alt text: of an image in a page", PAGE,
          SLOPE, f"![](_static/card.png)\n\n{SLOPE}",
          "tests/test_book.py -k experiment_1"),
    Fault("a missing alt text: of every figure", "cae_keras/figures/style.py",
          '"image/png": {"alt": self.alt}', '"image/png": {}',
          "tests/test_figures.py -k shows_itself"),
    Fault("a page not in the toc", "book/extra.md", "", "# An extra page\n",
          "tests/test_book.py -k tables_of_contents"),
    Fault("an import that runs back", "cae_keras/metrics.py",
          "", "\n\ndef later():\n    from cae_keras import study\n\n    return study\n",
          "tests/test_imports.py"),
    Fault("a lab weight transposed: in the page's data", "cae_keras/deploy/embed.py",
          "half(weight).ravel()", "half(weight).T.ravel()",
          "tests/test_lab.py -k TestEmbedding"),
    Fault("a lab weight transposed: in the browser", "book/_static/network.js",
          "other[start + c * filters + f] = kernel[start + f * channels + c]",
          "other[start + f * channels + c] = kernel[start + f * channels + c]",
          "tests/test_lab.py -k TestNetwork"),
    Fault("a network that trains to a wrong quality", "cae_keras/training.py",
          "(1 + math.cos(math.pi * share)) / 2", "(1 + math.cos(math.pi * share)) / 20",
          "tests/test_quality.py"),
    Fault("a layer that is not Keras' own", "cae_keras/models.py",
          'layers.Flatten(name="flatten")', 'type("Own", (layers.Flatten,), {})(name="flatten")',
          "tests/test_models.py"),
    Fault("source on a page that is not there", "book/experiment_2_latent_dim.md",
          ":object: quantise\n", ":object: quantize\n", "tests/test_book.py -k experiment_2"),
    Fault("a broken link: to a page", "book/glossary.md",
          "[MNIST](mnist) |", "[MNIST](minst) |", "links"),
    Fault("a broken link: to a figure", "book/glossary.md",
          "[MNIST](mnist) |", "{numref}`fig-nowhere` |", "links"),
    Fault("a source that is not in the bibliography", "book/glossary.md",
          "[MNIST](mnist) |", "{cite:p}`nobody2026` |", "links"),
]  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=LEFT_OUT)
    return folder


def run(copy, *command):
    settings = {"PYTHONPATH": str(copy), "CAE_RUNS": str(copy / ".runs")}
    if "tests/test_quality.py" in command:  # it trains what it looks at
        settings["CAE_BUILT"] = "quick"
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=os.environ | settings,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def links(copy):
    """Returns the warnings of a build without execution; `-W` makes each an error.

    Those of numbers that are not glued, since nothing was executed, are left out.
    """
    shutil.rmtree(copy / "_build", ignore_errors=True)
    programs = Path(sys.executable).parent
    quiet = {"cwd": copy, "capture_output": True, "text": True}
    subprocess.run(
        [programs / "jupyter-book", "config", "sphinx", "book"], check=True, **quiet
    )
    conf = (copy / "conf.py").rename(copy / "book" / "conf.py")
    options = ["-n", "-q", "-D", "nb_execution_mode=off"]
    done = subprocess.run(
        [programs / "sphinx-build", *options, "book", "_build/links"],
        check=True, env=os.environ | {"PYTHONPATH": str(copy / "book" / "_ext")}, **quiet,
    )  # fmt: skip
    conf.unlink()
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    lines = [line for line in plain.splitlines() if "WARNING" in line or "ERROR" in line]  # fmt: skip
    return [line for line in lines if "glossary.md" in line]


def what_fails(copy, caught_by):
    """Returns the tests that fail, or the warnings of the build."""
    if caught_by == "links":
        return links(copy)
    done = run(copy, "pytest", "-p", "no:cacheprovider", "--tb=line", *caught_by.split())  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout + " passed" * done.returncode, "no test was run"
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)


sound = cache(what_fails)  # asked without a fault, of which nothing may fail


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_still_be_made(fault):
    """Whoever changes such a line finds its fault a new place."""
    path = ROOT / fault.file
    if fault.before:
        assert path.read_text("utf-8").count(fault.before) == 1


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_caught(copy, fault):
    assert sound(copy, fault.caught_by) == []
    path = copy / fault.file
    text = path.read_text("utf-8") if path.exists() else None
    faulty = text.replace(fault.before, fault.after) if fault.before else (text or "") + fault.after  # fmt: skip
    path.write_text(faulty, "utf-8")
    try:
        caught = what_fails(copy, fault.caught_by)
    finally:
        path.unlink() if text is None else path.write_text(text, "utf-8")
    print(f"\n{fault.name}: {', '.join(caught[:3]) or 'NOT CAUGHT'}")
    assert caught


@pytest.mark.parametrize("left", ["kept", "new"])
def test_a_gate_that_leaves_a_changed_or_untracked_file_fails_by_name(tmp_path, left):
    def git(*words):
        who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True)

    def ends():
        command = ["bash", tmp_path / ".ci" / "clean"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "kept").write_text("as it was")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    assert ends().returncode == 0
    (tmp_path / left).write_text("something else")
    done = ends()
    assert done.returncode == 1
    assert f" {left}\n" in done.stdout
    last = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-2:]
    assert last == ["bash .ci/clean", 'step "done"']

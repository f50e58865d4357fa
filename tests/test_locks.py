"""What is installed: the package's ranges, the pins within them, the locks; and that it can be had on every system.

The locks hold what `requirements.txt` and Binder ask for: the same versions, each with its hashes.
"""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.M | re.S)
LOCKS = ("requirements.lock", ".binder/requirements.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SYSTEMS = {  # what the README promises, as uv names it
    "Linux": "x86_64-manylinux_2_28",
    "Windows": "x86_64-pc-windows-msvc",
    "macOS on Apple silicon": "aarch64-apple-darwin",
}
ONLY_AS_SOURCE = "promise"  # in Python alone, so that it can be built anywhere


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file):
    """Returns the versions of each package, and what follows them."""
    found = {}
    for name, version, rest in PIN.findall((ROOT / file).read_text("utf-8")):
        found.setdefault(normal(name), {})[version] = rest
    return found


@pytest.mark.parametrize(
    "asked, lock",
    [
        ("requirements.txt", "requirements.lock"),
        ("requirements.lock", ".binder/requirements.txt"),
        (".binder/requirements.in", ".binder/requirements.txt"),
    ],
)
def test_a_lock_has_every_version_that_is_asked_for(asked, lock):
    wanted, locked = pins(asked), pins(lock)
    wanted.pop("torch", None)  # its builds come from more than one place
    assert wanted
    assert {name: list(locked.get(name, {})) for name in wanted} == {
        name: list(versions) for name, versions in wanted.items()
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_for_all_and_neither_torch_nor_cuda(lock):
    locked = pins(lock)
    assert len(locked) > 100
    for name, versions in locked.items():
        assert not re.match(r"torch$|triton$|nvidia-|cuda-", name)
        assert all("--hash=sha256:" in rest for rest in versions.values()), name


def test_the_package_names_what_is_pinned_and_no_pin_is_out_of_its_range():
    groups = {
        key: PROJECT["optional-dependencies"][key]
        for key in ("notebook", "book", "tests")
    }
    asked = [
        Requirement(line)
        for lines in (PROJECT["dependencies"], *groups.values())
        for line in lines
    ]
    ranges = {
        normal(each.name): each.specifier for each in asked if each.name != "cae-keras"
    }
    pinned = {
        name: next(iter(versions))
        for name, versions in pins("requirements.txt").items()
    }
    assert ranges.keys() == pinned.keys()
    assert [name for name in ranges if pinned[name] not in ranges[name]] == []


def test_the_package_depends_on_what_it_imports_and_on_nothing_else():
    """Ray is a group of its own, protobuf (google) part of onnx; TFDS needs `importlib_resources`, and does not say so everywhere."""
    found = set()
    for path in (ROOT / "cae_keras").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
    others = found - sys.stdlib_module_names - {"cae_keras", "ray", "google"}
    known_as = {"pillow": "PIL", "scikit-image": "skimage"}
    asked = {Requirement(line).name for line in PROJECT["dependencies"]}
    named = {known_as.get(name, name.replace("-", "_")) for name in asked}
    assert others == named - {"importlib_resources"}


@pytest.mark.long
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_all_can_be_had_on_every_system_that_is_promised(system, python, tmp_path):
    """Resolved as if there, all that is pinned and what that needs, from wheels."""
    (tmp_path / "pins.txt").write_text(
        (ROOT / "requirements.txt").read_text("utf-8").replace("\n-e .", "")
    )
    command = [
        find_uv_bin(), "pip", "compile", "--no-config", "--quiet", "pins.txt",
        "--only-binary", ":all:", "--no-binary", ONLY_AS_SOURCE,
        "--python-platform", SYSTEMS[system], "--python-version", python,
    ]  # fmt: skip
    oldest = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # of torch's wheels
    found = subprocess.run(command, cwd=tmp_path, env=os.environ | oldest, capture_output=True, text=True)  # fmt: skip
    if re.search("error sending request|Failed to fetch|dns error", found.stderr):
        pytest.skip(f"no registry is reached: {found.stderr[:200]}")
    assert found.returncode == 0, found.stderr
    assert "torch==" in found.stdout


@pytest.mark.skipif(not list(distributions(name="cae-keras")), reason="not installed")
def test_a_page_opened_in_an_editor_finds_the_package():
    """Its kernel starts in `book/`, and nobody has set a path."""
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = "import importlib.util as u; print(u.find_spec('cae_keras').origin)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "book", env=settings, capture_output=True, text=True
    )  # fmt: skip
    assert found.stdout.strip().endswith("__init__.py"), found.stderr


@pytest.mark.long
def test_the_package_is_installed_without_the_book_and_keeps_runs_where_it_is_used(tmp_path):  # fmt: skip
    site, used = tmp_path / "site", tmp_path / "used"
    used.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    installed = subprocess.run([*pip, site, ROOT], capture_output=True, text=True)
    if "No matching distribution found for hatchling" in installed.stderr:
        pytest.skip("no registry is reached")
    assert installed.returncode == 0, installed.stderr
    names = {path.name for path in site.iterdir()}
    assert names == {"cae_keras", f"cae_keras-{PROJECT['version']}.dist-info"}
    code = "import cae_keras as c; from cae_keras.study.store import Store; c.load_mnist(); print(c.__file__, Store().folder)"
    settings = {key: value for key, value in os.environ.items() if key != "CAE_RUNS"}
    settings |= {"PYTHONPATH": str(site), "TFDS_DATA_DIR": str(tmp_path / "tfds")}
    found = subprocess.run([sys.executable, "-c", code], cwd=used, env=settings, capture_output=True, text=True)  # fmt: skip
    assert found.stdout.split() == [
        str(site / "cae_keras" / "__init__.py"),
        str(used / ".runs"),
    ], found.stderr


def test_one_version_everywhere():
    cited = re.search(
        r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.M
    )
    assert cited[1] == PROJECT["version"]

"""What the tests share: MNIST, a small part of it, and an environment that decides nothing by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from cae_keras import fit_pca, load_mnist
from cae_keras.data import Mnist

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = [  # Chromium itself asks nobody for updates; a container has no sandbox and no GPU
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOW = "no browser: pip install playwright, and apt-get install chromium (or set CAE_CHROMIUM to its path)"


@pytest.fixture(scope="session", autouse=True)
def store_of_the_tests(tmp_path_factory):
    """No test writes into the store of the project, nor does a fixture of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAE_RUNS", str(tmp_path_factory.mktemp("shared") / "runs"))
        patch.delenv("CAE_PRESET", raising=False)  # `load_mnist` follows it
        yield


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    """Takes away what the caller may have set for a build; each test has a store and a folder of its own."""
    for name in ("PRESET", "SEEDS", "PROGRESS", "WORKERS", "BACKEND"):
        monkeypatch.delenv(f"CAE_{name}", raising=False)
    monkeypatch.setenv("CAE_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)  # so that no stray file lands in the project
    # or a test that imports it would make bars of those after it show themselves
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """No test reaches the network, nor does a thread of TFDS that outlives its test and would retry for minutes."""

    def get(*_, **__):
        raise requests.ConnectionError("the network is down")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "get", get)
        yield


@pytest.fixture(scope="session")
def mnist():
    return load_mnist()


@pytest.fixture(scope="session")
def tiny(mnist):
    """A few hundred real images: enough to train on in a second."""
    return Mnist(
        mnist.x_train[:300], mnist.y_train[:300], mnist.x_val[:130], mnist.y_val[:130],
        mnist.x_test[:50], mnist.y_test[:50],
    )  # fmt: skip


@pytest.fixture(scope="session")
def training_file(mnist):
    """All 60,000 images of the training file, as the published figures use them."""
    return np.concatenate([mnist.x_train, mnist.x_val])


@pytest.fixture(scope="session")
def pca(training_file):
    return fit_pca(training_file)


@pytest.fixture(scope="session")
def start_python():
    """Starts a script in a Python process of its own, with the package on its path."""

    def start(script, *arguments, before_all="", **environment):
        path = os.pathsep.join([str(before_all), str(ROOT)]).lstrip(os.pathsep)
        return subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)], env={**os.environ, "PYTHONPATH": path, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


@pytest.fixture(scope="module")
def browser():
    """Chromium. The gate, which has built the book, fails without one; elsewhere its tests are skipped."""
    missing = pytest.fail if os.environ.get("CAE_BUILT") else pytest.skip
    asked = os.environ.get("CAE_CHROMIUM")
    found = next(filter(None, map(shutil.which, [asked] if asked else BROWSERS)), None)
    if asked and not found:
        pytest.fail(f"CAE_CHROMIUM={asked!r}: it must be the path of a browser")
    if not found:
        missing(HOW)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing(HOW)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield started
        started.close()

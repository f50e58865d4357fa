"""What Binder does, done here: PYTHONPATH=. python tests/rehearse_binder.py [page] [environment].

Makes an environment from `.binder` alone (or takes one), starts JupyterLab in it as
`.binder/start` does, with 2 GB of memory if this machine lets us set a limit (cgroups
version 1, as root), opens the page in Chromium as its launch button does, runs all cells,
and tells time and memory. It is run by hand: it takes minutes.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import nullcontext
from pathlib import Path

from conftest import BROWSERS, QUIET
from playwright.sync_api import sync_playwright
from test_memory import CAN_BE_LIMITED, GB, limited_to

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = "http://127.0.0.1:8898"
CELLS = """
() => jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === "code")
    .map(cell => ({
        done: cell.model.executionCount !== null && cell.model.executionState !== "running",
        errors: cell.model.outputs.toJSON().filter(one => one.output_type === "error"),
    }))
"""


def main(page="mnist", environment=None) -> int:
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        checkout, home = folder / "repository", folder / "home"
        home.mkdir()
        run(["git", "clone", "--quiet", str(ROOT), str(checkout)])
        begun = time.monotonic()
        if environment is None:
            environment = folder / "environment"
            run([sys.executable, "-m", "venv", str(environment)])
            asked = checkout / ".binder" / "requirements.txt"
            run([f"{environment}/bin/pip", "install", "--quiet", "-r", str(asked)])
        settings = {
            **os.environ, "HOME": str(home), "REPO_DIR": str(checkout),
            "PATH": f"{environment}/bin:{os.environ['PATH']}",
        }  # fmt: skip
        run([str(checkout / ".binder" / "postBuild")], cwd=checkout, env=settings)
        print(f"environment and postBuild: {time.monotonic() - begun:.0f} s")
        lab = ["jupyter", "lab", "--allow-root", "--no-browser", "--port=8898"]
        lab += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
        with limited_to(2 * GB) if CAN_BE_LIMITED else nullcontext() as group:
            server = subprocess.Popen(
                [str(checkout / ".binder" / "start"), *lab], cwd=checkout, env=settings,
                preexec_fn=group and group.join, start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                failed = rehearse(page)
                if group:
                    print(f"programs hold {group.anonymous() / 1e6:.0f} of 2,000 MB")
                return failed
            finally:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait()
                time.sleep(5)  # its kernels end a moment later


def run(command, **settings):
    subprocess.run(command, check=True, **settings)


def rehearse(page: str) -> int:
    wait_for_server()
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        tab.goto(f"{ADDRESS}/lab/tree/book/{page}.md")
        tab.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=120_000)
        print(f"{page}.md opens as a notebook")
        tab.wait_for_function("jupyterapp.shell.currentWidget.sessionContext.isReady")
        begun = time.monotonic()
        tab.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        cells = tab.evaluate(CELLS)
        while not all(cell["done"] for cell in cells):
            if errors := [error for cell in cells for error in cell["errors"]]:
                print(f"failed: {errors[0]['ename']}: {errors[0]['evalue']}")
                return 1
            time.sleep(0.5)
            cells = tab.evaluate(CELLS)
        print(f"{len(cells)} cells in {time.monotonic() - begun:.0f} s")
        tab.screenshot(path="/tmp/binder.png")
        browser.close()
    return int(any(cell["errors"] for cell in cells))


def wait_for_server(seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(f"{ADDRESS}/api")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

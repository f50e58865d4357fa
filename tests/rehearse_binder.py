"""What Binder does, done here: python tests/rehearse_binder.py [page] [environment].

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
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
GROUP = Path("/sys/fs/cgroup/memory/rehearsal")
LIMIT = 2 * 2**30
PORT = 8898
ADDRESS = f"http://127.0.0.1:{PORT}"
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
        lab = ["jupyter", "lab", "--allow-root", "--no-browser", f"--port={PORT}"]
        lab += ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
        server = subprocess.Popen(
            [str(checkout / ".binder" / "start"), *lab], cwd=checkout, env=settings,
            preexec_fn=limited, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return rehearse(page)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def run(command, **settings):
    subprocess.run(command, check=True, **settings)


def limited():
    """Gives this process, and those it starts, the memory that Binder gives."""
    if GROUP.parent.exists() and os.access(GROUP.parent, os.W_OK):
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.limit_in_bytes").write_text(str(LIMIT))
        (GROUP / "memory.max_usage_in_bytes").write_text("0")
        (GROUP / "cgroup.procs").write_text(str(os.getpid()))


def rehearse(page: str) -> int:
    wait_for_server()
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"]
        )
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
    if GROUP.exists():
        most = int((GROUP / "memory.max_usage_in_bytes").read_text())
        print(
            f"memory, page cache included: {most / 2**20:.0f} of {LIMIT / 2**20:.0f} MB"
        )
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

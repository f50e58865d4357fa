"""What each page waits for before it does anything: imports, and MNIST."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import cae_keras
print(flush=True)
cae_keras.load_mnist()
print(flush=True)
"""


def startup_seconds(repeats: int = 3) -> dict[str, float]:
    """Measures how long a fresh process takes to begin as a page does.

    MNIST has to be prepared on this machine already, and its files will have been read
    lately; so it is for all pages of a build but the first.

    Args:
        repeats: How many processes, one after the other.

    Returns:
        Medians in seconds since the process was started: `imported`, when `import
        cae_keras` is done, and `data_loaded`, when `load_mnist()` is done too.

    Raises:
        RuntimeError: If a process failed.
    """
    imported, loaded = zip(*(_once() for _ in range(repeats)), strict=True)
    return {
        "imported": statistics.median(imported),
        "data_loaded": statistics.median(loaded),
    }


def _once() -> list[float]:
    path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
    ) as process:  # fmt: skip
        seconds = [time.perf_counter() - start for _ in process.stdout]
    if process.returncode or len(seconds) != 2:
        raise RuntimeError(
            "start-up: a fresh process could not import cae_keras and load MNIST "
            f"(exit code {process.returncode})"
        )
    return seconds

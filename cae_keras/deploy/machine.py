"""The machine that measures: what has to stand beside every latency."""

import os
import platform
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import keras
import torch


def machine() -> dict[str, str]:
    """Returns what a measured cost depends on besides the network, as text.

    Example:
        >>> list(machine())[:4]
        ['processor', 'cores', 'memory', 'system']
    """
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in ("keras", "torch", "numpy")},
        "date": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
    }


def device() -> str:
    """Returns where Keras computes, such as `"cpu"` or `"cuda: NVIDIA L4"`."""
    where = keras.ops.zeros(1).device
    if where.type != "cuda":
        return where.type
    return f"cuda: {torch.cuda.get_device_name(where)}"


def on_gpu() -> bool:
    """Returns whether Keras computes on a CUDA device."""
    return device().startswith("cuda")


def _processor() -> str:
    """Returns the processor's own name, which Python knows on some systems only."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return next(named, "") or platform.processor() or platform.machine() or "unknown"


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return "unknown"
    return f"{size / 2**30:.0f} GiB"

"""The package's settings and its place, without the package: Keras takes seconds."""

import importlib.util
import sys
from pathlib import Path


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(f"cae_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


settings = _load(Path(__file__).resolve().parents[2] / "cae_keras" / "config.py")
ROOT = settings.ROOT
PACKAGE = ROOT / "cae_keras"

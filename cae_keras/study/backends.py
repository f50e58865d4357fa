"""Where tasks are done: in processes on this machine, or on a Ray cluster."""

import os

BACKENDS = ("local", "ray")


def backend() -> str:
    """Returns `CAE_BACKEND`, where tasks are done: `"local"`, the default, or `"ray"`.

    Raises:
        ValueError: If it is anything else.
    """
    name = os.environ.get("CAE_BACKEND") or "local"
    if name not in BACKENDS:
        raise ValueError(f"CAE_BACKEND={name!r}: it must be one of {BACKENDS}")
    return name

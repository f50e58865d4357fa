"""Where long work shows how far it is: a terminal, a notebook, or a book's build."""

import contextlib
import contextvars
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace

from tqdm import tqdm

FORMAT = "{desc} |{bar:12}| {percentage:3.0f} %, {remaining} left{postfix}"
COUNT = " [{n}/{total} in {elapsed_s:.1f} s]"  # for what reads the file of a build
_relay = contextvars.ContextVar("relay", default=None)


@contextlib.contextmanager
def progress_bar(total: int, label: str):
    """Yields a progress bar (`tqdm`) with an estimate of what is left.

    What a page prints ends up in the page, so a build names a file in `CAE_PROGRESS`,
    and reads there how far the work is. Without that, the bar goes to stderr if
    somebody is watching: a terminal, or a notebook.
    """
    if _relay.get() is not None:
        yield _relay.get()
        return
    path = os.environ.get("CAE_PROGRESS")
    watched = bool(path) or sys.stderr.isatty() or "ipykernel" in sys.modules
    with contextlib.ExitStack() as stack:
        stream, form = sys.stderr, FORMAT
        if path:
            form += COUNT
            stream = stack.enter_context(open(path, "a", encoding="utf-8"))
        yield stack.enter_context(
            tqdm(
                total=total, desc=label, file=stream, disable=not watched,
                bar_format=form, mininterval=0.5,
            )
        )  # fmt: skip


@contextlib.contextmanager
def relayed(on_step: Callable[[], None]):
    """Lets the bars inside only call `on_step` at each step: another bar shows them."""
    bar = SimpleNamespace(update=on_step, set_postfix_str=lambda text: None)
    token = _relay.set(bar)
    try:
        yield
    finally:
        _relay.reset(token)

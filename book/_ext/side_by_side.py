"""Pages executed side by side, one a core, where Sphinx can fork processes.

Sphinx reads groups of pages in processes of their own. Here each page gets a process,
and waits in it for its turn: the index, which trains the whole study with all cores, is
first and alone; then come the others, as many at a time as there are cores; and then,
one by one, those that measure how fast something is: with `cae_alone: true` in their
head.
"""

import multiprocessing
import os
import re
import threading
import time
from pathlib import Path

import loky
import sphinx.builders
from sphinx.errors import ConfigError, SphinxError, SphinxParallelError
from sphinx.util.parallel import ParallelTasks

MOST = 4  # pages at a time: each takes up to a gigabyte
POLL = 0.2  # seconds between two looks at the pages that are left
GRACE = 5  # seconds in which a page that is told to end does so
KILLED = (
    "the process of this page was killed (exit code {}). Is there enough memory? On "
    "one core (`taskset -c 0`) pages take it one after the other."
)
ALONE = re.compile(r"\A---\n(?:(?!---\n).*\n)*?cae_alone:[ ]*(.*?)[ ]*(?:#.*)?\n")
UNDECLARED = (  # they do not say whether pages may be read side by side; they may
    "sphinx-mathjax-offline",  # copies files at the end
    "sphinx_jupyterbook_latex",  # acts on LaTeX alone
    "sphinx_multitoc_numbering",  # numbers sections when all pages have been read
)


def setup(app):
    if os.name != "posix":  # where Sphinx reads one page after the other anyway
        return
    SphinxParallelError.__str__ = lambda error: f"{error.message}\n{error.traceback}"
    sphinx.builders.ParallelTasks = Processes
    end_with_parent()
    app.connect("builder-inited", allow)
    app.connect("env-before-read-docs", prepare)
    app.connect("source-read", wait_for_turn, priority=900)
    app.connect("doctree-read", end_turn)
    app.connect("env-updated", prepare_writing)


def allow(app):
    app.cae_cores = min(loky.cpu_count(), MOST)
    for name in set(UNDECLARED) & set(app.extensions):
        app.extensions[name].parallel_read_safe = True


def prepare(app, env, docnames):
    """Asks for a process a page, and for an order if there are too few for that."""
    sources = {name: Path(env.doc2path(name)).read_text("utf-8") for name in docnames}
    root = env.config.root_doc
    docnames.sort(key=lambda name: (alone(name, sources[name]), name != root))
    kinds = [kind(name, source, root) for name, source in sources.items()]
    app.cae_turns = Turns(app.cae_cores, "first" in kinds, kinds.count("beside"))
    app.parallel = max(app.parallel, len(docnames)) if app.cae_cores > 1 else 1


def wait_for_turn(app, docname, source):
    app.cae_kind = kind(docname, source[0], app.config.root_doc)
    if os.getpid() != app.cae_turns.builder and app.cae_kind == "beside":
        # or kernels with all threads each would be in each other's way
        os.environ["OMP_NUM_THREADS"] = "1"
    app.cae_turns.wait(app.cae_kind)


def end_turn(app, doctree):
    app.cae_turns.end(app.cae_kind)


def prepare_writing(app, env):
    app.parallel = app.cae_cores


def kind(docname: str, source: str, root: str) -> str | None:
    """Tells when a page has its turn: `first`, `beside` others, `alone`; or any."""
    if not executes(source):
        return None
    if docname == root:
        return "first"
    return "alone" if alone(docname, source) else "beside"


def alone(docname: str, source: str) -> bool:
    """Tells whether the head of a page says `cae_alone: true`."""
    said = ALONE.match(source)
    if said and said[1] != "true":
        raise ConfigError(f"{docname}.md: cae_alone={said[1]!r}: it must be true")
    return bool(said)


def executes(source: str) -> bool:
    return "{code-cell}" in source


def end_with_parent():
    """Lets each process that is forked from now on end when its parent is killed.

    Those are the ones that read pages, and those that write them.
    """
    parent = []

    def watch():
        while os.getppid() == parent[0]:
            time.sleep(1)
        os._exit(1)

    os.register_at_fork(
        before=lambda: parent.__setitem__(slice(None), [os.getpid()]),
        after_in_child=lambda: threading.Thread(target=watch, daemon=True).start(),
    )


class Processes(ParallelTasks):
    """Sphinx's processes, whose death is told, and which all end with the build.

    Of one that was killed, such as for want of memory, Sphinx itself says `EOFError` at
    best; of one that fails while others are being started, nothing.
    """

    error = None

    def add_task(self, *arguments):
        super().add_task(*arguments)
        if self.error:
            raise self.error

    def _join_one(self) -> bool:
        try:
            for task in self._precvs:
                if code := self._procs[task].exitcode:  # of its own accord it is 0
                    raise SphinxError(f"{self._pages(task)}: {KILLED.format(code)}")
            return super()._join_one()
        except EOFError:  # its end of the pipe is closed: soon it has an exit code
            return False
        except Exception as error:
            self.error = error
            raise

    def _pages(self, task: int) -> str:
        """Names what a process reads (names) or writes (names and trees)."""
        pages = self._args[task]
        return ", ".join(page if isinstance(page, str) else page[0] for page in pages)

    def terminate(self):
        processes = [self._procs[task] for task in self._precvs]
        super().terminate()
        for process in processes:
            process.join(GRACE)
            process.kill()


class Turns:
    """Who may go on; shared by the processes that are forked from the one that made it.

    Args:
        cores: How many pages may be executed beside each other.
        has_first: Whether there is one that all others wait for.
        beside: How many there are to execute beside each other.
    """

    def __init__(self, cores: int, has_first: bool, beside: int):
        fork = multiprocessing.get_context("fork")
        self.builder = os.getpid()
        self.first_done, self.alone = fork.Event(), fork.Lock()
        self.places, self.left = fork.Semaphore(cores), fork.Value("i", beside)
        if not has_first:
            self.first_done.set()

    def wait(self, kind: str | None):
        if kind in ("beside", "alone"):
            self.first_done.wait()
        if kind == "beside":
            self.places.acquire()
        if kind == "alone":
            while self.left.value:
                time.sleep(POLL)
            self.alone.acquire()

    def end(self, kind: str | None):
        if kind == "first":
            self.first_done.set()
        if kind == "beside":
            self.places.release()
            with self.left.get_lock():
                self.left.value -= 1
        if kind == "alone":
            self.alone.release()

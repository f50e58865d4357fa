"""Pages are executed before Sphinx reads them, side by side, one a core.

The index, which trains the whole study with all cores, is first and alone; then come
the others, as many at a time as there are cores; and then, one by one, those that
measure how fast something is: with `cae_alone: true` in their head. When one fails, the
others end, too. Sphinx then reads one page after the other, and myst-nb, which would
execute each, is handed what came of it. It is also kept: after a build that did not end
well, only what is missing is executed.
"""

import asyncio
import os
import re
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import kept
import loky
from jupyter_cache.executors.utils import ExecutionResult
from myst_nb.core.execute import ExecutionError, direct
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from sphinx.errors import ConfigError
from sphinx.util import logging

TIMEOUT = -1  # a cell may train for an hour
QUIET = ["--log-level=ERROR"]  # or each kernel warns that it speaks over TCP
GRACE = 10  # seconds in which kernels that are told to end do so
MOST = 4  # pages at a time: each takes up to a gigabyte
AFRESH = {"--all", "-E", "--fresh-env"}  # asked for: all pages are executed
ALONE = re.compile(r"\A---\n(?:(?!---\n).*\n)*?cae_alone:[ ]*(.*?)[ ]*(?:#.*)?\n")
logger = logging.getLogger(__name__)


def setup(app):
    app.connect("env-before-read-docs", begin)


def begin(app, env, docnames):
    """Orders the pages, and begins to execute those that have cells."""
    texts = {name: Path(env.doc2path(name)).read_text("utf-8") for name in docnames}
    last = {name: alone(name, text) for name, text in texts.items()}
    docnames.sort(key=lambda name: (last[name], name != env.config.root_doc))
    if env.config.nb_execution_mode != "force":
        return
    pages = [name for name in docnames if executes(texts[name])]
    done = _kept(app, env, pages)
    notebooks = {n: _notebook(env, n, texts[n]) for n in pages if n not in done}
    cores = min(loky.cpu_count(), MOST)
    groups = [
        ([name for name in notebooks if name == env.config.root_doc], 1),
        ([n for n in notebooks if n != env.config.root_doc and not last[n]], cores),
        ([name for name in notebooks if last[name]], 1),
    ]
    app.cae_minutes.plan(groups)
    work = _Work(env, notebooks, groups)
    app.connect("build-finished", lambda *_: work.stop())

    def executed(notebook, **_):  # asked for by myst-nb, page by page
        try:
            result = done.get(env.docname) or work.results[env.docname].result()
        except KeyboardInterrupt:
            work.stop()
            raise
        notebook.update(result.nb)
        return result

    direct.single_nb_execution = executed


def executes(source: str) -> bool:
    return "{code-cell}" in source


def alone(docname: str, source: str) -> bool:
    """Tells whether the head of a page says `cae_alone: true`."""
    said = ALONE.match(source)
    if said and said[1] != "true":
        raise ConfigError(f"{docname}.md: cae_alone={said[1]!r}: it must be true")
    return bool(said)


def _kept(app, env, pages: list[str]) -> dict[str, ExecutionResult]:
    """Returns what an earlier build has executed, if Sphinx has no notes of it."""
    if not app.fresh_env_used or AFRESH & set(sys.argv):
        return {}
    found = {name: kept.load(env, name) for name in pages}
    found = {name: result for name, result in found.items() if result}
    if found:
        logger.info("executed by an earlier build, and kept: %s", ", ".join(found))
    return found


def _notebook(env, docname: str, text: str):
    path = env.doc2path(docname)
    return create_nb_reader(path, env.myst_config, env.mystnb_config, text).read(text)


class _Work:
    """Executes notebooks in a thread, and keeps a promise for each."""

    def __init__(self, env, notebooks: dict, groups: list[tuple[list[str], int]]):
        self.env, self.notebooks = env, notebooks
        self.minutes = env.app.cae_minutes
        self.results = {name: Future() for name in notebooks}
        self.loop = asyncio.SelectorEventLoop()
        self.all = self.loop.create_task(self._all(groups))
        self.thread = threading.Thread(target=self._do, daemon=True)
        self.thread.start()

    def stop(self):
        """Ends what is being executed, if anything is."""
        while self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.all.cancel)
            self.thread.join(GRACE)

    def _do(self):
        try:
            self.loop.run_until_complete(self.all)
        except* BaseException as failed:  # of the first that failed the others died
            for result in self.results.values():
                if not result.done():
                    result.set_exception(failed.exceptions[0])

    async def _all(self, groups):
        for names, at_a_time in groups:
            places = asyncio.Semaphore(at_a_time)
            beside = at_a_time > 1
            async with asyncio.TaskGroup() as tasks:
                for name in names:
                    tasks.create_task(self._one(name, places, beside))

    async def _one(self, name: str, places: asyncio.Semaphore, beside: bool):
        notebook, path = self.notebooks[name], Path(self.env.doc2path(name))
        # kernels with all threads each would be in each other's way
        env = os.environ | ({"OMP_NUM_THREADS": "1"} if beside else {})
        if name != self.env.config.root_doc:  # whose bars tell how far the study is
            env["CAE_PROGRESS"] = os.devnull
        where = {"metadata": {"path": str(path.parent)}}
        async with places:
            self.minutes.begin(name)
            try:
                client = NotebookClient(
                    notebook, timeout=TIMEOUT, resources=where, extra_arguments=QUIET
                )
                await client.async_execute(env=env)
                seconds = self.minutes.end(name)
                result = ExecutionResult(notebook, str(path.parent), seconds)
                kept.save(self.env, name, result)
            except Exception as error:
                raise ExecutionError(f"{path}: {error}") from error
        self.results[name].set_result(result)

"""One line for the whole book in a build, and at its end where the minutes went.

`minutes.json` has the seconds of each page, by preset: those of the index without the
study, and under `study` those of one core for a thousand of its steps. What is left is
what this table says of it, times the pace: the seconds so far by those that the table
has for as much. A build writes its own into `_build/minutes.json`. After one from
nothing, `cp _build/minutes.json book/_ext/` makes them the table's for that preset.
"""

import json
import re
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from package import settings
from sphinx.util import logging

TABLE = Path(__file__).with_suffix(".json")
OTHER = 20.0  # seconds of a page that is not in the table
TRUST = 20.0  # so many seconds at the table's own pace are taken as seen
STUDY = re.compile(r" × training, (?:(\d+) at|on Ray).*\[(\d+)/(\d+) in ([\d.]+) s\]")
logger = logging.getLogger(__name__)


class Part(NamedTuple):
    """A page, or the study: seconds by the table, and so far; the share done."""

    expected: float
    spent: float = 0.0
    done: float = 0.0


def seconds_left(groups: list[tuple[list[Part], int]]) -> float:
    """Estimates it for groups one after the other, each with so many at a time."""
    parts = [part for group, _ in groups for part in group]
    spent = sum(part.spent for part in parts)
    pace = (TRUST + spent) / (TRUST + sum(part.expected * part.done for part in parts))
    left = 0.0
    for group, at_a_time in groups:
        each = [part.expected * (1 - part.done) for part in group]
        left += max(sum(each) / at_a_time, *each, 0.0)
    return pace * left


class Minutes:
    """Watches the pages of a build: live in a terminal, at times in a log."""

    def __init__(self, build: Path, root: str):
        self.build, self.root, self.begun = build, root, time.monotonic()
        self.bars = build / ".progress"  # the kernel of the index writes them there
        self.bars.write_text("")
        self.preset = settings.get_preset().name
        self.tables = json.loads(TABLE.read_text("utf-8"))
        self.table = self.tables[self.preset]
        self.groups, self.begins, self.seconds = [], {}, {}
        self.terminal, self.stopped = sys.stderr.isatty(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def plan(self, groups: list[tuple[list[str], int]]):
        """Takes the pages to execute, group by group, with how many at a time."""
        self.groups += groups

    def begin(self, page: str):
        self.begins[page] = time.monotonic()
        if self.thread.ident is None:
            self.thread.start()

    def end(self, page: str) -> float:
        self.seconds[page] = time.monotonic() - self.begins[page]
        return self.seconds[page]

    def stop(self, failed: bool):
        """Ends the line, and tells where the minutes went if all went well."""
        if self.stopped.is_set():  # a build whose end fails ends twice
            return
        self.stopped.set()
        if self.thread.is_alive():
            self.thread.join()
        if self.seconds and not failed:
            self._tell()
        self.bars.unlink(missing_ok=True)

    def line(self) -> str:
        """Returns what is shown; nothing if no page is being executed."""
        pages = [page for group, _ in self.groups for page in group]
        now = [p for p in pages if p in self.begins and p not in self.seconds]
        if not now:
            return ""
        told = f"the book: {len(self.seconds)} of {len(pages)} pages"
        study = self._study()
        if study or self.root not in now:  # or nobody knows yet what it will train
            groups = [([self._part(page) for page in of], n) for of, n in self.groups]
            left = seconds_left([(study, 1), *groups])
            so_far = time.monotonic() - self.begun
            told += f" | {100 * so_far / (so_far + left):.0f} %"
            about = f"about {left / 60:.0f} min" if left > 60 else "less than 1 min"
            told += f", {about} left"
        return f"{told} | now {' and '.join(now)}"

    def _study(self) -> list[Part]:
        """Returns how far it is by its bar, if anything of it has to be trained."""
        found = STUDY.findall(self.bars.read_text("utf-8", "replace"))
        if not found:
            return []
        workers, (done, steps, seconds) = found[-1][0], map(float, found[-1][1:])
        if workers:
            expected = self.table["study"] * steps / 1000 / int(workers)
        else:  # on Ray: on machines that the table knows nothing of
            expected = seconds * steps / max(done, 1.0)
        return [Part(expected, seconds, done / steps)]

    def _part(self, page: str) -> Part:
        expected = self.table.get(page, OTHER)
        if page not in self.begins:
            return Part(expected)
        spent = self.seconds.get(page) or time.monotonic() - self.begins[page]
        if page == self.root:
            spent -= sum(study.spent for study in self._study())
        done = 1.0 if page in self.seconds else min(spent / expected, 1.0)
        return Part(expected, spent, done)

    def _watch(self):
        shown, ended = "", False
        while not ended:
            shown = self._show(self.line(), shown)
            ended = self.stopped.wait(0.5 if self.terminal else 30.0)
        self._show("", shown)

    def _show(self, line: str, shown: str) -> str:
        if self.terminal and (line or shown):
            width = shutil.get_terminal_size().columns - 1  # a wrapped line would stay
            sys.stderr.write(f"{line[:width]:{width}}\r")
        elif line:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
        return line

    def _tell(self):
        """Says it, and writes a table like the one that it was estimated by."""
        seconds, study = dict(self.seconds), self._study()
        table = dict(self.table)
        for part in study:
            seconds[self.root] -= part.spent
            table["study"] *= part.spent / part.expected
        table = {name: round(s, 1) for name, s in (table | seconds).items()}
        text = json.dumps(self.tables | {self.preset: table}, indent=2)
        (self.build / TABLE.name).write_text(f"{text}\n", "utf-8")
        rows = [(s, page) for page, s in seconds.items()]
        rows += [(part.spent, "the study, on the index") for part in study]
        wall = time.monotonic() - self.begun
        rows = [*sorted(rows, reverse=True), (wall, "all, some of it side by side")]
        told = "".join(f"\n{s:7,.0f} s  {what}" for s, what in rows)
        logger.info("where the minutes went, page by page:%s", told)

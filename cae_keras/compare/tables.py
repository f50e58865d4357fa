"""What was measured, as tables for a page, a terminal or a file."""

import html
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

import numpy as np
from tabulate import tabulate

from cae_keras.compare.comparison import (
    Results,
    change,
    cost_range,
    estimate,
    known,
    values,
)
from cae_keras.compare.text import as_text

GROUPS = {  # of measures that are shown together
    "quality": ("bce", "excess_bce", "mse", "psnr", "ssim", "read"),
    "cost": ("parameters", "macs", "code_bytes", "seconds"),
    "sizes": ("parameters", "saved_bytes", "code_bytes", "compression", "macs"),
    "speed": ("encode", "decode", "both", "throughput"),
    "memory": ("memory", "batch_memory", "seconds"),
    "change": ("excess_bce", "mse", "ssim", "read"),
}  # fmt: skip
VERDICT = re.compile(r"\b(holds|fails|undecided)$", re.MULTILINE)
WHOLE = re.compile(r"^.{1,30}$|\([^()\n]{1,28}\)", re.MULTILINE)
WIDEST = 38  # letters a line of a cell in a terminal


class Table(Sequence):
    """Rows of cells: HTML on a page, plain text in a terminal, Markdown in a file.

    It is a sequence of its rows, `{column: text}`. Columns of numbers are set to the
    right. On a page a line of a cell that ends with a verdict has its colour, and short
    ones are not broken, nor what is in brackets, such as an interval.

    Args:
        rows: Rows as mappings, or as sequences of cells: text, or numbers.
        headers: Names of the columns, if the rows do not bring them.
        formats: How the numbers of each column are written, such as `".4f"`; without
            any, integers have commas between thousands, other numbers four digits.

    Raises:
        ValueError: If a row has not one cell a column.

    Example:
        >>> Table([["narrow", 68769, 0.0039]], ["", "parameters", "MSE"])
                  parameters     MSE
        ------  ------------  ------
        narrow        68,769  0.0039
    """

    def __init__(
        self,
        rows: Iterable[Mapping | Sequence],
        headers: Sequence[str] = (),
        formats: Sequence[str] = (),
    ):
        rows = list(rows)
        if rows and isinstance(rows[0], Mapping):
            headers = headers or list(rows[0])
            rows = [[row[name] for name in headers] for row in rows]
        self.headers, formats = list(headers), formats or len(headers) * [""]
        for name, columns in (("formats", formats), *(("rows", row) for row in rows)):
            if len(columns) != len(headers):
                raise ValueError(
                    f"{name}={columns!r}: there must be one for each of the columns "
                    f"{', '.join(map(repr, headers))}"
                )
        self.rows = [list(map(_written, row, formats)) for row in rows]
        self.align = [
            "right" if any(map(_is_number, column)) else "left"
            for column in (zip(*rows, strict=True) if rows else headers)
        ]

    def __getitem__(self, i: int) -> dict[str, str]:
        return dict(zip(self.headers, self.rows[i], strict=True))

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        text = self._as("unsafehtml", _as_html)
        ledger = ' class="ledger"' if "verdict" in self.headers else ""
        return text.replace("<table", f"<table{ledger}", 1)

    def __repr__(self) -> str:
        return self._as("simple", _wrapped)

    def markdown(self) -> str:
        """Returns the table as GitHub's Markdown."""
        return self._as("github", lambda text: text.replace("\n", "<br>"))

    def _as(self, form: str, write) -> str:
        headers, *rows = [list(map(write, row)) for row in (self.headers, *self.rows)]
        align = self.align or None
        return tabulate(rows, headers, form, disable_numparse=True, colalign=align)


def _is_number(cell) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _written(cell, form: str) -> str:
    if not _is_number(cell):
        return str(cell)
    return format(cell, form or ("," if isinstance(cell, Integral) else ".4g"))


def _wrapped(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(textwrap.fill(x, WIDEST, break_on_hyphens=False) for x in lines)


def _as_html(text: str) -> str:
    """Returns text as HTML, its lines kept, and no line broken where it must not be."""
    text = VERDICT.sub(r'<span class="verdict-\1">\1</span>', html.escape(text))
    text = WHOLE.sub(r'<span class="whole">\g<0></span>', text)
    return text.replace(" %", "&nbsp;%").replace("\n", "<br>")


def summary(results: Results, measures: str | Sequence[str] = "quality") -> Table:
    """Returns a row a configuration: means over seeds ± their standard deviation.

    With one seed, or a value that does not depend on it, there is no ±.

    Args:
        results: What was measured, `{configuration: {measure: one value a seed}}`.
        measures: Which of it, one a column; or the name of one of `GROUPS`.

    Example:
        >>> summary({"baseline": {"mse": [0.003, 0.004]}}, ["mse"])
        configuration    MSE
        ---------------  -----------------
        baseline         0.00350 ± 0.00071
    """
    return _table("configuration", results, results, measures, _mean)


def differences(results: Results, measures: str | Sequence[str] = "change") -> Table:
    """Returns paired changes from the baseline, a row a variant, with 95 % intervals.

    Example:
        >>> results = {"baseline": {"ssim": [0.9]}, "wide": {"ssim": [0.95]}}
        >>> differences(results, ["ssim"])
        variant    SSIM
        ---------  -------------------------------
        wide       +0.0500 (one seed: no interval)
    """
    variants = [name for name in results if name != "baseline"]
    return _table("variant", variants, results, measures, _change)


def cost_table(results: Results, measures: str | Sequence[str] = "speed") -> Table:
    """Returns a row a configuration: lower quartiles, and from the least to the median.

    Of a rate it is the upper quartile, and from the median to the most. A value that
    does not vary has no range, and one that could not be measured is a dash.

    Example:
        >>> cost_table({"baseline": {"both": [1.5, 1.0, 1.1, 1.2, 9.0]}}, ["both"])
        configuration    both (ms)
        ---------------  ----------------
        baseline         1.10 (1.00–1.20)
    """
    return _table("configuration", results, results, measures, _cost)


def _table(first: str, names: Iterable[str], results, measures, write) -> Table:
    if isinstance(measures, str) and measures not in GROUPS:
        raise ValueError(
            f"measures={measures!r}: they must be a list, or one of "
            f"{', '.join(map(repr, GROUPS))}"
        )
    measures = GROUPS[measures] if isinstance(measures, str) else measures
    columns = [first, *(known(measure).label for measure in measures)]
    rows = [[name, *(write(results, name, m) for m in measures)] for name in names]
    return Table(rows, columns)


def _mean(results: Results, name: str, measure: str) -> str:
    found, form = values(results, name, measure), known(measure).form.format
    if known(measure).exact or len(found) == 1:
        return form(found[0])
    mean, spread = form(found.mean()), form(found.std(ddof=1))
    return f"{mean} ± {spread}".replace("% ±", " ±")


def _cost(results: Results, name: str, measure: str) -> str:
    found, form = cost_range(results, name, measure), known(measure).form.format
    if not np.isfinite(found).all():
        return "–"
    low, counts, high = map(form, found)
    return f"{counts} ({low}–{high})" if np.ptp(found) else counts


def _change(results: Results, name: str, measure: str) -> str:
    found = estimate(change(results, measure, name), known(measure).exact)
    return as_text(found, known(measure).unit)

"""Tables: what was measured, in the form that fits the measure, on a page, a terminal or in a file."""

import math
import re
import statistics

import numpy as np
import pytest

from cae_keras import Table, cost_of, cost_table, differences, summary
from cae_keras.compare.comparison import QUANTITIES
from cae_keras.compare.tables import GROUPS

MSE = (0.00341, 0.00337, 0.00345)


def cell(measure, found, table=summary):
    (only,) = table({"baseline": {measure: np.array(found)}}, [measure])
    return only[QUANTITIES[measure].label]


class TestTable:
    def test_numbers_stand_to_the_right_and_text_to_the_left(self):
        rows = [["–", 12345, 0.00123456], ["word", np.int64(7), np.float32(0.5)]]
        table = Table(rows, ["a", "n", "x"], ("", "", ".3f"))
        text = [re.split(r"  +", line.strip()) for line in repr(table).split("\n")]
        assert text[2:] == [["–", "12,345", "0.001"], ["word", "7", "0.500"]]
        aligned = re.findall(
            r"<td( style=\"text-align: right;\")?>", table._repr_html_()
        )
        assert list(map(bool, aligned)) == 2 * [False, True, True]
        assert str(Table([[0.123456, math.nan, True]], "abc")[0]) == "{'a': '0.1235', 'b': 'nan', 'c': 'True'}"  # fmt: skip

    def test_rows_may_bring_their_headers_and_are_found_by_them(self):
        table = Table([{"a": 1, "b": "x"}, {"b": "y", "a": 2}])
        assert list(table) == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
        assert list(Table([*table, {"a": "3", "b": "z"}]))[2] == {"a": "3", "b": "z"}

    def test_html_is_escaped_has_its_lines_and_colours_what_a_line_ends_with(self):
        html = Table([["<b> 3 %\n1 holds\nfails or holds: fails, it holds on"]], ["&"])._repr_html_()  # fmt: skip
        assert "&lt;b&gt; 3&nbsp;%</span><br>1 <span class=\"verdict-holds\">holds</span><br>fails or holds: fails, it holds on<" in html  # fmt: skip
        assert ">&amp;<" in html

    def test_on_a_page_what_is_short_or_in_brackets_is_not_broken(self):
        html = Table([["A change of the error: +11.3 % (+8.6 to +14.1)", "0.9 (0.8–1.0)"]], ["a", "verdict"])._repr_html_()  # fmt: skip
        assert 'error: +11.3&nbsp;% <span class="whole">(+8.6 to +14.1)</span>' in html
        assert '<span class="whole">0.9 (0.8–1.0)</span>' in html
        assert html.startswith('<table class="ledger">')

    def test_markdown_keeps_a_row_in_its_line(self):
        lines = Table([["a\nb", 1]], ["x", "y"]).markdown().split("\n")
        assert [line.count("|") for line in lines] == [3, 3, 3]
        assert "a<br>b" in lines[2]

    def test_without_rows_it_has_its_headers(self):
        empty = Table([], ["a", "b"])
        for text in (repr(empty), empty._repr_html_(), empty.markdown()):
            assert "a" in text

    @pytest.mark.parametrize("rows, formats", [([[1], [1, 2]], ()), ([[1, 2]], [""])])
    def test_refuses_what_fits_no_column(self, rows, formats):
        with pytest.raises(ValueError, match=r"(rows|formats)=.*one for each of the columns 'a', 'b'"):  # fmt: skip
            Table(rows, ["a", "b"], formats)


@pytest.mark.parametrize("measure, found, text", [
    ("read", [0.98, 0.99], "98.50 ± 0.71%"),
    ("read", [0.5], "50.00%"),
    ("mse", MSE, f"{statistics.mean(MSE):.5f} ± {statistics.stdev(MSE):.5f}"),
    ("mse", MSE[:1], "0.00341"),  # with one seed there is no spread
    ("parameters", [137441, 137441], "137,441"),
    ("seconds", [251.4, 260.2], "256 ± 6"),
])  # fmt: skip
def test_each_measure_in_its_form(measure, found, text):
    assert cell(measure, found) == text


def test_costs_are_lower_quartiles_and_what_could_not_be_measured_is_a_dash():
    """A disturbance adds to a time and takes from a rate."""
    times = [9.0, 1.1, 1.5, 1.0, 1.2]
    low, middle, _ = statistics.quantiles(times, n=4, method="inclusive")
    written = f"{low:.2f} ({min(times):.2f}–{middle:.2f})"
    assert cell("both", times, cost_table) == written
    rates = [256 / time for time in times]
    _, middle, high = statistics.quantiles(rates, n=4, method="inclusive")
    written = f"{high:,.0f} ({middle:,.0f}–{max(rates):,.0f})"
    assert cell("throughput", rates, cost_table) == written
    assert cost_of({"a": {"throughput": rates}}, "a", "throughput") == high
    assert cell("memory", [math.nan], cost_table) == "–"
    assert cell("macs", [1000, 1000], cost_table) == "1,000"


def test_differences_are_rows_of_variants_in_the_order_of_the_results():
    results = {
        "narrow": {"read": [0.90, 0.80, 0.70], "parameters": [50, 50, 50]},
        "baseline": {"read": [0.95, 0.84, 0.75], "parameters": [100, 100, 100]},
        "wide": {"read": [0.96, 0.86, 0.75], "parameters": [400, 400, 400]},
    }
    rows = differences(results, ["read", "parameters"])
    assert [row["variant"] for row in rows] == ["narrow", "wide"]
    # −0.05, −0.04, −0.05: mean −4.667 points, t s / √3 = 4.3027 · 0.57735 / 1.73205 = 1.434
    assert rows[0]["accuracy"] == "−4.7 points (−6.1 to −3.2)"
    assert (rows[0]["parameters"], rows[1]["parameters"]) == ("−50.0 %", "+300 %")
    assert [row["configuration"] for row in summary(results, ["read"])] == [*results]


def test_groups_are_of_measures():
    assert set(sum(GROUPS.values(), ())) <= QUANTITIES.keys()

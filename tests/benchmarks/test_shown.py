"""The contents of tables, plot and page; no result is left out."""

from __future__ import annotations

import re

from benchmarks.page import page
from benchmarks.panels import panels, text_plot
from benchmarks.sheets import markdown, sheets
from tests.benchmarks.made import ratio, row, run


def ideal(value):
    return ratio(value, "x ideal", is_higher_better=False)


RUN = run(
    row("poll loop", ratio(1.0)),
    row("kafka-parallel", ratio(0.96)),
    row("kafka-parallel, 3 plugins", ratio(0.9), ratio(0.94, "x without plugins")),
    row("pyrallel", reason="not installed: it needs Python 3.12, which was not found", keeps="yes", order="key"),
    row("kafka-parallel", ideal(1.05), workload="5 ms", kind="sleep"),
    row("kafka-parallel, by key", ideal(1.5), workload="5 ms", kind="sleep", order="key"),
    row("poll loop", ratio(1.0, "x time of one thread", is_higher_better=False), workload="1 ms", kind="cpu"),
    row("kafka-parallel, 50 fail", ratio(0.99, "x without failures"), workload="fail", kind="failing"),
    row("kafka-parallel", ratio(1.1, "x naive pool", is_higher_better=False), workload="rest", kind="memory"),
    row("10", ratio(1.02, "x smallest", is_higher_better=False), workload="cost by keys", kind="cost"),
)


def test_every_row_is_in_a_table_and_every_line_has_all_cells():
    found = list(sheets(RUN))

    assert sum(len(sheet.lines) for sheet in found) == len(RUN.rows)
    assert all(len(line) == len(sheet.columns) for sheet in found for line in sheet.lines)


def test_a_runner_without_figures_is_shown_with_the_reason():
    (nothing, *_) = sheets(RUN)

    (line,) = [line for line in nothing.lines if line[1] == "pyrallel"]
    assert line[2] == "not installed: it needs Python 3.12, which was not found"
    assert line[-2:] == ("yes", "key")


def test_figures_are_per_record():
    (nothing, *_) = sheets(RUN)

    cells = dict(zip(nothing.columns, nothing.lines[2], strict=True))
    assert cells["records/s"] == "500"
    assert cells["CPU, us a record"] == "1000.0"
    assert cells["x without plugins"] == "0.94"
    assert cells["spread"] == "0.81-0.99"


def test_the_bound_of_taking_in_order_is_shown_where_order_does_not_matter():
    found = next(sheet for sheet in sheets(RUN) if "wait" in sheet.title)

    bounds = [dict(zip(found.columns, line, strict=True))["greedy x ideal"] for line in found.lines]
    assert bounds == ["1.50", ""]


def test_markdown_has_one_line_per_row_and_aligns_numbers():
    lines = markdown(next(iter(sheets(RUN)))).splitlines()

    assert len(lines) == 2 + 4
    assert lines[1].startswith("| --- | --- | ---: |")
    assert len({line.count("|") for line in lines}) == 1


def test_bars_stand_with_the_best_first_and_the_sizes_of_a_cost_in_order():
    found = run(
        row("a", ideal(2.0), workload="5 ms", kind="sleep"),
        row("b", ideal(1.0), workload="5 ms", kind="sleep"),
        row("1", ideal(1.0), workload="cost", kind="cost", ratios=(ratio(1.0, "x smallest"),)),
        row("10", workload="cost", kind="cost", ratios=(ratio(3.0, "x smallest"),)),
    )

    assert [[bar[0] for bar in panel.bars] for panel in panels(found)] == [["b", "a"], ["1", "10"]]


def test_bars_are_as_long_as_their_values_and_ours_are_solid():
    found = run(row("kafka-parallel", ratio(1.0)), row("poll loop", ratio(0.5)))

    text = text_plot(next(panels(found)))

    assert text.splitlines() == [
        "no-op: x poll loop (higher is better)",
        "  kafka-parallel  " + "█" * 40 + " 1.00",
        "  poll loop       " + "░" * 20 + " 0.50",
    ]


def test_a_workload_that_nobody_finished_has_no_bars():
    assert list(panels(run(row(reason="failed: everything")))) == []


def test_the_page_has_tables_plot_picture_and_machine():
    text = page(RUN, "index.png")

    assert all(f"## {sheet.title}" in text for sheet in sheets(RUN))
    assert all(panel.heading in text for panel in panels(RUN))
    assert "](index.png)" in text
    assert "| processor | one, 2 cores |" in text
    assert "make bench`" in text.split("##")[0]
    assert not re.search(r"{\w+}", text)


def test_a_page_without_a_picture_does_not_link_to_one():
    assert "](" not in page(RUN)

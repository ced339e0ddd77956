"""The delays of a record, a rebalance and a start: from the notes of handlers to rows and a page."""

from __future__ import annotations

import ast
import re
import struct

import pytest

from benchmarks.delays import latency, rebalances, starts
from benchmarks.delays.entrants import ENTRANTS
from benchmarks.delays.found import Compared, Found
from benchmarks.delays.kinds import KINDS, Latencies, Restarts
from benchmarks.delays.life import has_begun
from benchmarks.delays.page import page
from benchmarks.delays.programs.notes import ENTRY, TIMED, Notes, Start, read, timed_value
from benchmarks.delays.programs.setup import Setup
from benchmarks.environments import ROOT
from benchmarks.panels import panels
from benchmarks.session import NotMeasured
from benchmarks.sheets import sheets
from kafka_parallel.errors import BrokerError
from tests.benchmarks.made import ratio, row, run

MS = 1_000_000


class Record:
    partition = 3

    def __init__(self, value):
        self.value = value


def start(late_ms, partition=0, produced_ms=0):
    return Start(at=(produced_ms + late_ms) * MS, produced=produced_ms * MS, cpu=0, partition=partition)


@pytest.mark.parametrize("entrant", ENTRANTS, ids=lambda entrant: entrant.name)
def test_every_program_is_there_without_its_client_being_imported(entrant):
    module, function = entrant.entry.split(":")
    tree = ast.parse((ROOT / "benchmarks" / "delays" / "programs" / f"{module}.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {ast.unparse(name) for node in tree.body if isinstance(node, ast.Assign) for name in node.targets}

    assert function in defined | assigned


def test_a_setup_comes_back_from_a_command_line():
    setup = Setup("127.0.0.1:1", ("a", "b"), "group", "log", {"heartbeat_interval_ms": 300}, is_cooperative=True)

    assert Setup.from_json(setup.to_json()) == setup
    assert setup.client()["heartbeat_interval_ms"] == 300


def test_a_note_tells_both_times_and_a_torn_one_is_left_out(tmp_path):
    log = tmp_path / "log"
    value = timed_value()
    Notes(str(log)).take(Record(value))
    with log.open("ab") as file:
        file.write(struct.pack("<q", 1))

    (found,) = read(log)

    assert (found.produced, found.partition) == (int(value[len(TIMED) :]), 3)
    assert 0 <= found.late < 60
    assert log.stat().st_size == ENTRY.size + 8


def test_lateness_is_of_the_records_that_were_produced_since_then():
    starts = [start(900, produced_ms=0), *(start(late, produced_ms=100) for late in range(1, 102))]

    found = latency.lateness_of(latency.since(starts, 100 * MS))

    assert found.p50 == pytest.approx(0.051)
    assert found.p99 == pytest.approx(0.101, abs=0.001)


def test_a_partition_that_has_only_old_records_has_not_begun():
    starts = [start(1, 0, produced_ms=10), start(1, 1, produced_ms=20)]

    assert has_begun([0, 1])(starts)
    assert not has_begun([0, 1], since=15 * MS)(starts)


def test_waits_are_told_apart_by_partition_and_moment_and_repeats_do_not_count():
    stayed = [
        start(5, 0, 10),
        start(40, 0, 20),
        start(7, 1, 20),
        start(9, 0, 120),
        start(80, 1, 130),
        start(999, 0, 300),
    ]
    joined = [start(60, 1, 30), start(70, 1, 20)]

    waits = rebalances.waits_of(stayed, joined, began=15 * MS, left=100 * MS, end=200 * MS)

    assert waits == rebalances.Waits(join_kept=0.04, join_moved=0.06, leave_kept=0.009, leave_moved=0.08)


def compared(*figures):
    found = Found("restart", [Compared("x poll loop", "seconds", lambda workload, _: (workload, "poll loop"))])
    for base, own in figures:
        found.note("restart", "poll loop", {"seconds": base})
        found.note("restart", "kafka-parallel", {"seconds": own})
    return found


def test_ratios_are_taken_within_a_round():
    base, own = compared((1.0, 2.0), (10.0, 10.0), (4.0, 2.0)).rows()

    assert base.ratios[0].value == 1.0
    assert own.figures == {"seconds": 2.0}
    assert (own.ratios[0].value, own.ratios[0].low, own.ratios[0].high) == (1.0, 0.5, 2.0)
    assert own.is_ours


def test_one_that_failed_says_why_and_is_not_tried_again():
    found, tries = compared(), []

    def fail():
        tries.append(1)
        raise NotMeasured("60 s passed")

    for _ in range(2):
        found.try_one("kafka-parallel", fail, ["restart"])

    (failed,) = found.rows()
    assert (failed.reason, failed.ratios, len(tries)) == ("60 s passed", (), 1)


def test_without_a_base_there_are_figures_and_no_ratios():
    found = compared()
    found.note("restart", "kafka-parallel", {"seconds": 2.0})
    found.fail("restart", "poll loop", "it ended")

    own = next(each for each in found.rows() if each.is_ours)

    assert (own.figures, own.ratios) == ({"seconds": 2.0}, ())


def test_the_loops_do_not_take_part_where_they_would_stop():
    names = {situation: [each.name for each in latency.entrants(situation)] for situation in latency.SITUATIONS}

    assert "poll loop" in names["alone"]
    assert all(each.startswith("kafka-parallel") for each in names["beside a stuck key"])


def test_an_import_takes_time_and_one_that_fails_says_so(monkeypatch):
    monkeypatch.setitem(starts.IMPORTS, "small", ("import json", "own"))
    monkeypatch.setitem(starts.IMPORTS, "missing", ("import no_such_module", "own"))

    assert 0 < starts.measure_import("small") < 60
    with pytest.raises(NotMeasured, match="No module named 'no_such_module'"):
        starts.measure_import("missing")


def test_a_broker_that_does_not_come_back_is_a_reason_and_no_end(monkeypatch):
    def fail(**_):
        raise BrokerError("the broker was not ready in 60000 ms: refused; the last lines of its log: ...")

    monkeypatch.setattr("benchmarks.delays.kinds.start_broker", fail)
    restarts = Restarts(None, None)
    restarts.do_round()
    restarts.do_round()

    (failed,) = restarts.found.rows()
    assert failed.reason == "the broker was not ready in 60000 ms: refused"


FIGURES = {
    "latency": {"p50": 0.002, "p99": 0.02},
    "batches": {"rate": 1000.0, "us": 9.0},
    "rebalance": {"join kept": 0.1, "join moved": 0.2, "leave kept": 0.3, "leave moved": 0.4},
    "restart": {"seconds": 1.5},
    "start": {"wall": 0.5, "cpu": 0.4},
    "import": {"cpu": 0.2},
}
RATIOS = [ratio(1.1, measure) for measure in (
    "p50 x poll loop", "p99 x poll loop", "x poll loop", "join, kept, x poll loop", "leave, moved, x poll loop",
    "cost x single records", "CPU x poll loop", "x kafka-python",
)]  # fmt: skip
DELAYS = run(*(row("kafka-parallel", *RATIOS, kind=kind, workload=kind, figures=FIGURES[kind]) for kind in FIGURES))


def test_every_kind_has_a_table_and_bars():
    assert {kind.name for kind in KINDS} == FIGURES.keys()
    assert sum(len(sheet.lines) for sheet in sheets(DELAYS)) == len(KINDS) == len(list(panels(DELAYS)))
    assert all(len(line) == len(sheet.columns) and all(line) for sheet in sheets(DELAYS) for line in sheet.lines)


def test_the_page_tells_the_load_and_the_command():
    text = page(DELAYS, "1.0 before and 2.0 after", "delays.png")

    assert "load was 1.0 before and 2.0 after" in text
    assert "`make bench-delays`" in text.split("##")[0]
    assert all(f"## {sheet.title}" in text for sheet in sheets(DELAYS))
    assert "](delays.png)" in text
    assert not re.search(r"{\w+}", text)


def test_latency_beside_other_work_is_compared_with_the_loop_alone():
    found = Latencies.compared[0]

    assert found.base("50 records/s, beside a stuck key", "kafka-parallel") == ("50 records/s, alone", "poll loop")

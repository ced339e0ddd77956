"""The draw of a run: the same in each of its processes, and all tests where that is asked for."""

from __future__ import annotations

import pytest

from tests import lot

ITEMS = list(range(1000))


@pytest.fixture(autouse=True)
def _no_wish(monkeypatch):
    monkeypatch.delenv("KAFKA_PARALLEL_TESTS", raising=False)


def test_the_processes_of_a_run_draw_alike_and_other_runs_draw_others(monkeypatch):
    drawn = []
    for run in ("a", "a", "b"):
        monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", run)
        drawn.append(lot.drawn(ITEMS, 20))

    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(some) for some in drawn] == [20, 20, 20]
    assert drawn[0] == sorted(set(drawn[0]))


def test_all_are_drawn_where_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("KAFKA_PARALLEL_TESTS", "all")

    assert lot.drawn(ITEMS, 20) == ITEMS


def test_another_wish_is_refused(monkeypatch):
    monkeypatch.setenv("KAFKA_PARALLEL_TESTS", "al")

    with pytest.raises(ValueError, match="KAFKA_PARALLEL_TESTS is 'al'; it can be 'all' or not set"):
        lot.drawn(ITEMS, 20)


def test_a_file_counts_for_its_folders_and_no_other(monkeypatch):
    path = lot.ROOT / "kafka_parallel/_core/chunk.py"
    monkeypatch.setattr(lot, "changed", lambda: frozenset({path}))

    assert lot.has_changed("tests", "kafka_parallel/_core")
    assert lot.has_changed("kafka_parallel")
    assert not lot.has_changed("tests", "kafka_parallel/_core/chunk", "kafka")

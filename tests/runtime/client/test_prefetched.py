"""Everything that the client has parsed in advance is forgotten, wherever its version keeps it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.client.prefetched import forget_parsed, free_parking


class Parsed:
    """Records of one partition that were parsed and not handed out."""

    def __init__(self, records=3):
        self.left = records

    def __bool__(self):
        return self.left > 0

    def drain(self):
        self.left = 0


def test_the_records_that_come_next_are_drained():
    parsed = Parsed()
    fetcher = SimpleNamespace(_next_partition_records=parsed)

    forget_parsed(fetcher)

    assert not parsed
    assert fetcher._next_partition_records is None


def test_those_of_paused_partitions_are_drained_as_well():
    parked = [Parsed(), Parsed()]
    fetcher = SimpleNamespace(_next_partition_records=None, _paused_partition_records=dict(enumerate(parked)))

    forget_parsed(fetcher)

    assert not any(parked)
    assert fetcher._paused_partition_records == {}


def test_an_error_of_parsing_is_forgotten():
    fetcher = SimpleNamespace(_next_partition_records=None, _next_in_line_exception_metadata=object())

    forget_parsed(fetcher)

    assert fetcher._next_in_line_exception_metadata is None


def test_nothing_is_added_to_a_fetcher_that_parses_nothing_in_advance():
    fetcher = SimpleNamespace()

    forget_parsed(fetcher)

    assert vars(fetcher) == {}


@pytest.mark.parametrize(
    ("parked", "current", "after"),
    [({"p": ["record"]}, [], None), ({"p": ["record"]}, ["unread"], ["unread"]), ({}, [], [])],
)
def test_parked_records_are_freed_once_the_current_batch_is_read(parked, current, after):
    fetcher = SimpleNamespace(_paused_partition_records=parked, _next_partition_records=current)

    free_parking(fetcher)

    assert fetcher._next_partition_records == after


def test_2_x_parks_nothing():
    free_parking(SimpleNamespace())

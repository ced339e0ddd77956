"""Time is sampled without favour: every attempt is charged with what it took, to within a point or on average."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel_plugins.key_names import LONGEST_KEY, hash_of, hash_of_name, name_of
from kafka_parallel_plugins.timing_metrics.time_takers import TICK, Ticks, TimeTakers, sample
from tests.plugins.timing_consumer import raw

durations = st.lists(st.floats(0, 0.02), max_size=200)


class Hostile:
    """A key as a deserialiser may make it: nothing that is asked of it works."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    def __repr__(self):
        raise RuntimeError("not to be shown")

    __str__ = __bytes__ = __repr__


@given(durations)
def test_there_is_one_point_in_each_millisecond(durations):
    ticks = Ticks()

    passed = sum(map(ticks.pass_over, durations))

    assert abs(passed - sum(durations) / TICK) <= 1


@given(st.lists(durations, max_size=20))
def test_time_without_a_point_can_be_skipped_at_once(chunks):
    one_by_one, at_once = Ticks(), Ticks()

    for chunk in chunks:
        expected = sum(map(one_by_one.pass_over, chunk))
        assert (0 if at_once.skips(sum(chunk)) else sum(map(at_once.pass_over, chunk))) == pytest.approx(expected)


def test_handlers_in_step_with_the_points_are_charged_as_they_took():
    ticks, charged = Ticks(), {0.3: 0, 0.7: 0}

    for _ in range(10_000):
        for milliseconds in charged:
            charged[milliseconds] += ticks.pass_over(milliseconds / 1000)

    assert charged == {0.3: pytest.approx(3_000, rel=0.05), 0.7: pytest.approx(7_000, rel=0.05)}


def test_a_duration_below_zero_takes_nothing_back():
    ticks = Ticks()

    assert ticks.skips(-5.0)

    assert abs(ticks.pass_over(0.01) - 10) <= 1


def test_short_attempts_are_charged_on_average():
    ticks, takers = Ticks(), TimeTakers()
    for _ in range(1_000):
        handled = [(raw(partition=n % 2), 1, 0.0, 0.0, 0.00003 if n % 2 else 0.00001, None) for n in range(100)]
        sample(handled, None, ticks, takers, with_keys=False)

    assert takers.partitions == {0: pytest.approx(0.5, rel=0.1), 1: pytest.approx(1.5, rel=0.1)}


@pytest.mark.parametrize("key", [b"alice", b"", b"x" * LONGEST_KEY, "alice", 7, 1.5, True])
def test_a_key_that_is_short_is_its_own_name(key):
    expected = key if isinstance(key, bytes) else key.encode() if isinstance(key, str) else str(key).encode()

    name = name_of(key, whole=True)

    assert name == expected
    assert name_of(key, whole=False) == hash_of_name(name) == hash_of(expected)


@pytest.mark.parametrize("key", [b"x" * 65, b"x" * 10_000_000, "ü" * 1_000, "\ud800" * 100])
def test_a_long_key_is_named_by_its_beginning_and_its_hash(key):
    name = name_of(key, whole=True)

    assert len(name) < 2 * LONGEST_KEY
    assert hash_of_name(name) == name_of(key, whole=False)


def test_long_keys_of_the_same_beginning_are_told_apart():
    assert name_of(b"x" * 500 + b"1", whole=True) != name_of(b"x" * 500 + b"2", whole=True)
    assert name_of(b"x" * 5_000, whole=True) != name_of(b"x" * 6_000, whole=True)


@pytest.mark.parametrize("key", [Hostile(), {"id": 1}, ["a"], {1}, object()])
def test_an_object_is_named_by_its_type(key):
    assert type(key).__name__.encode() in name_of(key, whole=True)
    assert name_of(key, whole=False) == hash_of(name_of(key, whole=True))


def test_no_key_has_no_name():
    assert name_of(None, whole=True) is None
    assert name_of(None, whole=False) is None


def test_a_hash_is_the_same_in_every_process():
    assert hash_of(b"alice") == hashlib.blake2b(b"alice5", digest_size=4).hexdigest()

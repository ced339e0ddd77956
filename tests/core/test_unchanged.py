"""Things that have been as they are for too long are told of, at intervals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel._core.unchanged import Unchanged

AGAIN_AFTER = 60.0


def test_a_partition_is_told_of_once_it_stood_long_enough_and_then_once_a_minute():
    stands = Unchanged(10.0, AGAIN_AFTER)

    assert stands.look({"p": 5}, 0.0) == {}
    assert stands.look({"p": 5}, 9.0) == {}
    assert stands.look({"p": 5}, 10.0) == {"p": 10.0}
    assert stands.look({"p": 5}, 20.0) == {}
    assert stands.look({"p": 5}, 10.0 + AGAIN_AFTER) == {"p": 10.0 + AGAIN_AFTER}


def test_a_partition_that_moves_or_empties_starts_anew():
    stands = Unchanged(10.0, AGAIN_AFTER)
    stands.look({"p": 5, "q": 1}, 0.0)

    assert stands.look({"p": 6, "q": 1}, 10.0) == {"q": 10.0}
    assert stands.look({"p": 6}, 20.0) == {"p": 10.0}
    assert stands.look({"p": 6, "q": 1}, 21.0) == {}
    assert stands.look({"p": 6, "q": 1}, 31.0) == {"q": 10.0}


@given(st.lists(st.tuples(st.integers(1, 40), st.dictionaries(st.sampled_from("pq"), st.integers(0, 2))), max_size=40))
def test_what_is_told_stood_at_every_look_for_as_long_as_is_said(looks):
    stands, now, seen = Unchanged(30.0, AGAIN_AFTER), 0.0, []
    for passed, offsets in looks:
        now += passed
        seen.append((now, offsets))
        for partition, seconds in stands.look(offsets, now).items():
            since = [at for at, _ in seen if at >= now - seconds]
            assert seconds >= 30.0
            assert since[0] == now - seconds
            assert {found.get(partition) for at, found in seen if at >= since[0]} == {offsets[partition]}


class TestUnchanged:
    def test_each_is_told_once_when_it_was_seen_for_long_enough(self):
        found = Unchanged(10.0)

        assert found.look(dict.fromkeys(["a"]), 0.0) == {}
        assert found.look(dict.fromkeys(["a", "b"]), 9.0) == {}
        assert found.look(dict.fromkeys(["a", "b"]), 10.0) == {"a": 10.0}
        assert found.look(dict.fromkeys(["a", "b"]), 11.0) == {}
        assert found.look(dict.fromkeys(["a", "b"]), 19.0) == {"b": 10.0}

    def test_one_that_came_back_begins_anew(self):
        found = Unchanged(10.0)
        found.look(dict.fromkeys(["a"]), 0.0)
        found.look(dict.fromkeys([]), 5.0)
        found.look(dict.fromkeys(["a"]), 6.0)

        assert found.look(dict.fromkeys(["a"]), 15.0) == {}
        assert found.look(dict.fromkeys(["a"]), 16.0) == {"a": 10.0}

    def test_it_need_not_be_asked_all_the_time(self):
        found = Unchanged(8.0)
        found.look(dict.fromkeys([]), 0.0)

        assert not found.is_due(0.9)
        assert found.is_due(1.0)

    @given(st.lists(st.tuples(st.floats(0.1, 3.0), st.frozensets(st.sampled_from("abc"))), max_size=40))
    def test_who_is_told_of_has_been_there_all_the_time(self, looks):
        found, now, seen = Unchanged(5.0), 0.0, []
        for wait, at_work in looks:
            now += wait
            seen.append((now, at_work))
            for who, seconds in found.look(dict.fromkeys(at_work), now).items():
                assert seconds >= 5.0
                assert all(who in there for at, there in seen if at >= now - seconds)

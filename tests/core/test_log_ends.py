"""The ends of logs: which numbers are too old to be told, and when the cluster is asked."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
from hypothesis import given

from kafka_parallel._core.log_ends import ASK_AFTER, LOOK, PATIENCE, STALE, WANTED, FetchedEnd, LogEnds


def fetched(offset, *, is_current=False):
    return {"p": FetchedEnd(offset, is_current)}


class Loop:
    """A loop that looks whenever that is due, and a cluster that answers after *answers_in* seconds, if at all."""

    def __init__(self, answers_in=0.0):
        self.ends, self.now = LogEnds(), 0.0
        self.asked = []
        self._answers_in = answers_in
        self._coming = []

    def go_on(self, until, end, *, log_end=None, wants=True):
        while self.now < until:
            self.now = min(until, self.now + 0.5)
            if wants:
                self.ends.want(self.now)
            self._take_answers(end)
            if self.ends.note_round(self.now) and (partitions := self.ends.look(end, self.now)):
                self.asked.append((self.now, partitions))
                if self._answers_in is not None:
                    self._coming.append((self.now + self._answers_in, self.now, log_end))
        return self.ends.known(end, self.now)

    def _take_answers(self, end):
        due = [coming for coming in self._coming if coming[0] <= self.now]
        self._coming = [coming for coming in self._coming if coming[0] > self.now]
        for _, asked_at, log_end in due:
            self.ends.answered({} if log_end is None else dict.fromkeys(end, log_end), asked_at)


def test_nothing_is_known_before_the_first_fetch():
    assert LogEnds().known(fetched(None), 0.0) == {}


def test_the_first_question_of_all_is_answered_with_the_last_fetch():
    assert LogEnds().known(fetched(7), 100.0) == {"p": 7}


def test_a_client_that_stands_at_the_end_and_fetches_knows_it_however_long_ago_it_changed():
    assert Loop().go_on(1000.0, fetched(7, is_current=True), wants=False) == {"p": 7}


def test_a_client_that_stands_at_the_end_is_not_believed_when_the_cluster_does_not_answer():
    loop = Loop(answers_in=None)
    loop.go_on(ASK_AFTER + LOOK, fetched(7, is_current=True))
    assert loop.asked

    assert loop.go_on(STALE + 2 * LOOK, fetched(7, is_current=True)) == {}
    loop.ends.answered({"p": 7}, loop.now)
    assert loop.go_on(loop.now + 1, fetched(7, is_current=True)) == {"p": 7}


def test_while_the_loop_does_not_come_round_a_client_brings_nothing():
    loop = Loop()
    loop.go_on(1.0, fetched(7, is_current=True))

    assert loop.ends.known(fetched(7, is_current=True), 1.0 + STALE) == {"p": 7}
    assert loop.ends.known(fetched(7, is_current=True), 2.0 + STALE) == {}


def test_a_partition_that_is_not_fetched_is_asked_for_in_time():
    loop = Loop()
    loop.go_on(1.0, fetched(7), log_end=7)

    assert loop.go_on(ASK_AFTER + LOOK + 1, fetched(7), log_end=9) == {"p": 9}
    assert len(loop.asked) == 1


def test_no_number_is_told_that_is_too_old():
    loop = Loop(answers_in=None)
    assert loop.go_on(STALE, fetched(7)) == {"p": 7}

    assert loop.go_on(STALE + 1, fetched(7)) == {}
    assert loop.ends.known(fetched(8), loop.now) == {"p": 8}, "a fetch has told it since the last look"


def test_an_answer_gets_too_old_as_well():
    loop = Loop(answers_in=1.0)
    loop.go_on(ASK_AFTER + LOOK + 2, fetched(7), log_end=9)
    [(asked_at, _)] = loop.asked

    assert loop.ends.known(fetched(7), asked_at + STALE) == {"p": 9}
    assert loop.ends.known(fetched(7), asked_at + STALE + 1) == {}


def test_without_a_thread_that_wants_to_know_nothing_is_asked():
    loop = Loop()
    loop.go_on(1000.0, fetched(7), wants=False)
    assert loop.asked == []

    loop.go_on(1000.0 + LOOK / 2, fetched(7), log_end=9)

    assert [at for at, _ in loop.asked] == [1000.5], "the first one for long does not wait for the next look"
    assert loop.ends.known(fetched(7), loop.now) == {"p": 9}


def test_the_asking_ends_after_the_last_question():
    loop = Loop()
    loop.go_on(100.0, fetched(7), log_end=9)
    loop.asked.clear()
    loop.go_on(1000.0, fetched(7), log_end=9, wants=False)

    assert loop.asked[-1][0] <= 100.0 + WANTED
    assert len(loop.asked) <= WANTED / ASK_AFTER + 1


def test_a_cluster_that_does_not_answer_is_asked_again_and_not_all_the_time():
    loop = Loop(answers_in=None)
    loop.go_on(200.0, fetched(7))

    times = [at for at, _ in loop.asked]
    assert all(later - earlier >= PATIENCE for earlier, later in itertools.pairwise(times))
    assert 10 <= len(times) <= 200 / PATIENCE


def test_an_answer_that_does_not_know_the_partition_is_asked_for_again():
    loop = Loop()
    loop.go_on(ASK_AFTER + 3 * LOOK, fetched(7), log_end=None)

    assert len(loop.asked) >= 2


def test_partitions_that_will_need_it_soon_are_asked_for_together():
    ends = LogEnds()
    ends.want(0.0)
    old, soon, new = FetchedEnd(1, False), FetchedEnd(2, False), FetchedEnd(3, False)
    ends.look({"old": old}, 0.0)
    ends.look({"old": old, "soon": soon}, ASK_AFTER / 4)
    ends.look({"old": old, "soon": soon}, ASK_AFTER - 2)
    ends.look({"old": old, "soon": soon, "new": new}, ASK_AFTER - 1)

    assert ends.look({"old": old, "soon": soon, "new": new}, ASK_AFTER) == ["old", "soon"]


def test_a_partition_that_left_is_forgotten():
    ends = LogEnds()
    ends.look(fetched(7), 0.0)
    ends.answered({"p": 9}, 0.0)
    ends.look({}, 1.0)

    assert ends.known(fetched(None), 1.0) == {}


STEPS = st.lists(
    st.tuples(
        st.floats(0.1, 40), st.integers(0, 3), st.sampled_from(["stall", "stand", "fetch", "fetch all"]), st.booleans()
    ),
    max_size=40,
)


@given(STEPS)
def test_a_number_that_is_told_was_true_not_long_ago(steps):
    """A log grows, the client fetches some of it or all or nothing, the loop stalls, and answers come or not."""
    ends, now, log, end = LogEnds(), 0.0, [(0.0, 0)], FetchedEnd(None, is_current=False)
    ends.note_round(now)
    ends.look({"p": end}, now)
    for wait, more, act, answers in steps:
        now += wait
        log.append((now, log[-1][1] + more))
        if act in ("fetch", "fetch all") or (act == "stand" and end.is_current):
            end = FetchedEnd(log[-1][1], is_current=act != "fetch")
        if answers:
            ends.answered({"p": log[-1][1]}, now)
        if act != "stall" and ends.note_round(now):
            ends.look({"p": end}, now)
        lately = max((offset for at, offset in log if at <= now - STALE), default=0)
        for told in ends.known({"p": end}, now).values():
            assert lately <= told <= log[-1][1]

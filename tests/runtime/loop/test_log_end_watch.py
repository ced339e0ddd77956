"""The loop keeps ends fresh that some thread wants to know, and never waits for them."""

from __future__ import annotations

from kafka import TopicPartition

from kafka_parallel._core.log_ends import ASK_AFTER, LOOK, FetchedEnd
from kafka_parallel._runtime.loop.log_end_watch import LogEndWatch
from kafka_parallel.testing import ManualClock

P = TopicPartition("t", 0)


class Client:
    """A client's partitions, one of them and paused, and a cluster whose answers the test gives."""

    def __init__(self):
        self.asked = []

    def fetched_ends(self):
        return {P: FetchedEnd(5, is_current=False)}

    def ask_for_ends(self, partitions, answered):
        self.asked.append((list(partitions), answered))


def watched():
    clock, client = ManualClock(), Client()
    watch = LogEndWatch(client, clock)

    def go_on(seconds):
        for _ in range(int(seconds * 2)):
            clock.advance(0.5)
            watch.look_if_due(clock.now)

    return client, watch, go_on


def test_an_answer_is_taken_in_at_the_next_round():
    client, watch, go_on = watched()
    watch.known()
    go_on(ASK_AFTER + LOOK)
    [(partitions, answered)] = client.asked
    assert partitions == [P]
    answered({P: 9})
    assert watch.known() == {P: 5}

    go_on(0.5)

    assert watch.known() == {P: 9}


def test_while_no_thread_wants_them_nothing_is_asked():
    client, _, go_on = watched()
    go_on(100)

    assert client.asked == []

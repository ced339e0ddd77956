"""The table of user code in the places that are not in every run: keys, delays, rebalance listeners.

The oracle is that of ``test_user_code.py``: a record is handled, or ``on_error`` was asked about it, or run() ended
with the error and the record is not committed. Committed and none of these may never be, and no cell may hang.
"""

from __future__ import annotations

import threading

import pytest
from kafka import ConsumerRebalanceListener, TopicPartition

from kafka_parallel import DelayedTopics, hookimpl
from kafka_parallel.testing.simulation.user_code import BEHAVIOURS, Behaviour
from tests.runtime.app import GROUP, TOPIC, App
from tests.runtime.cell import ODD, WATCHDOG, Cell, require

ALL = pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)
UNAWAITED = pytest.mark.filterwarnings("ignore:coroutine '_await:RuntimeWarning")
RECORDS = 3


class Key:
    """A key of the user's own class; equal to all others."""

    def __init__(self, act, place):
        self._act, self._place = act, place

    def __hash__(self):
        return self._act() if self._place == "hash" else 1

    def __eq__(self, other):
        acting = [key for key in (self, other) if key._place == "equal"]
        return acting[0]._act() if acting else True


# Behaviours that answer None, so that a key compared by them equals nothing.
FALSE = {"returns None", "calls statistics()", "changes its argument"}


def ordering_by(behaviour, place, meaning, raises):
    """Let the ordering answer a key that behaves so, for the odd record."""
    return Behaviour(behaviour.name, lambda given, public: Key(lambda: behaviour.act(given, public), place), meaning,
                     raises)  # fmt: skip


@ALL
@UNAWAITED
def test_the_hash_of_a_key(behaviour):
    """Python itself refuses a value that is not a number."""
    meaning = behaviour.meaning if behaviour.raises else "failed"
    cell = Cell("ordering", ordering_by(behaviour, "hash", meaning, behaviour.raises or TypeError))

    require(cell.run(), meaning, "prepare")


def run(app, handler, **options):
    """Run on a thread; return the error of run(). A run that hangs has failed."""
    ended = []
    thread = threading.Thread(target=lambda: ended.append(app.run(handler, **options)), daemon=True)
    thread.start()
    thread.join(WATCHDOG)
    assert ended, "it hangs"
    return ended[0]


@ALL
@UNAWAITED
def test_the_comparison_of_a_key(behaviour):
    """Any answer is true or false to Python: a key that does not equal itself has failed, as one that raises has."""
    app = App(RECORDS)

    def order(record):
        return Key(lambda: behaviour.act(record, None), "equal" if record.offset == ODD else None)

    error = run(app, lambda _: None, ordering=order)

    assert app.committed <= len(app.handled)
    if behaviour.raises is None and behaviour.name not in FALSE:
        assert (error, app.committed) == (None, RECORDS)
    else:
        assert error is not None
        assert app.committed <= ODD


@ALL
@UNAWAITED
def test_the_delay_of_a_record(behaviour):
    """The bare client delays nothing, so a delay that cannot be told is none."""
    app = App(RECORDS)
    app.cluster.create_topic("later")
    app.cluster.append("later", b"0", b"key", partition=0)
    seen = []

    class Later:
        @hookimpl
        def provide_topics(self):
            return DelayedTopics({"later": TOPIC}, lambda record, now: behaviour.act(record, None))

    error = run(app, lambda record: seen.append(record.topic), plugins=[Later()])

    if behaviour.meaning == "fatal":
        assert type(error) is behaviour.raises
        committed = app.cluster.committed(GROUP, TopicPartition("later", 0))
        assert committed is None or committed.offset == 0
    else:
        assert (error, app.committed) == (None, RECORDS)
        assert len(seen) == RECORDS + 1


@ALL
@UNAWAITED
@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_a_rebalance_listener(behaviour, habits):
    """kafka-python 2.x logs its error, and 3.x ends poll() with it; nothing is committed that was not handled."""
    app = App(RECORDS)

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            """Does nothing."""

        def on_partitions_assigned(self, assigned):
            return behaviour.act(assigned, None)

    consumer = app.consumer(habits=habits)
    consumer.subscribe([TOPIC], listener=Listener())
    ended = []
    thread = threading.Thread(target=lambda: ended.append(app.run_on(consumer)), daemon=True)
    thread.start()
    thread.join(WATCHDOG)

    assert ended, "it hangs"
    assert app.committed == len(app.handled)
    assert ended[0] is not None or app.committed == RECORDS

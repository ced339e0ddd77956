"""A rebalance is told to us first, then to the user's listener; the client hears of an error."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.client.rebalance_listener import IoThreadListener, PollListener, chained_listener

CALLBACKS = ["on_partitions_revoked", "on_partitions_assigned", "on_partitions_lost"]


class Heard:
    """Notes of ours and of the user's own listener, in order."""

    def __init__(self):
        self.told = []

    def act(self, what):
        return lambda partitions: self.told.append(("ours", what, partitions))

    def on_partitions_revoked(self, partitions):
        self.told.append(("the user's", "revoked", partitions))

    def on_partitions_assigned(self, partitions):
        self.told.append(("the user's", "assigned", partitions))


class Awaiting(Heard):
    """A listener of 3.x that is asynchronous itself."""

    async def on_partitions_lost(self, partitions):
        await asyncio.sleep(0)
        self.told.append(("the user's", "lost", partitions))


def start_thread(act, name):
    thread = threading.Thread(target=act, name=name)
    thread.start()
    return thread


def listener_of(heard, users, **consumer):
    acts = [heard.act(what) for what in ("assigned", "revoked", "lost")]
    return chained_listener(SimpleNamespace(**consumer), users, start_thread, *acts)


def io_thread():
    return SimpleNamespace(sleep=asyncio.sleep)


def test_a_client_without_an_io_thread_is_told_at_once():
    heard = Heard()
    listener = listener_of(heard, heard)
    assert isinstance(listener, PollListener)

    listener.on_partitions_revoked(["p"])
    listener.on_partitions_assigned(["q"])

    assert heard.told == [
        ("ours", "revoked", frozenset("p")), ("the user's", "revoked", ["p"]),
        ("ours", "assigned", frozenset("q")), ("the user's", "assigned", ["q"]),
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["revoked", "assigned", "lost"])
def test_on_an_io_thread_ours_has_ended_before_the_users_begins(what):
    heard = Awaiting()
    listener = listener_of(heard, heard, _net=io_thread())
    assert isinstance(listener, IoThreadListener)

    asyncio.run(getattr(listener, f"on_partitions_{what}")(["p"]))

    assert heard.told == [("ours", what, frozenset("p")), ("the user's", what, ["p"])]


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("users", [None, object()])
def test_a_listener_that_the_user_does_not_have_or_that_lacks_a_callback_is_passed_over(callback, users):
    heard = Heard()

    asyncio.run(getattr(listener_of(heard, users, _net=io_thread()), callback)(["p"]))

    assert len(heard.told) == 1


def test_what_ours_raises_is_raised_to_the_client_and_the_user_hears_nothing():
    heard = Heard()

    def refuse(partitions):
        raise LookupError

    listener = IoThreadListener(SimpleNamespace(_net=io_thread()), heard, start_thread, {"revoked": refuse})

    with pytest.raises(LookupError):
        asyncio.run(listener.on_partitions_revoked(["p"]))
    assert heard.told == []


def test_the_clients_loop_goes_on_while_ours_acts():
    may_end, beats = threading.Event(), []

    async def sleep(seconds):
        beats.append(seconds)
        may_end.set()
        await asyncio.sleep(0)

    acts = {"revoked": lambda partitions: may_end.wait(30)}
    listener = IoThreadListener(SimpleNamespace(_net=SimpleNamespace(sleep=sleep)), None, start_thread, acts)

    asyncio.run(listener.on_partitions_revoked(["p"]))

    assert beats, "a heartbeat could be sent"

"""State that several threads of an executor share is safe, whichever of them acts between two steps of another.

Kind: a container that one thread goes through while another changes it, and an object that is shown before it is ready.
Without a global interpreter lock both happen every few runs; here the second thread acts in the middle on purpose.
"""

from __future__ import annotations

import threading
from collections import deque

from kafka_parallel_plugins import thread_pool
from kafka_parallel_plugins.chunk_size import WINDOW, ChunkSizer
from kafka_parallel_plugins.thread_pool import Threads

# How long another thread gets to act, in seconds; one that waits for a lock has not acted by then.
A_MOMENT = 0.2


class Interrupted(deque):
    """Lets another thread act after the first item was read."""

    def __init__(self, items, act):
        super().__init__(items, maxlen=WINDOW)
        self._act = act
        self.others = []

    def __iter__(self):
        items = super().__iter__()
        yield next(items)
        other = threading.Thread(target=self._act)
        self.others.append(other)
        other.start()
        other.join(A_MOMENT)
        yield from items


def test_handler_times_may_come_from_several_threads_at_once():
    sizer, errors = ChunkSizer(), []
    sizer._times = Interrupted([0.1] * 3, lambda: sizer.saw(0.1, 3))

    for _ in range(8):
        try:
            sizer.saw(0.1, 1)
        except RuntimeError as error:
            errors.append(error)
    for other in sizer._times.others:
        other.join()

    assert errors == []
    assert sizer.limit == 1


class NoWork:
    """Has nothing to do, and never will."""

    def next_chunk(self, limit, done=None):
        return None


def test_a_pool_may_be_joined_while_it_starts_a_thread(monkeypatch):
    starts, errors = threading.Event(), []

    class SlowThread(threading.Thread):
        def start(self):
            starts.set()
            joins.join(A_MOMENT)
            super().start()

    pool = Threads(2)

    def join():
        starts.wait()
        try:
            pool.join(10)
        except RuntimeError as error:
            errors.append(error)

    joins = threading.Thread(target=join)
    joins.start()
    with monkeypatch.context() as patched:
        patched.setattr(thread_pool.threading, "Thread", SlowThread)
        pool.start(NoWork())
    joins.join()

    assert errors == []

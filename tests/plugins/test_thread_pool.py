"""There are as many threads as work needs, and no more than workers."""

from __future__ import annotations

import queue
import threading

from kafka_parallel_plugins.thread_pool import Threads

PATIENCE = 120


class Work:
    """Hands out chunks of one task each; a task is a function."""

    def __init__(self):
        self.chunks, self.finished, self.failures = queue.Queue(), queue.Queue(), []

    def next_chunk(self, _, done=None):
        if done is not None:
            self.finish(done)
        return self.chunks.get(timeout=PATIENCE)

    def run(self, _, task):
        task()
        return True

    def finish(self, chunk):
        self.finished.put(chunk)

    def fail(self, error):
        self.failures.append(error)


def threads_there():
    return {thread for thread in threading.enumerate() if thread.name.startswith("kafka-parallel-")}


def started(workers, work):
    pool, before = Threads(workers), threads_there()
    pool.start(work)
    return pool, lambda: len(threads_there() - before)


def ended(pool, work, threads):
    for _ in range(threads):
        work.chunks.put(None)
    return pool.join(PATIENCE)


def test_a_thread_waits_beside_those_that_work():
    work = Work()
    pool, count = started(64, work)
    assert count() == 1

    for _ in range(20):
        work.chunks.put([lambda: None])
        work.finished.get(timeout=PATIENCE)

    assert count() < 32
    assert ended(pool, work, count())
    assert not work.failures


def test_all_workers_work_at_once_and_there_are_no_more():
    work, gate = Work(), threading.Barrier(4)
    pool, count = started(4, work)

    for _ in range(8):
        work.chunks.put([lambda: gate.wait(PATIENCE)])
    for _ in range(8):
        work.finished.get(timeout=PATIENCE)

    assert count() == 4
    assert ended(pool, work, 4)
    assert not work.failures

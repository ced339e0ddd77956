"""After poll() has failed for good, everything that was taken is finished, up to a limit."""

from __future__ import annotations

from kafka_parallel._runtime.loop.finishing import LOOK, finish_buffered


class Meanwhile:
    """A clock, a queue whose records are finished at a moment, and a watch; each wait takes its time.

    :param done_at: when everything that was taken is finished.
    """

    def __init__(self, done_at=float("inf")):
        self._done_at = done_at
        self.now = 0.0
        self.looks = self.commits = 0

    def monotonic(self):
        return self.now

    def check(self):
        self.looks += 1

    def commit_if_due(self):
        self.commits += 1

    def wait_until(self, predicate, timeout):
        self.now += timeout
        return self.now >= self._done_at

    def finish(self, longest, must_leave=lambda: False):
        finish_buffered(self, self, self, longest, must_leave, self.commit_if_due)
        return self


def test_it_ends_when_everything_is_finished():
    assert 1.0 <= Meanwhile(done_at=1.0).finish(longest=100.0).now < 1.0 + 2 * LOOK


def test_it_ends_when_it_has_taken_long_enough():
    found = Meanwhile().finish(longest=3.0)

    assert 3.0 <= found.now < 3.0 + LOOK


def test_it_ends_when_there_is_another_reason_to_leave():
    found = Meanwhile()
    found.finish(longest=100.0, must_leave=lambda: found.now >= 2.0)

    assert 2.0 <= found.now < 2.0 + 2 * LOOK


def test_meanwhile_slow_handlers_are_looked_after_and_commits_are_made():
    found = Meanwhile().finish(longest=1.0)

    assert found.looks == found.commits >= 1.0 / LOOK - 1

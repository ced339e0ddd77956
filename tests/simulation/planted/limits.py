"""Bugs of the limits: more than a crash may repeat, and partitions that stand still below their limit."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take all of a poll, whatever a crash may repeat",
        where="kafka_parallel._core.backpressure:Backpressure.fitting",
        old="tasks[-1].offset < end",
        new="True",
    ),
    Bug(
        "ask for less than nothing after a jump",
        where="kafka_parallel._core.backpressure:Backpressure.decide_pauses",
        old="[*fed, *held, *self._stretched]",
        new="[*fed, *held]",
        executor="tests/core/test_backpressure.py::"
        "test_a_partition_that_a_jump_widens_beyond_its_span_is_paused_and_no_other",
    ),
    Bug(
        "count from what could be committed, not from what is",
        where="kafka_parallel._core.backpressure:Backpressure._base",
        old="assignment.restart_at if self._commits else assignment.ledger.committable",
        new="assignment.ledger.committable",
    ),
    Bug(
        "forget to fetch again what max_uncommitted kept out",
        where="kafka_parallel._core.scheduler:Scheduler.feed",
        old="kept_out[partition] = tasks[len(fitting)].offset",
        new="pass",
    ),
    Bug(
        "count no offsets that hold no record",
        where="kafka_parallel._core.backpressure:Backpressure.fitting",
        old="base + self.limits.uncommitted",
        new="tasks[0].offset + self.limits.uncommitted",
    ),
    Bug(
        "let a partition's records go ahead of its own",
        where="kafka_parallel._core.fairness:Arrivals.go_ahead",
        old="max(self.reached, turn.last + step)",
        new="self.reached",
        executor="tests/core/test_fairness.py::test_a_quiet_partition_that_comes_again_and_again_does_not_starve_a_busy_one",
    ),
    Bug(
        "let a record go ahead into a lane that is held",
        where="kafka_parallel._core.ordering:ReadyQueue._add_ahead",
        old="not lane.held and not lane.waiting",
        new="not lane.waiting",
    ),
    Bug(
        "forget the records behind those that go ahead",
        where="kafka_parallel._core.ordering:ReadyQueue.enqueue",
        old="tasks[ahead:]",
        new="()",
    ),
    Bug(
        "let a broker keep a fetch of empty partitions while others pause and resume",
        where="kafka_parallel._runtime.client.consumer_adapter:Client.resume",
        old="self._fetch_waits.pauses_changed()",
        new="pass",
        executor="tests/runtime/client/test_fetch_waits.py::"
        "test_a_consumer_that_was_taken_over_sends_short_fetches_after_a_change_of_pauses",
    ),
]

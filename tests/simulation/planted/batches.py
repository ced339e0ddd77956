"""Bugs about the outcome of a whole batch, and about the records of it that may run."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take places in a batch handler's sorted list for those of the records as they came",
        where="kafka_parallel._batch_places:require_places",
        old="len(left) != len(given) or any(map(is_not, given, left))",
        new="len(left) != len(given)",
        executor="tests/test_batch_places.py::test_places_in_a_changed_list_stop_the_run_and_nothing_is_committed",
    ),
    Bug(
        "take a batch for handled from which records were kept out",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchAttempts.decide",
        old="not run.failures and not run.outcomes",
        new="not run.failures",
        executor="tests/runtime/test_left_out.py::test_of_a_batch_those_that_are_left_out_are_skipped",
    ),
    Bug(
        "take a batch for handled of which records failed",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchAttempts.decide",
        old="not run.failures and not run.outcomes",
        new="not run.outcomes",
        executor="batch on thread-pool",
    ),
    Bug(
        "let go of the first key of a batch alone",
        where="kafka_parallel._core.dispatch:Dispatch._finish_batch",
        old="[unit.lane for unit in batch.units if unit.lane is not None]",
        new="[unit.lane for unit in batch.units if unit.lane is not None][:1]",
        executor="batch on thread-pool",
    ),
    Bug(
        "finish a batch for the assignment of its first record",
        where="kafka_parallel._core.dispatch:Dispatch._finish_batch",
        old="self._finish_all(assignment, [task.offset for task in tasks])",
        new="self._finish_all(batch.tasks[0].assignment, [task.offset for task in tasks])",
        executor="batch on thread-pool",
    ),
    Bug(
        "finish a record for which a plugin answered while one before it comes again",
        where="kafka_parallel._core.batch_chunk:_is_final",
        old="isinstance(outcome, (Skip, Failure)) and outcome is not LEFT_OUT",
        new="isinstance(outcome, (Skip, Failure))",
        executor="batch on thread-pool with deadline",
    ),
    Bug(
        "forget what did not fit into a batch",
        where="kafka_parallel._core.batch_groups:Group.pop_units",
        old="""
            if not fit:
                self.enter_older(entry)
                break
        """,
        new="""
            if not fit:
                break
        """,
        executor="batch on thread-pool",
    ),
    Bug(
        "let a batch wait from the time at which the record came that is to go first",
        where="kafka_parallel._core.batch_queue:BatchQueue._due",
        old="return group.waits_since() + self._limits.wait",
        new="""
            first = group.oldest()
            since = NEVER if first is None else -NEVER if first.assignment.draining else first.queued_at
            return since + self._limits.wait
        """,
        executor="batch on thread-pool",
    ),
]

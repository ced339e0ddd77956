"""Bugs about what a whole batch comes to, and about what of it may run."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take a batch for handled from which records were kept out",
        "_runtime/handlers/batch_attempt.py",
        "        if not run.failures and not run.outcomes:\n",
        "        if not run.failures:\n",
        "batch on thread-pool",
    ),
    Bug(
        "take a batch for handled of which records failed",
        "_runtime/handlers/batch_attempt.py",
        "        if not run.failures and not run.outcomes:\n",
        "        if not run.outcomes:\n",
        "batch on thread-pool",
    ),
    Bug(
        "let go of the first key of a batch alone",
        "_core/dispatch.py",
        "        lanes = [unit.lane for unit in batch.units if unit.lane is not None]\n",
        "        lanes = [unit.lane for unit in batch.units if unit.lane is not None][:1]\n",
        "batch on thread-pool",
    ),
    Bug(
        "finish a batch for the assignment of its first record",
        "_core/dispatch.py",
        "            self._finish_all(assignment, [task.offset for task in tasks])\n",
        "            self._finish_all(batch.tasks[0].assignment, [task.offset for task in tasks])\n",
        "batch on thread-pool",
    ),
    Bug(
        "forget what did not fit into a batch",
        "_core/batch_groups.py",
        "            if not fit:\n                self.enter_again(entry)\n                break\n",
        "            if not fit:\n                break\n",
        "batch on thread-pool",
    ),
    Bug(
        "let a batch wait from the time at which the record came that is to go first",
        "_core/batch_queue.py",
        "        return group.waits_since() + self._limits.wait\n",
        "        first = group.oldest()\n"
        "        since = NEVER if first is None else -NEVER if first.assignment.draining else first.queued_at\n"
        "        return since + self._limits.wait\n",
        "batch on thread-pool",
    ),
]

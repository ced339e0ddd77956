"""Bugs that the exploration must find, each in one of the small scopes."""

from __future__ import annotations

from tests.proof.stepping import Bug

LOST, LEAVES = "a retry, and the partition is lost", "a retry, and the partition leaves in good order"
BACKLOG, DEADLINE = "two workers, a key with a backlog", "a deadline, and a retry"
SENT, BATCHES = "sent away: a retry, and units come back", "batches: a retry and a skip"

BUGS = [
    Bug(
        "tell of the end of a unit in a second step",
        "chunk",
        "            self._settled.append((task, outcome, task.lane, ()))\n",
        "            self._settled.append((task, outcome, None, ()))\n"
        "            self._settled[-1:] = [(task, outcome, task.lane, ())]\n",
        LOST,
    ),
    Bug(
        "show the end of a unit before its last task is out of it",
        "chunk",
        "        task = unit.tasks.pop(0)\n        if unit.tasks and",
        "        task = unit.tasks[0]\n        if len(unit.tasks) == 1:\n"
        "            self._settled.append((task, outcome, unit.lane, unit.tasks))\n"
        "            self._claimed.pop(unit, None)\n            unit.tasks.pop(0)\n            return False\n"
        "        unit.tasks.pop(0)\n        if unit.tasks and",
        SENT,
    ),
    Bug(
        "forget what is settled while others are collected",
        "chunk",
        "        del told[: len(taken)]\n",
        "        told.clear()\n",
        LOST,
    ),
    Bug(
        "let a thief leave what it takes",
        "chunk",
        "                unit = self._units.pop(0)\n",
        "                unit = self._units[0]\n",
        BACKLOG,
    ),
    Bug(
        "do not expect that a thief is faster",
        "chunk",
        "            except IndexError:  # a thief was faster\n                return\n",
        "            except KeyError:\n                return\n",
        "two workers and records without a key",
    ),
    Bug(
        "take a last record that failed for one that was handled",
        "chunk",
        " or self._settled[0][1] is not None:",
        ":",
        LOST,
    ),
    Bug(
        "forget what came back",
        "chunk",
        "            self._units.insert(0, unit)\n",
        "            pass\n",
        SENT,
    ),
    Bug(
        "let a stale record hold its key for ever",
        "dispatch",
        "is_unfinished(outcome) and last.assignment.live",
        "is_unfinished(outcome)",
        LOST,
    ),
    Bug(
        "let go of a key whose record waits for its retry",
        "dispatch",
        "is_unfinished(outcome) and last.assignment.live",
        "isinstance(outcome, Failure) and last.assignment.live",
        "a retry in front of a backlog",
    ),
    Bug(
        "forget what stands behind a failed record",
        "dispatch",
        "        self._backlog.ready.put_first(lane, [task for task in tasks if task.assignment.live])\n",
        "        pass\n",
        SENT,
    ),
    Bug(
        "hold the keys of what a stuck worker had not begun",
        "dispatch",
        "            if unit.lane is not None and unit.lane is not held:",
        "            if unit.lane is not None and held is None:",
        DEADLINE,
    ),
    Bug(
        "hold the key of a late handler for ever",
        "dispatch",
        "            self._returned.add(handler)\n            return\n",
        "            return\n",
        DEADLINE,
    ),
    Bug(
        "let a key go on beside its late handler",
        "dispatch",
        "            if lane not in lanes:\n",
        "            if True:\n",
        "a deadline with a backlog, and the partition is lost",
    ),
    Bug(
        "hold the key of a retry that was dropped",
        "backlog",
        "            self.ready.release(lane)\n",
        "            pass\n",
        LEAVES,
    ),
    Bug(
        "commit the highest offset, not the contiguous one",
        "offsets",
        "candidate = self._order[0] if self._order else self._next",
        "candidate = self._next",
        "two commits while the partition is lost",
    ),
    Bug(
        "go on behind what was taken under the last assignment",
        "scheduler",
        "                assignment.ledger.committable, running",
        "                assignment.ledger.next, running",
        LEAVES,
    ),
    Bug(
        "forget the lane of a batch",
        "batch_chunk",
        "        ends.append((*first, unit.lane, back))\n",
        "        ends.append((*first, None, back))\n",
        BATCHES,
    ),
    Bug(
        "let go of the first key of a handled batch alone",
        "dispatch",
        "for unit in batch.units if unit.lane is not None]\n",
        "for unit in batch.units[:1] if unit.lane is not None]\n",
        BATCHES,
    ),
    Bug(
        "let what stands behind a failed record of a batch go",
        "batch_chunk",
        "        back = [task for task, outcome in behind if not _is_final(outcome)]\n",
        "        back = []\n",
        BATCHES,
    ),
]

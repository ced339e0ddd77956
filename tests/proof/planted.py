"""Bugs that the exploration must find, each in one of the small scopes."""

from __future__ import annotations

from tests.proof.stepping import Bug

LOST, LEAVES = "a retry, and the partition is lost", "a retry, and the partition leaves in good order"
BACKLOG, DEADLINE = "two workers, a key with a backlog", "a deadline, and a retry"
SENT, BATCHES = "sent away: a retry, and units come back", "batches: a retry and a skip"
BOTH_LEAVE = "one order for two partitions, and both leave"
ONE_LEAVES = "one order for two partitions, and one leaves before a retry"
SEEK = "a seek, and a retry"
STOPS = "one order for two partitions, and a failure stops us"

BUGS = [
    Bug(
        "tell of the end of a unit in a second step",
        where="kafka_parallel._core.chunk:TaskChunk.settle",
        old="self._settled.append((task, outcome, task.lane, ()))",
        new="""
            self._settled.append((task, outcome, None, ()))
            self._settled[-1:] = [(task, outcome, task.lane, ())]
        """,
        scope=LOST,
    ),
    Bug(
        "show the end of a unit before its last task is out of it",
        where="kafka_parallel._core.chunk:TaskChunk.settle_next",
        old="task = unit.tasks.pop(0)",
        new="""
            task = unit.tasks[0]
            if len(unit.tasks) == 1:
                self._settled.append((task, outcome, unit.lane, unit.tasks))
                self._claimed.pop(unit, None)
                unit.tasks.pop(0)
                return False
            unit.tasks.pop(0)
        """,
        scope=SENT,
    ),
    Bug(
        "forget what is settled while others are collected",
        where="kafka_parallel._core.chunk:take_all",
        old="del told[: len(taken)]",
        new="told.clear()",
        scope=LOST,
    ),
    Bug(
        "let a thief leave what it takes",
        where="kafka_parallel._core.chunk:TaskChunk.steal",
        old="self._units.pop(0)",
        new="self._units[0]",
        scope=BACKLOG,
    ),
    Bug(
        "do not expect that a thief is faster",
        where="kafka_parallel._core.chunk:TaskChunk.__iter__",
        old="""
            except IndexError:
                return
        """,
        new="""
            except KeyError:
                return
        """,
        scope="two workers and records without a key",
    ),
    Bug(
        "take a last record that failed for one that was handled",
        where="kafka_parallel._core.chunk:TaskChunk.collect_last",
        old="self.taken != 1 or len(self._settled) != 1 or self._settled[0][1] is not None",
        new="self.taken != 1 or len(self._settled) != 1",
        scope=LOST,
    ),
    Bug(
        "forget what came back",
        where="kafka_parallel._core.chunk:TaskChunk.unclaim",
        old="self._units.insert(0, unit)",
        new="pass",
        scope=SENT,
    ),
    Bug(
        "let a stale record hold its key for ever",
        where="kafka_parallel._core.dispatch:Dispatch._release",
        old="outcome is not NotRun and is_unfinished(outcome) and last.assignment.live",
        new="outcome is not NotRun and is_unfinished(outcome)",
        scope=LOST,
    ),
    Bug(
        "let go of a key whose record waits for its retry",
        where="kafka_parallel._core.dispatch:Dispatch._release",
        old="is_unfinished(outcome)",
        new="isinstance(outcome, Failure)",
        scope="a retry in front of a backlog",
    ),
    Bug(
        "let a record overtake a dropped one of another partition",
        where="kafka_parallel._core.dropping:_lower",
        old="is_blocked and task.assignment.draining",
        new="False",
        scope=BOTH_LEAVE,
    ),
    Bug(
        "wait for a retry of a partition that stays",
        where="kafka_parallel._core.backlog:Backlog.with_those_behind",
        old="*(task.lane for task in self.retries.after(end))",
        new="*()",
        scope=ONE_LEAVES,
    ),
    Bug(
        "wait for a record of another partition that stopped us",
        where="kafka_parallel._core.backlog:Backlog.with_those_behind",
        old="*self._stopped",
        new="*()",
        scope=STOPS,
    ),
    Bug(
        "count the records of a shared lane where it began",
        where="kafka_parallel._core.batch_queue:BatchQueue._group_of",
        old="task.assignment.scope",
        new="task.assignment.partition",
        scope="batches: one order for two partitions",
    ),
    Bug(
        "forget what stands behind a failed record",
        where="kafka_parallel._core.dispatch:Dispatch._requeue",
        old="self._backlog.ready.requeue(lane, [task for task in tasks if task.assignment.live])",
        new="pass",
        scope=SENT,
    ),
    Bug(
        "hold the keys of what a stuck worker had not begun",
        where="kafka_parallel._core.dispatch:Dispatch._hand_back",
        old="unit.lane is not held",
        new="held is None",
        scope=DEADLINE,
    ),
    Bug(
        "hold the key of a late handler for ever",
        where="kafka_parallel._core.dispatch:Dispatch.returned",
        old="self._returned.add(handler)",
        new="",
        scope=DEADLINE,
    ),
    Bug(
        "let a key go on beside its late handler",
        where="kafka_parallel._core.dispatch:Dispatch.expire",
        old="lane not in lanes",
        new="True",
        scope="a deadline with a backlog, and the partition is lost",
    ),
    Bug(
        "hold the key of a retry that was dropped",
        where="kafka_parallel._core.backlog:Backlog.drop_above",
        old="self.ready.release(lane)",
        new="pass",
        scope=LEAVES,
    ),
    Bug(
        "commit the highest offset, not the contiguous one",
        where="kafka_parallel._core.offsets:OffsetLedger.committable",
        old="self._order[0] if self._order else self._next",
        new="self._next",
        scope="two commits while the partition is lost",
    ),
    Bug(
        "go on behind what was taken under the last assignment",
        where="kafka_parallel._core.scheduler:Scheduler.end_assignments",
        old="assignment.ledger.committable",
        new="assignment.ledger.next",
        scope=LEAVES,
    ),
    Bug(
        "forget the lane of a batch",
        where="kafka_parallel._core.batch_chunk:BatchChunk._settle_unit",
        old="unit.lane",
        new="None",
        scope=BATCHES,
    ),
    Bug(
        "let go of the first key of a handled batch alone",
        where="kafka_parallel._core.dispatch:Dispatch._finish_batch",
        old="batch.units",
        new="batch.units[:1]",
        scope=BATCHES,
    ),
    Bug(
        "let what stands behind a failed record of a batch go",
        where="kafka_parallel._core.batch_chunk:BatchChunk._settle_unit",
        old="[task for task, outcome in behind if not _is_final(outcome)]",
        new="[]",
        scope=BATCHES,
    ),
    Bug(
        "give up what was taken below the target of a jump back",
        where="kafka_parallel._core.assignment:Assignment.go_on_from",
        old="found.ledger = self.ledger.below(position)",
        new="""
            found.ledger = OffsetLedger()
            found.ledger.begin_at(position)
        """,
        scope=SEEK,
    ),
    Bug(
        "let what runs above the target of a jump back finish what comes again",
        where="kafka_parallel._core.assignment:Assignment.go_on_from",
        old="self.kept_below, self.successor = position, found",
        new="self.kept_below, self.successor = 1 << 62, found",
        scope=SEEK,
    ),
    Bug(
        "lose what a worker has in its hands at a jump back",
        where="kafka_parallel._core.task:Task.follow",
        old="self.assignment = self.assignment.owner_of(self.offset)",
        new="",
        scope=SEEK,
    ),
]

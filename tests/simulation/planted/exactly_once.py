"""Bugs of transactions: a result that readers see twice or never."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

PLUGIN = "kafka_parallel_plugins.exactly_once"
BUGS = [
    Bug(
        "write results of records above the committed offset",
        where=f"{PLUGIN}.pending_results:PendingResults._kept_below",
        old="item[0] < end",
        new="item[0] < end + 1",
        executor="exactly-once",
    ),
    Bug(
        "write the results of a transaction again in the next one",
        where=f"{PLUGIN}:ExactlyOnce.on_commit",
        old="self._pending.forget_written(ends)",
        new="self._regulate()",
        executor="exactly-once",
    ),
    Bug(
        "keep the results of an attempt that has failed",
        where=f"{PLUGIN}:ExactlyOnce.on_error",
        old="self._pending.note_failure(context)",
        new="self._regulate()",
        executor="exactly-once",
    ),
    Bug(
        "compare attempts by their number alone, although they count from one again after a jump",
        where=f"{PLUGIN}.pending_results:_try_of",
        old="context.assignment_id, context.attempt",
        new="0, context.attempt",
        executor="exactly-once",
    ),
    Bug(
        "let an attempt from before a jump take away the results of the one behind it",
        where=f"{PLUGIN}.pending_results:PendingResults._put",
        old="""        if not context.counts:
            return
""",
        new="",
        executor="exactly-once",
    ),
    Bug(
        "go on at the first unfinished record, with the results of the finished ones gone",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance._remember",
        old="how.restart_at if self._is_transactional else how.resume_at",
        new="how.resume_at",
        executor="exactly-once",
    ),
    Bug(
        "commit in a transaction as no member in particular: a removed one is not refused",
        where=f"{PLUGIN}.run_transactions:RunTransactions._write",
        old="context.group_metadata()",
        new="context.group_metadata().group_id",
        executor="exactly-once",
    ),
    Bug(
        "write results outside of the transaction, before it begins",
        where=f"{PLUGIN}.run_transactions:RunTransactions._write",
        old="self._transactions.send_records(records, until)",
        new="[self.producer._cluster.append(r.topic, r.value, partition=r.partition) for r in records]",
        executor="exactly-once",
    ),
]

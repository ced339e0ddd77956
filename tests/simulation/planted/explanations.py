"""Bugs of the explanations: a wrong cause, a wrong record, the worst not first."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "explain by the newest unfinished record instead of the lowest",
        where="kafka_parallel._core.standstill:standing",
        old="offset = next(iter(assignment.ledger.sizes), None)",
        new="offset = next(reversed(assignment.ledger.sizes), None)",
        executor="incident",
    ),
    Bug(
        "put the shortest standstill first",
        where="kafka_parallel._runtime.loop.explainer:Explainer.explain",
        old="lambda reason: -reason.lasts_ms",
        new="lambda reason: reason.lasts_ms",
        executor="incident",
    ),
    Bug(
        "say nothing of a closed throttle",
        where="kafka_parallel._runtime.loop.explainer:Explainer._of_the_run",
        old="found.closed_by is not None",
        new="False",
        executor="incident",
    ),
    Bug(
        "take a rebalance that drains for a loop that is stuck",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance._drain_until",
        old="self.draining = (partitions, end)",
        new="self.draining = None",
        executor="incident",
    ),
    Bug(
        "forget a commit that waits for its answer",
        where="kafka_parallel._runtime.loop.committer:Committer.sent_at",
        old="None if commit is None else commit.sent_at",
        new="None",
        executor="incident",
    ),
    Bug(
        "tell of the pause of the whole buffer as one of the span",
        where="kafka_parallel._runtime.loop.explainer:Explainer._of_limits",
        old='cast("Cause", reason)',
        new="'uncommitted'",
        executor="incident",
    ),
    Bug(
        "believe that a broker is connected as long as the cluster has one",
        where="kafka_parallel._runtime.client.connections:Connections.has_none",
        old="net.is_disconnected(_node_id(broker))",
        new="broker is None",
        executor="incident",
    ),
    Bug(
        "take a broker that is connected for one that answers",
        where="kafka_parallel._runtime.client.connections:Connections.unanswered",
        old="seconds > patience",
        new="False",
        executor="incident",
    ),
    Bug(
        "tell of the error before the newest",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.failed",
        old="task.failed_by = type(error).__name__",
        new="",
        executor="incident",
    ),
]

"""Do the times of a consumer fit together: drains, commits, sessions, the grace of its platform?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kafka import KafkaConsumer

from kafka_parallel._runtime.loop import engine, poll_loop, rebalance
from kafka_parallel.cli.preflight.findings import Finding, failure, remark, warning
from kafka_parallel.cli.preflight.intended import Intended

__all__ = ()

# The time that the last commit, the one before partitions leave and the closing may take after the drain.
AFTER_DRAIN_MS = (poll_loop.COMMIT_TIMEOUT + rebalance.COMMIT_TIMEOUT + engine.CLOSE_TIMEOUT) * 1000
REVOKE_COMMIT_MS = rebalance.COMMIT_TIMEOUT * 1000
# A member is taken for dead after this number of heartbeats that did not come, by Kafka's own advice.
HEARTBEATS = 3
# A shorter session ends in a pause of the machine, or while a broker restarts.
SHORT_SESSION_MS = 10_000
# A static member needs about so long to be replaced by its successor.
RESTART_MS = 30_000
# A cooperative group waits for a heartbeat of each member, twice if partitions move.
LONG_HEARTBEAT_MS = 1_000
QUICK_HEARTBEAT_MS = 300
LONG_INTERVAL_MS = 10_000
LONG_BACKOFF_MS = 1_000
DEFAULT_BACKOFF_MS = KafkaConsumer.DEFAULT_CONFIG["reconnect_backoff_max_ms"]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """The facts about the deployment that no setting tells; ``None`` = not known.

    :ivar grace_ms: milliseconds from SIGTERM to SIGKILL.
    :ivar handler_ms: milliseconds that the slowest handler takes.
    :ivar rate: records a second that the consumer reads.
    :ivar partitions: how many the consumer reads, if it is alone.
    :ivar cpus: how many cores it may use.
    """

    grace_ms: float | None = None
    handler_ms: float | None = None
    rate: float | None = None
    partitions: int | None = None
    cpus: int | None = None


def time_findings(intended: Intended, given: Circumstances) -> Iterator[Finding]:
    """Judge the times of the *intended* consumer."""
    yield from _drain(intended)
    yield from _handler(intended, given.handler_ms)
    yield from _grace(intended, given.grace_ms)
    yield from _session(intended)
    yield from _membership(intended)
    yield from heartbeat_findings(intended)
    yield from _positions(intended)
    yield from _repeats(intended, given.rate)
    yield from _reconnect(intended)


def _drain(intended: Intended) -> Iterator[Finding]:
    longest, drain = intended.config["max_poll_interval_ms"], intended.options.revoke_timeout_ms
    if drain >= longest:
        yield failure(
            "revoke_timeout_ms",
            f"{drain:g} is not below max_poll_interval_ms={longest:g}: run() refuses it, for the group would give up "
            f"on this member while it drains; set revoke_timeout_ms below {longest - REVOKE_COMMIT_MS:g}, or raise "
            "max_poll_interval_ms",
        )
    elif drain + REVOKE_COMMIT_MS >= longest:
        yield warning(
            "revoke_timeout_ms",
            f"{drain:g} ms of draining and up to {REVOKE_COMMIT_MS:g} ms of committing exceed "
            f"max_poll_interval_ms={longest:g}: the group may give up on this member before its last commit; raise "
            f"max_poll_interval_ms above {drain + REVOKE_COMMIT_MS:g}",
        )


def _handler(intended: Intended, handler_ms: float | None) -> Iterator[Finding]:
    """A handler that outlasts a drain is repeated by the next owner, or by the next start."""
    options = intended.options
    source, takes = "--handler-ms", handler_ms
    if takes is None:
        source, takes = "handler_timeout_ms", options.handler_timeout_ms
    if takes is None:
        return
    drains = {"revoke_timeout_ms": "in a rebalance", "stop_timeout_ms": "in a stop"}
    for name, moment in drains.items():
        drain = getattr(options, name)
        if takes > drain:
            yield warning(
                name,
                f"{drain:g} is below {source}={takes:g}: a record that takes so long {moment} is abandoned and "
                f"repeated; raise {name} to {takes:g}, or make the handler shorter",
            )


def _grace(intended: Intended, grace_ms: float | None) -> Iterator[Finding]:
    if grace_ms is None:
        return
    drain = intended.options.stop_timeout_ms
    needed = drain + AFTER_DRAIN_MS
    if grace_ms <= drain:
        yield failure(
            "stop_timeout_ms",
            f"the platform kills after {grace_ms / 1000:g} s (TERMINATION_GRACE), and stop_timeout_ms={drain:g} lets "
            f"records finish for {drain / 1000:g} s before the last commit: each stop may repeat records; raise the "
            f"grace period above {needed / 1000:g} s, or lower stop_timeout_ms",
        )
    elif grace_ms < needed:
        yield warning(
            "stop_timeout_ms",
            f"the platform kills after {grace_ms / 1000:g} s (TERMINATION_GRACE); stop_timeout_ms={drain:g}, and "
            f"commits and leaving that take up to {AFTER_DRAIN_MS / 1000:g} s with a slow broker, need "
            f"{needed / 1000:g} s: raise the grace period to that, or lower stop_timeout_ms",
        )


def _session(intended: Intended) -> Iterator[Finding]:
    session, heartbeat = intended.config["session_timeout_ms"], intended.config["heartbeat_interval_ms"]
    if intended.group_id is None:
        return
    if heartbeat >= session:
        yield failure(
            "heartbeat_interval_ms",
            f"{heartbeat} is not below session_timeout_ms={session}: the member is taken for dead between two "
            f"heartbeats; set heartbeat_interval_ms to {session // HEARTBEATS}",
        )
    elif heartbeat * HEARTBEATS > session:
        yield warning(
            "heartbeat_interval_ms",
            f"{heartbeat} is more than a third of session_timeout_ms={session}: one or two late heartbeats end the "
            f"membership; set heartbeat_interval_ms to {session // HEARTBEATS} or less",
        )
    if session < SHORT_SESSION_MS:
        yield warning(
            "session_timeout_ms",
            f"{session}: a pause of the machine or a broker's restart of that length ends the membership, and all "
            "partitions move; set 45000, as Kafka's own clients",
        )


def _membership(intended: Intended) -> Iterator[Finding]:
    if intended.group_id is None:
        return
    config, names = intended.config, intended.assignors
    is_cooperative = [name.startswith("cooperative") for name in names]
    if not any(is_cooperative):
        yield remark(
            "partition_assignment_strategy",
            f"{', '.join(names)}: each rebalance takes all partitions from all members; with "
            "CooperativeStickyAssignor of kafka.coordinator.assignors.cooperative_sticky (kafka-python 3.x) those that "
            "stay go on",
        )
    elif not all(is_cooperative):
        yield remark(
            "partition_assignment_strategy",
            f"{', '.join(names)}: the group rebalances cooperatively only when no member offers another assignor; "
            "when all members have this list, leave the others out",
        )
    if config.get("group_instance_id") is not None and config["session_timeout_ms"] < RESTART_MS:
        yield warning(
            "session_timeout_ms",
            f"{config['session_timeout_ms']} with group_instance_id: a restart that takes longer moves the partitions "
            f"all the same; set it above the time of a restart, {RESTART_MS} or more",
        )


def heartbeat_findings(intended: Intended) -> Iterator[Finding]:
    """Judge how long the partitions that move in a cooperative rebalance stand still."""
    heartbeat, names = intended.config["heartbeat_interval_ms"], intended.assignors
    is_cooperative = bool(names) and all(name.startswith("cooperative") for name in names)
    if intended.group_id is not None and is_cooperative and heartbeat > LONG_HEARTBEAT_MS:
        yield remark(
            "heartbeat_interval_ms",
            f"{heartbeat} with {', '.join(names)}: members hear of a rebalance by their heartbeats, so a partition "
            f"that moves stands still for up to {heartbeat / 1000:g} s; set heartbeat_interval_ms={QUICK_HEARTBEAT_MS} "
            "for all members",
        )


def _positions(intended: Intended) -> Iterator[Finding]:
    found = intended.config["auto_offset_reset"]
    if intended.group_id is None:
        yield warning(
            "group_id",
            f"None: nothing is committed, and each start begins at auto_offset_reset={found!r}; set group_id",
        )
    if found == "latest":
        yield warning(
            "auto_offset_reset",
            "'latest', kafka-python's default: records that were written before the first start, or into a new "
            "partition before this member sees it, are skipped; set 'earliest'",
        )
    elif found == "none":
        yield remark("auto_offset_reset", "'none': a partition without a committed offset stops the consumer")


def _repeats(intended: Intended, rate: float | None) -> Iterator[Finding]:
    interval, group = intended.config["auto_commit_interval_ms"], intended.group_id
    if group is None:
        return
    has_map = intended.plugin("offset-map") is not None or intended.plugin("exactly-once") is not None
    fewer = "" if has_map else "; the plugin offset-map leaves fewer"
    if rate is not None:
        yield remark(
            "auto_commit_interval_ms",
            f"a kill repeats about {rate * interval / 1000:.0f} records: --rate {rate:g} a second x {interval:g} ms, "
            f"and those that run{fewer}",
        )
    if interval > LONG_INTERVAL_MS:
        yield warning(
            "auto_commit_interval_ms",
            f"{interval:g}: a kill repeats the records of up to {interval / 1000:g} s; set 1000 to 5000: a commit "
            "costs milliseconds",
        )


def _reconnect(intended: Intended) -> Iterator[Finding]:
    found = intended.config["reconnect_backoff_max_ms"]
    if found > LONG_BACKOFF_MS and found != DEFAULT_BACKOFF_MS:  # see docs/decisions/0049-reconnect-within-a-second.md
        yield warning(
            "reconnect_backoff_max_ms",
            f"{found:g}: when a broker is back, up to {found / 1000:g} s pass before this consumer sees it; leave the "
            f"setting out, then it is {LONG_BACKOFF_MS}",
        )

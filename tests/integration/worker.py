"""A consumer in a process of its own, for tests that kill, signal or join it."""

from __future__ import annotations

import argparse
import faulthandler
import sys
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from kafka_parallel import Batch, ParallelConsumer
from kafka_parallel.testing.history import History

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is run by its path
from tests.integration import kill_points
from tests.integration.handlers import handler, workers_of
from tests.integration.until_committed import UntilCommitted


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic", "group", "history"):
        parser.add_argument(name)
    parser.add_argument("--ordering", default="key")
    parser.add_argument("--executor", default="thread-pool")
    parser.add_argument("--batch", help="give the handler batches of this kind: key, partition or mixed")
    parser.add_argument("--workers", type=int, help="16 threads or coroutines, or 4 processes")
    parser.add_argument("--sleep-ms", type=float, default=4)
    parser.add_argument("--hangs", type=float, default=0.0, help="how likely a handler never ends, from 0 to 1")
    parser.add_argument("--hangs-at", type=int, default=-1, help="the offset whose handler never ends")
    parser.add_argument("--plugin", action="append", default=[], help="the name of a plugin that ships")
    parser.add_argument("--max-uncommitted", type=int, default=10_000)
    parser.add_argument("--commit-interval-ms", type=int, default=200)
    parser.add_argument("--idle-ms", type=float, default=60_000)
    parser.add_argument("--until-committed", type=int, default=0, help="1 ends it once its group has committed all")
    parser.add_argument("--assignor", default="range")
    parser.add_argument("--session-ms", type=int, default=6000)
    parser.add_argument("--instance-id")
    parser.add_argument("--topics-pattern", default="")
    parser.add_argument("--assigns", type=int, default=0, help="assign so many partitions instead of subscribing")
    parser.add_argument("--metadata-max-age-ms", type=int, default=300_000)
    parser.add_argument("--request-timeout-ms", type=int, default=30_000)
    parser.add_argument("--kill-at", help="a point at which the process kills itself, see kill_points.py")
    parser.add_argument("--kill-after", type=int, default=1, help="the how-manieth time it gets there")
    parser.add_argument("--dead-letters", help="a topic: every tenth record fails and goes there")
    options = parser.parse_args()
    faulthandler.enable()  # for the SIGABRT of a test that has waited too long
    faulthandler.dump_traceback_later(240, exit=True)

    history = History(options.history)
    consumer = KafkaConsumer(
        *([] if options.topics_pattern or options.assigns else [options.topic]),
        group_id=options.group,
        bootstrap_servers=options.bootstrap,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=options.commit_interval_ms,
        consumer_timeout_ms=options.idle_ms,
        session_timeout_ms=options.session_ms,
        heartbeat_interval_ms=options.session_ms // 4,
        partition_assignment_strategy=[assignor(options.assignor)],
        **({"group_instance_id": options.instance_id} if options.instance_id else {}),
        metadata_max_age_ms=options.metadata_max_age_ms,
        request_timeout_ms=options.request_timeout_ms,
    )
    if options.topics_pattern:
        consumer.subscribe(pattern=options.topics_pattern)
    if options.assigns:
        consumer.assign([TopicPartition(options.topic, number) for number in range(options.assigns)])

    plugins = kill_points.plugins(history, options.kill_at, options.kill_after, options.dead_letters)
    kind = UntilCommitted if options.until_committed else ParallelConsumer
    consumer = kind(
        consumer,
        ordering=options.ordering,
        workers=options.workers or workers_of(options.executor),
        executor=options.executor,
        plugins=[*plugins, *options.plugin],
        max_uncommitted=options.max_uncommitted,
    )
    fails_every = 10 if options.dead_letters else 0
    made = {
        "longest_ms": options.sleep_ms,
        "hangs": options.hangs,
        "hangs_at": options.hangs_at,
        "fails_every": fails_every,
        "is_batch": options.batch is not None,
    }
    consumer.run(handler(options.executor, history, **made), **batches(options.batch))


def batches(scope: str | None) -> dict[str, Batch]:
    return {} if scope is None else {"batch": Batch(max_records=20, max_wait_ms=20, of=scope)}


def assignor(name: str) -> type:
    if name == "cooperative-sticky":
        from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

        return CooperativeStickyAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor

    return RangePartitionAssignor


if __name__ == "__main__":
    main()

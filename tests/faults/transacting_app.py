"""A member that produces exactly once, and kills itself at a named point of its transactions.

``python transacting_app.py BOOTSTRAP SOURCE TARGET GROUP [--kill-at POINT] [--kill-after N] [--sleep-ms MS] ...``
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from kafka_parallel import ParallelConsumer, Result, producing
from kafka_parallel_plugins.exactly_once import ExactlyOnce

POINTS = ("begin", "send", "flush", "offsets", "commit", "committed")


class Dying(KafkaProducer):
    """Kills its process at a point of its transactions."""

    point = ""
    left = 0

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        manager = self._transaction_manager
        self._before(manager, "begin_commit", "commit")
        self._before(manager, "send_offsets_to_transaction", "offsets")
        self._before(manager, "_complete_transaction", "committed")

    def _before(self, owner: Any, method: str, point: str) -> None:
        act = getattr(owner, method)

        def reached(*args: Any) -> Any:
            self.reach(point)
            return act(*args)

        setattr(owner, method, reached)

    @classmethod
    def reach(cls, point: str) -> None:
        """Die here, if this is the place and the time."""
        if point == cls.point:
            cls.left -= 1
            if cls.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def begin_transaction(self) -> None:
        super().begin_transaction()
        self.reach("begin")

    def send(self, *args: Any, **record: Any) -> Any:
        sent = super().send(*args, **record)
        self.reach("send")
        return sent

    def flush(self, timeout: float | None = None) -> None:
        super().flush(timeout)
        self.reach("flush")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "source", "target", "group"):
        parser.add_argument(name)
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--kill-after", type=int, default=0)
    parser.add_argument("--sleep-ms", type=float, default=1)
    parser.add_argument("--idle-ms", type=int, default=600_000)
    parser.add_argument("--session-ms", type=int, default=6000)
    parser.add_argument("--transaction-ms", type=int, default=10_000)
    parser.add_argument("--assignor", default="")
    return parser.parse_args()


def main() -> None:
    given = options()
    Dying.point, Dying.left = given.kill_at, given.kill_after

    def enrich(record: Any) -> Result:
        time.sleep(given.sleep_ms / 1000)
        place = b"%d %d" % (record.partition, record.offset)
        return Result(place + b" " + record.value, partition=record.partition)

    config: dict[str, Any] = {}
    if given.assignor == "cooperative":
        from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

        config["partition_assignment_strategy"] = [CooperativeStickyAssignor]
    consumer = KafkaConsumer(
        given.source, bootstrap_servers=given.bootstrap, group_id=given.group, auto_offset_reset="earliest",
        isolation_level="read_committed", session_timeout_ms=given.session_ms, consumer_timeout_ms=given.idle_ms,
        heartbeat_interval_ms=given.session_ms // 5, reconnect_backoff_max_ms=1000, **config,
    )  # fmt: skip
    plugin = ExactlyOnce(make_producer=Dying, transaction_timeout_ms=given.transaction_ms)
    ParallelConsumer(consumer, workers=16, plugins=[plugin]).run(producing(enrich, given.target))


if __name__ == "__main__":
    main()

"""A consumer in a process of its own that writes down each record: ours, or the bare poll loop beside it.

All settings of the client that matter for how it comes back after an outage are left at their defaults.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is run by its path
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History
from tests.joined_at_once import know_topics

KINDS = ("bare", "threads", "asyncio")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    for name in ("bootstrap", "topic", "group", "history", "log"):
        parser.add_argument(name)
    options = parser.parse_args()
    faulthandler.dump_traceback_later(600, exit=True)
    logging.basicConfig(filename=options.log, level=logging.INFO, format="%(created).3f %(name)s %(message)s")
    consumer = KafkaConsumer(
        options.topic,
        group_id=options.group,
        bootstrap_servers=options.bootstrap.split(","),
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1000,
        heartbeat_interval_ms=1000,
    )
    know_topics(consumer)
    APPS[options.kind](consumer, History(options.history))


def bare(consumer: Any, history: History) -> None:
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    while not asked:
        for records in consumer.poll(timeout_ms=100).values():
            for record in records:
                with history.noting(record):
                    pass
    consumer.close()


def threads(consumer: Any, history: History) -> None:
    def handle(record: Any) -> None:
        with history.noting(record):
            pass

    ParallelConsumer(consumer).run(handle)


def asyncio(consumer: Any, history: History) -> None:
    async def handle(record: Any) -> None:
        with history.noting(record):
            pass

    ParallelConsumer(consumer).run(handle)


APPS = {"bare": bare, "threads": threads, "asyncio": asyncio}

if __name__ == "__main__":
    main()

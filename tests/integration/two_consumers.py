"""Two consumers in one process with run_all(), for tests that signal it: two topics, two groups, two histories."""

from __future__ import annotations

import argparse
import faulthandler
import sys
from pathlib import Path

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer, run_all
from kafka_parallel.testing.history import History

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is run by its path
from tests.integration.handlers import handler


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topics", "histories"):
        parser.add_argument(name)
    parser.add_argument("--fails-at", type=int, default=-1, help="the offset at which the first one's handler fails")
    options = parser.parse_args()
    faulthandler.enable()  # for the SIGABRT of a test that has waited too long

    def run_of(topic: str, history: str, fails_at: int) -> tuple[ParallelConsumer, object]:
        consumer = KafkaConsumer(
            topic,
            group_id=f"g-{topic}",
            bootstrap_servers=options.bootstrap,
            auto_offset_reset="earliest",
            auto_commit_interval_ms=3_600_000,  # what is committed, the stop has committed
            metadata_max_age_ms=5000,
        )
        fails = {"fails_at": (fails_at,), "error": ValueError("on purpose")} if fails_at >= 0 else {}
        return ParallelConsumer(consumer), handler("thread-pool", History(Path(history)), longest_ms=60, **fails)

    topics, histories = options.topics.split(","), options.histories.split(",")
    run_all([
        run_of(topic, history, options.fails_at if place == 0 else -1)
        for place, (topic, history) in enumerate(zip(topics, histories, strict=True))
    ])  # fmt: skip


if __name__ == "__main__":
    main()

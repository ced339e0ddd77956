"""A consumer in a process of its own with the plugin dedup, whose effects are entries of a list in the same Redis."""

from __future__ import annotations

import faulthandler
import sys
import time
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer
from redis import Redis

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is run by its path
from tests.integration.until_committed import UntilCommitted

WORKERS, LEASE_MS, EFFECTS = 8, 10_000, "effects"


def main(bootstrap: str, topic: str, port: str, commit_interval_ms: str) -> None:
    faulthandler.enable()
    faulthandler.dump_traceback_later(240, exit=True)
    client = Redis(port=int(port), socket_timeout=30)
    consumer = KafkaConsumer(
        topic,
        group_id=f"g-{topic}",
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=int(commit_interval_ms),
        session_timeout_ms=10_000,
        heartbeat_interval_ms=1000,
    )

    def handle(record: Any) -> None:
        time.sleep(0.002)
        client.rpush(EFFECTS, f"{record.partition}/{record.offset}")

    plugins = [("dedup", {"redis": client, "lease_ms": LEASE_MS})]
    UntilCommitted(consumer, ordering="unordered", workers=WORKERS, plugins=plugins).run(handle)


if __name__ == "__main__":
    main(*sys.argv[1:])

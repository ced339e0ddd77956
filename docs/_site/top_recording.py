"""Records ``kafka-parallel top`` on a consumer of a fake cluster: ``python -m docs._site.top_recording > top.txt``.

The consumer has a partition whose record is stuck, one that fails now and then, and two that go well.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from kafka_parallel import ParallelConsumer, Skip, hookimpl
from kafka_parallel.cli.top import frames_of
from kafka_parallel.cli.top_view import view
from kafka_parallel.testing import FakeCluster, FakeConsumer

ROOT = Path(__file__).parents[2]
WIDTH, SECONDS, RECORDS = 80, 8, 4000
RECORD_SECONDS = 0.01


class SkipFailures:
    """Goes on without a record that failed."""

    @hookimpl
    def on_error(self) -> Skip:
        """Skip it."""
        return Skip("it is only shown")


def cluster() -> FakeCluster:
    """Two topics with records of a few keys."""
    made = FakeCluster()
    for topic, partitions in (("orders", 3), ("payments", 1)):
        made.create_topic(topic, partitions=partitions)
        for number in range(RECORDS):
            made.append(topic, b"%d" % number, b"key-%d" % (number % 20), partition=number % partitions)
    return made


def record_top() -> str:
    """The view after some seconds, as text."""
    go_on = threading.Event()

    def charge(record: Any) -> None:
        if (record.topic, record.partition, record.offset) == ("orders", 1, 142):
            go_on.wait()
        time.sleep(RECORD_SECONDS)
        if record.offset % 50 == 0:
            raise ValueError("no amount")

    consumer = FakeConsumer("orders", "payments", cluster=cluster(), group_id="billing", auto_offset_reset="earliest")
    parallel = ParallelConsumer(consumer, workers=6, plugins=["top", SkipFailures()], max_buffered_records=1200)
    parallel.start(charge)
    try:
        while parallel.state != "running":
            time.sleep(RECORD_SECONDS)
        frame = [frame for frame, _ in zip(frames_of(str(os.getpid())), range(SECONDS), strict=False)][-1]
    finally:
        go_on.set()
        parallel.stop(timeout_ms=0)
        parallel.join()
    for reason in frame["reasons"]:
        reason["sentence"] = reason["sentence"].replace(f"{ROOT}/", "")
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    console.print(view(frame, WIDTH, None))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        print(record_top())

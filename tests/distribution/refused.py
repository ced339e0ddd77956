"""Mistakes that a type checker has to find, one on each line that says so; never run."""

from __future__ import annotations

from typing import Any

from kafka_parallel import Batch, ParallelConsumer, RecordContext, Retry, Skip, Statistics


def main(consumer: Any, context: RecordContext, statistics: Statistics) -> None:
    ParallelConsumer(consumer, worker=3)  # wrong
    ParallelConsumer(consumer, workers="3")  # wrong
    ParallelConsumer(consumer).run(3)  # wrong
    ParallelConsumer(consumer).run(print, batch=100)  # wrong
    Batch(max_record=10)  # wrong
    Retry("soon")  # wrong
    Skip()  # wrong
    context.attempt = 3  # wrong
    print(statistics.handled)  # wrong

"""How users write it; type-checked with mypy --strict, never run."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from kafka_parallel import (
    BackpressureEvent,
    Halt,
    ParallelConsumer,
    RecordContext,
    Retry,
    Settings,
    Skip,
    hookimpl,
)


def handle(record: Any) -> None:
    print(record.value)


class Mine:
    @hookimpl(wrapper=True)
    def on_record(self, record: Any, context: RecordContext) -> Generator[None, Any, Any]:
        attempt: int = context.attempt
        print(attempt)
        return (yield)

    @hookimpl
    def on_error(self, record: Any, error: Exception, context: RecordContext) -> Retry | Skip | Halt | None:
        return Retry(delay_ms=100) if context.attempt < 3 else Skip("gave up")

    @hookimpl
    def on_backpressure(self, event: BackpressureEvent, settings: Settings) -> None:
        print(event.buffered_records, settings.group_id)


def main(consumer: Any) -> int:
    with ParallelConsumer(
        consumer, workers=8, ordering="key", plugins=[Mine(), ("dlq", {"topic": "dead"})]
    ) as parallel:
        parallel.start(handle)
        parallel.stop(timeout_ms=1000)
        return parallel.statistics().processed

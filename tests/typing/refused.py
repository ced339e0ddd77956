"""Mistakes that a type checker has to find, one on each line that says so; never run."""

from __future__ import annotations

from typing import Any

from kafka_parallel import Batch, ParallelConsumer, RecordContext, Result, Retry, Skip, Statistics, producing
from kafka_parallel.testing import FakeConsumer


class Half:
    def poll(self, timeout_ms: float = 0, max_records: int | None = None) -> Any: ...


class OtherCommit(FakeConsumer):
    def commit(self) -> None: ...  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]


def no_argument() -> None: ...


def two_arguments(record: Any, context: Any) -> None: ...


async def handle_async(record: Any) -> None: ...


def handle(record: Any) -> None: ...


def handle_number(record: int) -> None: ...


def handle_list(records: list[Any]) -> None: ...


def count(record: Any) -> int:
    return 1


def options(consumer: Any, fake: OtherCommit) -> None:
    ParallelConsumer(consumer, worker=3)  # wrong
    ParallelConsumer(consumer, workers="3")  # wrong
    ParallelConsumer(42)  # wrong
    ParallelConsumer("orders")  # wrong
    ParallelConsumer(None)  # wrong
    ParallelConsumer(Half())  # wrong
    ParallelConsumer(fake)  # wrong
    ParallelConsumer(consumer, ordering="keys")  # wrong
    ParallelConsumer(consumer, ordering=3)  # wrong
    ParallelConsumer(consumer, ordering=lambda: 1)  # wrong
    ParallelConsumer(consumer, ordering=two_arguments)  # wrong
    Batch(max_record=10)  # wrong
    Batch(of="keys")  # wrong


def handlers(parallel: ParallelConsumer) -> None:
    parallel.run(3)  # wrong
    parallel.run(handle, batch=100)  # wrong
    parallel.run(no_argument)  # wrong
    parallel.run(two_arguments)  # wrong
    parallel.run(handle_number, batch=Batch())  # wrong
    parallel.start(no_argument)  # wrong
    parallel.run(producing(count))  # wrong
    parallel.run(producing(handle_number), batch=Batch())  # wrong
    parallel.run(producing("out"))  # wrong
    Result("text")  # wrong


async def hosted(parallel: ParallelConsumer) -> None:
    await parallel.run_async(handle)  # wrong
    await parallel.run_async(handle_list, batch=Batch())  # wrong
    await parallel.run_async(handle_async, batch=3)  # wrong


def values(context: RecordContext, statistics: Statistics) -> None:
    Retry("soon")  # wrong
    Skip()  # wrong
    context.attempt = 3  # wrong
    print(statistics.handled)  # wrong

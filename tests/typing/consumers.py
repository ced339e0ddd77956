# mypy: disable-error-code="no-any-return, no-untyped-call"
"""How users write consumers, handlers and orderings; type-checked with mypy and pyright, never run."""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer  # type: ignore[import-untyped,unused-ignore]
from kafka.consumer.fetcher import ConsumerRecord  # type: ignore[import-untyped,unused-ignore]

from kafka_parallel import Batch, ParallelConsumer, Result, producing
from kafka_parallel.testing import FakeCluster, FakeConsumer


class LoggedConsumer(KafkaConsumer):  # type: ignore[misc, unused-ignore]
    def poll(self, *args: Any, **kwargs: Any) -> Any:
        print("polls")
        return super().poll(*args, **kwargs)

    def commit(self, offsets: Any = None, timeout_ms: int | None = None) -> None:
        print("commits")
        super().commit(offsets, timeout_ms=timeout_ms)


def handle(record: ConsumerRecord) -> None:
    print(record.value)


def handle_any(record):  # type: ignore[no-untyped-def]
    return record.value


def handle_list(records: list[ConsumerRecord]) -> int:
    return len(records)


async def handle_async(record: ConsumerRecord) -> int:
    return record.offset


async def handle_list_async(records: list[ConsumerRecord]) -> None:
    print(len(records))


def by_account(record: ConsumerRecord) -> str | None:
    return record.key and record.key.decode()


def enrich(record: ConsumerRecord) -> bytes | None:
    return record.value


def enrich_key(record: ConsumerRecord) -> Result | list[Result]:
    return [Result(record.value, key=b"k")]


async def enrich_async(record: ConsumerRecord) -> Result:
    return Result(record.value)


def enrich_list(records: list[ConsumerRecord]) -> list[bytes | None]:
    return [record.value for record in records]


class Service:
    def handle(self, record: ConsumerRecord) -> None:
        print(self, record)

    def __call__(self, record: ConsumerRecord) -> None:
        print(self, record)


def consumers(cluster: FakeCluster) -> None:
    ParallelConsumer(KafkaConsumer("orders", group_id="billing"), ordering="key")
    ParallelConsumer(LoggedConsumer("orders"), ordering="partition")
    ParallelConsumer(FakeConsumer("orders", cluster=cluster), ordering="unordered")
    ParallelConsumer(FakeConsumer("orders", cluster=cluster), ordering=by_account)
    ParallelConsumer(FakeConsumer("orders", cluster=cluster), ordering=lambda record: record.key)
    ParallelConsumer(FakeConsumer("orders", cluster=cluster), ordering=None, plugins=["mine", ("dlq", {"topic": "d"})])


def handlers(parallel: ParallelConsumer) -> None:
    parallel.run(handle)
    parallel.run(handle_any)
    parallel.run(print)
    parallel.run(Service().handle)
    parallel.run(Service())
    parallel.run(lambda record: print(record.value))
    parallel.run(handle_async)
    parallel.run(handle_list, batch=Batch(max_records=10))
    parallel.run(handle_list_async, Batch())
    parallel.start(handle)
    parallel.start(handle_list, batch=Batch())


def producers(parallel: ParallelConsumer) -> None:
    parallel.run(producing(enrich, topic="out"))
    parallel.run(producing(enrich_key))
    parallel.run(producing(enrich_async))
    parallel.run(producing(enrich_list), batch=Batch())


async def hosted(parallel: ParallelConsumer) -> None:
    await parallel.run_async(handle_async)
    await parallel.run_async(handle_list_async, batch=Batch())
    await parallel.run_async(producing(enrich_async))

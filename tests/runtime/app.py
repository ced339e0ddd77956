"""A consumer on a fake cluster, run to its end: its handled records, its commits, its error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer

TOPIC, GROUP, PARTITION = "t", "g", TopicPartition("t", 0)


class App:
    """One partition with some records, each with its offset as value.

    :param executor: the executor of `run`.
    :ivar handled: the offsets whose handler returned, in that order.
    """

    def __init__(self, records: int = 6, executor: str = "thread-pool") -> None:
        self._executor = executor
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC)
        for number in range(records):
            self.cluster.append(TOPIC, b"%d" % number, b"key", partition=0)
        self.handled: list[int] = []

    def consumer(self, **config: Any) -> FakeConsumer:
        config = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 400, "auto_commit_interval_ms": 20, **config}
        return FakeConsumer(TOPIC, cluster=self.cluster, group_id=GROUP, **config)

    def parallel(self, consumer: Mapping[str, Any] | None = None, **options: Any) -> ParallelConsumer:
        options = {"workers": 2, "install_signal_handlers": False, **options}
        return ParallelConsumer(self.consumer(**(consumer or {})), **options)

    def run(self, handler: Any = lambda _: None, **options: Any) -> BaseException | None:
        """Run until nothing comes any more; return the error of run()."""
        return self.run_coroutine(self.handle(handler), executor=self._executor, **options)

    def handle(self, handler: Any) -> Any:
        """Make a plain *handler* one for this executor: an ``async def`` one also waits before and after."""

        def handle(record: Any) -> None:
            handler(record)
            self.handled.append(record.offset)

        async def handle_async(record: Any) -> None:
            await asyncio.sleep(0)
            handler(record)
            await asyncio.sleep(0)
            self.handled.append(record.offset)

        return handle_async if self._executor == "asyncio" else handle

    def run_coroutine(self, handler: Any, **options: Any) -> BaseException | None:
        """Do the same with a handler as it is."""
        return self._run(self.parallel(**options), handler)

    def run_on(self, consumer: FakeConsumer) -> BaseException | None:
        """Run *consumer* until nothing comes any more; return the error of run()."""
        parallel = ParallelConsumer(consumer, workers=2, install_signal_handlers=False)
        return self._run(parallel, self.handle(lambda _: None))

    def _run(self, parallel: ParallelConsumer, handler: Any) -> BaseException | None:
        try:
            parallel.run(handler)
        except BaseException as error:
            return error
        return None

    @property
    def committed(self) -> int:
        found = self.cluster.committed(GROUP, PARTITION)
        return 0 if found is None else found.offset

"""How late urgent records are beside a flood of others: ``python -m benchmarks.urgent``.

It writes docs/benchmarks/urgent.md. A topic is full of bulk records, and urgent ones are written to another at a steady
rate. A handler takes `HANDLER` seconds. The measurement is the time from the production of an urgent record, and from
the poll that brought it, to the begin of its handler; and how many bulk records were handled meanwhile, as a part of
all that the workers could have handled. Both consumers run in turn, each with topics of its own.
"""

from __future__ import annotations

import sys
import threading
import time
from statistics import quantiles
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer

from benchmarks.environments import ROOT
from benchmarks.machine import facts
from kafka_parallel import ParallelConsumer, hookimpl
from kafka_parallel.testing.broker import Broker, start_broker

WORKERS, RESERVED = 16, 4
HANDLER = 0.05
RATE, SECONDS = 40, 15
BULK = 8_000
# By default a fetch waits for data for up to 500 ms, and meanwhile none is sent for partitions that it left out.
FETCH_WAIT_MS = 20
PAGE = ROOT / "docs/benchmarks/urgent.md"


class Found(NamedTuple):
    """One measurement: how late the urgent records began after their production and after their poll, in seconds; and
    the share of the bulk ones."""

    late: list[float]
    queued: list[float]
    share: float


class QueueTimes:
    """Notes how long the records of *topic* waited between their poll and their handler."""

    def __init__(self, topic: str) -> None:
        self.queued: list[float] = []
        self._topic = topic

    @hookimpl
    def on_handled(self, handled: Any) -> None:
        """Take the times."""
        for record, _, queued_at, started, *_ in handled:
            if record.topic == self._topic:
                self.queued.append(started - queued_at)


def percentile(times: list[float], percent: int) -> str:
    """A percentile of *times* in milliseconds."""
    return f"{quantiles(times, n=100)[percent - 1] * 1000:.0f} ms"


def main() -> int:
    """Measure, and write the page."""
    with start_broker() as broker:
        found = {name: measure(broker, name, plugins) for name, plugins in consumers().items()}
    text = page(found)
    PAGE.write_text(text)
    sys.stdout.write(text)
    return 0


def consumers() -> dict[str, list[Any]]:
    """The plugins of each consumer that is measured; {urgent} stands for its topic."""
    return {"no plugin": [], "topic-workers": [("topic-workers", {"reserved": RESERVED})]}


def measure(broker: Broker, name: str, plugins: list[Any]) -> Found:
    """Run one consumer beside the flood for some seconds."""
    bulk, urgent = (f"{kind}-{name.replace(' ', '-')}" for kind in ("bulk", "urgent"))
    for topic in (bulk, urgent):
        broker.create_topic(topic, 4)
    fill(broker.bootstrap_servers, bulk)
    late: list[float] = []
    handled = [0]

    def handle(record: Any) -> None:
        if record.topic == urgent:
            late.append(time.monotonic() - float(record.value))
        else:
            handled[0] += 1  # a count that is a little wrong does no harm
        time.sleep(HANDLER)

    consumer = KafkaConsumer(
        bulk,
        urgent,
        group_id=name,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    times = QueueTimes(urgent)
    chosen = [(plugin, {"urgent": [urgent], **settings}) for plugin, settings in plugins]
    parallel = ParallelConsumer(consumer, workers=WORKERS, ordering="unordered", plugins=[*chosen, times])
    parallel.start(handle)
    while not handled[0]:
        time.sleep(0.05)
    time.sleep(1)
    before, began = handled[0], time.monotonic()
    produce(broker.bootstrap_servers, urgent)
    share = (handled[0] - before) / ((time.monotonic() - began) / HANDLER * WORKERS)
    parallel.stop(timeout_ms=2000)
    parallel.join()
    return Found(late, times.queued, share)


def fill(bootstrap: str, topic: str) -> None:
    """Write the bulk records."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20)
    for number in range(BULK):
        producer.send(topic, b"%d" % number)
    producer.flush()
    producer.close()


def produce(bootstrap: str, topic: str) -> None:
    """Write urgent records at a steady rate, each with the time of it as its value; wait for the last to be handled."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=0)
    pause = threading.Event()
    began = time.monotonic()
    for number in range(RATE * SECONDS):
        pause.wait(max(0.0, began + number / RATE - time.monotonic()))
        producer.send(topic, b"%f" % time.monotonic())
    producer.flush()
    producer.close()


def page(found: dict[str, Found]) -> str:
    """The page of the documentation."""
    rows = "\n".join(
        f"| {name} | {percentile(figures.queued, 50)} | {percentile(figures.queued, 99)} | "
        f"{percentile(figures.late, 50)} | {percentile(figures.late, 99)} | {figures.share:.0%} |"
        for name, figures in found.items()
    )
    return f"""# Urgent records under a flood

Measured by `python -m benchmarks.urgent` on {facts("jvm")["processor"]}, client, broker and producer together.
{BULK:,} bulk records wait in one topic, and {RATE} urgent records a second are written to another for {SECONDS} s.
Every handler takes {HANDLER * 1000:.0f} ms, and there are {WORKERS} workers; the plugin
[`topic-workers`](../reference/plugins-topic-workers.md) keeps {RESERVED} of them free of bulk records. The consumer has
`fetch_max_wait_ms={FETCH_WAIT_MS}`.

| consumer | poll to handler, p50 | p99 | production to handler, p50 | p99 | bulk records |
|---|---|---|---|---|---|
{rows}

The last column is the share of bulk records in all that the workers could handle meanwhile. The way through the
producer, the broker and the fetch of the client is in "production to handler" alone. When a fetch comes late, urgent
records come many at once, and those beyond the reserved workers wait for one.
"""


if __name__ == "__main__":
    sys.exit(main())

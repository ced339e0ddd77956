"""A program that is traced: it produces records, handles them, and ends: KIND BOOTSTRAP TOPIC."""

from __future__ import annotations

import sys

from kafka import KafkaProducer
from opentelemetry import trace

from kafka_parallel import Batch
from tests.integration import traced_handlers as handlers
from tests.integration.kafka_app import consume
from tests.integration.until_committed import UntilCommitted

COUNT = 12
# One of them always fails.
BAD = 5
KINDS = {
    "thread-pool": handlers.handle,
    "asyncio": handlers.handle_async,
    "batch": handlers.handle_batch,
    "process-pool": handlers.handle,
    "process-pool batch": handlers.handle_batch,
}
PLUGINS = [("retry", {"max_attempts": 2, "delay_ms": 1}), "dlq", "opentelemetry"]


def produce(bootstrap, topic):
    """Send records, each in a trace of its own, and have their spans end."""
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for number in range(COUNT):
        producer.send(topic, b"bad" if number == BAD else b"good", partition=0).get(60)
    producer.close()


def main():
    kind, bootstrap, topic = sys.argv[1:]
    produce(bootstrap, topic)
    batch = Batch(max_records=4) if "batch" in kind else None
    executor = "process-pool" if "process" in kind else None
    consumer = consume(bootstrap, topic, "g-" + topic)
    UntilCommitted(consumer, plugins=PLUGINS, workers=3, executor=executor).run(KINDS[kind], batch)
    if not batch:
        letters = consume(bootstrap, topic + "-dlq", "g-letters-" + topic)
        UntilCommitted(letters, plugins=["opentelemetry"]).run(handlers.look_at)
    trace.get_tracer_provider().shutdown()


if __name__ == "__main__":
    main()

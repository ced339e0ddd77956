"""The orders that the demo handles: as many as wanted, with keys as uneven as real customers."""

from __future__ import annotations

import random

from kafka import KafkaProducer

from kafka_parallel.testing.history import Produced

CUSTOMERS = 1000
# Zipf: the n-th busiest customer orders 1 / n ** SKEW as often as the busiest one.
SKEW = 1.1
# A handler calls another service, which answers after up to this many seconds.
SLOWEST_ANSWER = 0.004


def produce_orders(bootstrap: str, topic: str, count: int, seed: int = 1) -> Produced:
    """Send *count* orders to *topic*; return where the broker put them."""
    weights = [1 / (rank + 1) ** SKEW for rank in range(CUSTOMERS)]
    customers = random.Random(seed).choices(range(CUSTOMERS), weights, k=count)
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=20)
    keys = [b"customer-%d" % customer for customer in customers]
    sent = [(key, producer.send(topic, key=key, value=b"order %d" % n)) for n, key in enumerate(keys)]
    producer.flush()
    placed: dict[int, dict[int, bytes | None]] = {}
    for key, future in sent:
        metadata = future.get(timeout=30)
        placed.setdefault(metadata.partition, {})[metadata.offset] = key
    producer.close()
    return Produced(topic, placed)

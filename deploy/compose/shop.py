"""A shop whose orders are slow, sometimes fail, and now and then are a dead letter: something to look at in Grafana."""

from __future__ import annotations

import os
import random
import sys
import time

from kafka import KafkaConsumer, KafkaProducer

from kafka_parallel import ParallelConsumer

BOOTSTRAP = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("TOPIC", "orders")
PORT = int(os.environ.get("METRICS_PORT", "9100"))
HOST = os.environ.get("METRICS_HOST", "0.0.0.0")


class PaymentRefused(Exception):
    """One order cannot be paid, and never will be."""


def handle(record):
    """Take up to a tenth of a second; time out once in a hundred, and refuse one order in a thousand."""
    time.sleep(random.uniform(0.001, 0.1))
    number = int(record.value)
    if number % 1000 == 0:
        raise PaymentRefused(number)
    if random.random() < 0.01:
        raise TimeoutError("the bank did not answer")


def consume():
    """Handle orders until the process is told to stop."""
    consumer = KafkaConsumer(
        TOPIC, bootstrap_servers=BOOTSTRAP, group_id="billing", client_id="billing-1", auto_offset_reset="earliest"
    )
    plugins = [("prometheus", {"port": PORT, "host": HOST}), "dlq", ("retry", {"retry_on": (TimeoutError,)})]
    ParallelConsumer(consumer, workers=32, plugins=plugins).run(handle)


def produce():
    """Send 200 orders a second."""
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    number = 0
    while True:
        number += 1
        producer.send(TOPIC, key=b"customer-%d" % (number % 50), value=str(number).encode())
        time.sleep(0.005)


if __name__ == "__main__":
    {"consume": consume, "produce": produce}[sys.argv[1]]()

"""The service as a poll loop: one order at a time."""

from __future__ import annotations

import argparse

from kafka import KafkaConsumer
from payments import Ledger, charge


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", default="orders")
    parser.add_argument("--ledger", default="ledger.db")
    options = parser.parse_args()

    ledger = Ledger(options.ledger)
    consumer = KafkaConsumer(
        options.topic,
        group_id="billing",
        bootstrap_servers=options.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    )
    for record in consumer:
        charge(record, ledger)
    consumer.close()
    print(ledger.summary())


if __name__ == "__main__":
    main()

"""The service: many orders at a time, in order per customer, with retries, dead letters and metrics."""

from __future__ import annotations

import argparse
import logging

from kafka import KafkaConsumer
from payments import Ledger, charge

from kafka_parallel import ParallelConsumer
from kafka_parallel_plugins.dlq import DlqLimit
from kafka_parallel_plugins.timing_metrics import TimingMetrics


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", default="orders")
    parser.add_argument("--ledger", default="ledger.db")
    parser.add_argument("--idle-ms", type=float, default=float("inf"), help="end after this long without a record")
    parser.add_argument("--outage", type=float, default=0.0, help="how often payments fail, from 0 to 1")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)

    ledger = Ledger(options.ledger)
    consumer = KafkaConsumer(
        options.topic,
        group_id="billing",
        bootstrap_servers=options.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=options.idle_ms,
    )
    metrics = TimingMetrics(log_interval_ms=5000)
    parallel = ParallelConsumer(
        consumer,
        workers=32,
        ordering="key",
        max_uncommitted=500,
        plugins=[
            ("retry", {"max_attempts": 8, "never_retry": [ValueError, TypeError, KeyError]}),
            ("dlq", {"limit": DlqLimit(max_consecutive=50)}),
            metrics,
        ],
    )
    parallel.run(lambda record: charge(record, ledger, options.outage))

    print(ledger.summary())
    if options.topic in metrics.snapshot().topics:
        print(f"p99 of a charge: {metrics.snapshot().topics[options.topic].handler_ms.p99:.0f} ms")


if __name__ == "__main__":
    main()

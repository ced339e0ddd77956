"""Keep related records in order, although the relation is not in the record's key: here the account in the value."""

from __future__ import annotations

import argparse
import json

from kafka import KafkaConsumer
from kafka.serializer import Deserializer

from kafka_parallel import ParallelConsumer


class Json(Deserializer):
    """JSON values, in the calling conventions of kafka-python 2.x and 3.x."""

    def deserialize(self, topic, *rest):
        return json.loads(rest[-1])


def handle(record):
    print(f"account {record.value['account']}: {record.value['amount']:+}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="localhost:9092")
    parser.add_argument("--topic", default="payments")
    parser.add_argument("--idle-ms", type=float, default=float("inf"), help="end after this long without a record")
    options = parser.parse_args()
    consumer = KafkaConsumer(
        options.topic,
        group_id="ledger",
        bootstrap_servers=options.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=options.idle_ms,
        value_deserializer=Json(),
    )

    ParallelConsumer(consumer, ordering=lambda record: record.value["account"]).run(handle)


if __name__ == "__main__":
    main()

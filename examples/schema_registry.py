"""Values of a schema registry: a registry that is down makes records wait, and fails none of them.

The wire format is Confluent's: a byte 0, the schema's id as four bytes, and the value, which is JSON here. A client
library's deserialiser goes into the place of `decoded`: for Avro, an ``AvroDeserializer`` of confluent_kafka.
"""

from __future__ import annotations

import argparse
import json
import struct
import threading
import urllib.error
import urllib.request

from kafka import KafkaConsumer
from kafka.serializer import Deserializer

from kafka_parallel import ParallelConsumer


class RegistryUnavailableError(Exception):
    """The registry did not answer: the same record can be decoded later."""


class RegistryDeserializer(Deserializer):
    """Decodes values by their schema; it runs in the workers, so it has a lock, and asks for each schema once."""

    def __init__(self, url):
        self._url = url
        self._schemas = {}
        self._lock = threading.Lock()

    def deserialize(self, topic, *rest):
        data = rest[-1]  # kafka-python 3.x hands the headers over, too
        if data is None:
            return None
        magic, schema_id = struct.unpack(">bI", data[:5])
        if magic != 0:
            raise ValueError(f"the value of a record of {topic} begins with byte {magic}, not with 0")
        return decoded(data[5:], self._schema(schema_id))

    def _schema(self, schema_id):
        with self._lock:
            if schema_id not in self._schemas:
                self._schemas[schema_id] = self._fetched(schema_id)
            return self._schemas[schema_id]

    def _fetched(self, schema_id):
        try:
            with urllib.request.urlopen(f"{self._url}/schemas/ids/{schema_id}", timeout=3) as answer:
                return json.loads(json.load(answer)["schema"])
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:  # there is no such schema: the record is at fault
                raise
            raise RegistryUnavailableError(f"the registry answered {error.code}") from error
        except OSError as error:
            raise RegistryUnavailableError(f"the registry cannot be reached: {error}") from error


def decoded(data, schema):
    value = json.loads(data)
    if missing := set(schema["required"]) - set(value):
        raise ValueError(f"the value lacks {', '.join(sorted(missing))}")
    return value


def handle(record):
    print(f"order {record.value['id']}")


def parallel(consumer):
    retry = ("retry", {"prepare_on": (RegistryUnavailableError,), "delay_ms": 200, "max_attempts": 1000})
    return ParallelConsumer(consumer, workers=32, plugins=[retry, "dlq"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="localhost:9092")
    parser.add_argument("--topic", default="orders")
    parser.add_argument("--idle-ms", type=float, default=float("inf"), help="end after this long without a record")
    parser.add_argument("--registry", default="http://localhost:8081")
    options = parser.parse_args()
    consumer = KafkaConsumer(
        options.topic,
        group_id="billing",
        bootstrap_servers=options.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=options.idle_ms,
        value_deserializer=RegistryDeserializer(options.registry),
    )
    parallel(consumer).run(handle)


if __name__ == "__main__":
    main()

"""The example of a schema registry against a stand-in on the loopback: an outage delays records, and loses none."""

from __future__ import annotations

import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from examples.schema_registry import RegistryDeserializer, RegistryUnavailableError
from kafka_parallel import ConfigurationError, ParallelConsumer, RecordFailed, Router, Skip, hookimpl
from kafka_parallel.testing import FakeCluster, FakeConsumer
from kafka_parallel_plugins.retry import RetryWithBackoff
from tests.until import is_committed, run_until

SCHEMA = {"type": "object", "required": ["id"]}
RETRY = {"prepare_on": (RegistryUnavailableError,), "delay_ms": 5, "max_delay_ms": 20, "max_attempts": 10_000}


class Registry:
    """Answers with the schemas 1 and 2; others do not exist. While *is_down* is set it answers 503.

    :ivar asked: the paths it was asked for.
    """

    def __init__(self):
        self.asked, self.is_down = [], threading.Event()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                registry.asked.append(self.path)
                status = 503 if registry.is_down.is_set() else 200 if self.path[-2:] in {"/1", "/2"} else 404
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps({"schema": json.dumps(SCHEMA)}).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def registry():
    found = Registry()
    yield found
    found.close()


def value(number, schema=1, **more):
    return struct.pack(">bI", 0, schema) + json.dumps({"id": number, **more}).encode()


def consumer(values, **config):
    cluster = FakeCluster()
    cluster.create_topic("orders", 2)
    for number, data in enumerate(values):
        cluster.append("orders", data, b"%d" % (number % 4), partition=number % 2)
    config = {"auto_offset_reset": "earliest", **config}
    return cluster, FakeConsumer("orders", cluster=cluster, group_id="g", **config)


def run(cluster, reads, handler, **options):
    """Run until all is committed."""
    parallel = ParallelConsumer(reads, install_signal_handlers=False, **options)
    run_until(lambda: is_committed(cluster, "g", ["orders"]), parallel, handler)


class Decisions:
    def __init__(self):
        self.told = []

    @hookimpl
    def on_error(self, error, context):
        self.told.append((context.raw.partition, context.raw.offset, type(error).__name__, context.attempt))
        return Skip("a test")


class ComesBack:
    """Ends the outage when a few attempts have failed."""

    def __init__(self, registry, after=20):
        self.failed, self._registry, self._after = 0, registry, after

    @hookimpl(wrapper=True)
    def on_error(self, error):
        self.failed += isinstance(error, RegistryUnavailableError)
        if self.failed >= self._after:
            self._registry.is_down.clear()
        return (yield)


@pytest.mark.parametrize("way", ["deserializer", "router"])
def test_an_outage_delays_all_records_and_loses_none(registry, way):
    registry.is_down.set()
    deserializer, handled = RegistryDeserializer(registry.url), {}
    config = {"value_deserializer": deserializer} if way == "deserializer" else {}
    cluster, reads = consumer([value(number, 1 + number % 2) for number in range(40)], **config)
    outage = ComesBack(registry)

    def handle(record):
        handled.setdefault((record.partition, record.key), []).append(record.value["id"])

    router = Router().on("orders", handle, value=lambda data: deserializer.deserialize("orders", data))
    run(cluster, reads, handle if way == "deserializer" else router, workers=4, plugins=[("retry", RETRY), outage])

    assert outage.failed >= 20
    assert sorted(number for found in handled.values() for number in found) == list(range(40))
    assert all(found == sorted(found) for found in handled.values()), "each key in order"
    assert all(cluster.committed("g", partition).offset == 20 for partition in cluster.logs)


def test_a_registry_that_cannot_be_reached_is_one_that_is_down(registry):
    deserializer = RegistryDeserializer(registry.url)
    registry.close()

    with pytest.raises(RegistryUnavailableError, match="cannot be reached"):
        deserializer.deserialize("orders", value(1))


def test_each_schema_is_asked_for_once(registry):
    cluster, reads = consumer([value(number, 1 + number % 2) for number in range(40)],
                              value_deserializer=RegistryDeserializer(registry.url))  # fmt: skip

    run(cluster, reads, lambda record: None, workers=8)

    assert sorted(registry.asked) == ["/schemas/ids/1", "/schemas/ids/2"]


def test_records_at_fault_are_not_tried_again(registry):
    values = [value(0, schema=9), b"\x05\0\0\0\1{}", struct.pack(">bI", 0, 1) + b"{}", value(3)]
    cluster, reads = consumer(values, value_deserializer=RegistryDeserializer(registry.url))
    decisions = Decisions()

    # plugins are asked the last one first
    run(cluster, reads, lambda record: None, workers=2, plugins=[decisions, ("retry", RETRY)])

    assert sorted(decisions.told) == [(0, 0, "HTTPError", 1), (0, 1, "ValueError", 1), (1, 0, "ValueError", 1)]


def test_without_the_setting_an_outage_stops_the_run(registry):
    registry.is_down.set()
    _, reads = consumer([value(1)], value_deserializer=RegistryDeserializer(registry.url))

    with pytest.raises(RecordFailed):
        ParallelConsumer(reads, install_signal_handlers=False, plugins=["retry"]).run(lambda record: None)


@pytest.mark.parametrize("given", ["OSError", [3], [BaseException]])
def test_other_values_of_the_setting_are_refused(given):
    with pytest.raises(ConfigurationError, match="prepare_on of plugin retry"):
        RetryWithBackoff(prepare_on=given)

"""Debian's Prometheus scrapes a running consumer, and its numbers are those of the broker and of the run."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import TopicPartition

from kafka_parallel import ParallelConsumer, Skip, hookimpl
from tests.deploy.shipped import ALERTS, RECORDING
from tests.deploy.tools import tool
from tests.integration.kafka_app import committed, consume, ends, observer, produce, wait_for

prometheus_client = pytest.importorskip("prometheus_client")
from kafka_parallel_plugins.prometheus import Prometheus  # noqa: E402

pytestmark = pytest.mark.broker


class Server:
    """A Prometheus that scrapes one port every second."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, **arguments: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def answers(self) -> bool:
        try:
            return bool(self.ask("status/runtimeinfo"))
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[Server]:
    """Run Debian's Prometheus with the shipped rules until the end of the block."""
    program = tool("prometheus")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yml", "recording.yml"],
        "scrape_configs": [{"job_name": "kp", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for path in (ALERTS, RECORDING):
        shutil.copy(path, folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(port)
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        wait_for(server.answers, "Prometheus to answer")
        yield server
    finally:
        process.terminate()
        process.wait(60)
        log.close()


class SkipFailed:
    @hookimpl
    def on_error(self):
        return Skip("on purpose")


def test_prometheus_scrapes_a_running_consumer(kafka_broker, topic, tmp_path):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    group, blocked = "g-" + name, threading.Event()
    produced = produce(bootstrap, name, 300, keys=[b"key-%d" % number for number in range(300)])
    plugin = Prometheus(registry=prometheus_client.CollectorRegistry(), port=0)
    stuck = TopicPartition(name, min(produced.keys))

    def handle(record):
        if record.offset % 10 == 9:
            raise ValueError("no amount")
        if (record.partition, record.offset) == (stuck.partition, 0):
            blocked.wait(120)

    consumer = consume(bootstrap, name, group, client_id="billing-1", consumer_timeout_ms=float("inf"))
    parallel = ParallelConsumer(consumer, plugins=[SkipFailed(), plugin])
    with parallel:
        parallel.start(handle)
        try:
            wait_for(lambda: plugin.port is not None, "the server")
            with prometheus(tmp_path, plugin.port) as server:
                left = f'sum(kafka_parallel_lag_records{{group="{group}"}})'
                wait_for(lambda: server.value(left) == 1, "one record to be left")

                # the stuck head: one record is left, and all of its partition is not committed
                place = f'topic="{name}", partition="{stuck.partition}"'
                end = ends(produced)[stuck.partition]
                assert server.value(f"kafka_parallel_committed_lag_records{{{place}}}") == end
                assert server.value(f"kafka_parallel_highwater_offset{{{place}}}") == end
                assert server.value(f"kafka_parallel_unfinished_records{{{place}}}") == 1
                assert server.value("kafka_parallel_longest_running_seconds") > 0
                assert server.value("kafka_parallel_in_flight_records") == 1
                assert server.value("kafka_parallel_partitions_assigned") == 3

                blocked.set()
                wait_for(lambda: server.value(left) == 0, "nothing to be left")
                behind = f'sum(kafka_parallel_committed_lag_records{{group="{group}"}})'
                wait_for(lambda: server.value(behind) == 0, "all to be committed")
                assert committed(bootstrap, group, produced) == ends(produced)
                with observer(bootstrap, group) as client:
                    ask = f'kafka_parallel_highwater_offset{{topic="{name}"}}'
                    said = {int(found["metric"]["partition"]): float(found["value"][1])
                            for found in server.ask("query", query=ask)["result"]}  # fmt: skip
                    at = client.end_offsets([TopicPartition(name, number) for number in range(3)])
                    assert said == {place.partition: end for place, end in at.items()}

                statistics = parallel.statistics()
                counted = server.ask("query", query="kafka_parallel_records_total")["result"]
                outcomes = {found["metric"]["outcome"]: float(found["value"][1]) for found in counted}
                assert outcomes == {
                    "handled": statistics.processed, "skipped": statistics.skipped, "dead_lettered": 0, "halted": 0
                }  # fmt: skip
                assert statistics.processed + statistics.skipped == 300
                assert server.value("kafka_parallel_process_duration_seconds_count") == 300
                assert server.value('kafka_parallel_errors_total{error_type="ValueError"}') == statistics.failed
                assert server.value("sum(kafka_parallel_commits_total)") >= 1

                (target,) = server.ask("targets")["activeTargets"]
                assert (target["health"], target["lastError"]) == ("up", "")
                rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
                assert {rule["health"] for rule in rules} == {"ok"}
                assert server.value("group_topic:kafka_parallel_lag_records:sum") == 0
                assert server.value('kafka_parallel_info{executor="thread-pool", ordering="key-ordered"}') == 1
        finally:
            blocked.set()


def test_what_is_served_has_nothing_that_promtool_would_change(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    produce(bootstrap, name, 100)
    plugin = Prometheus(registry=prometheus_client.CollectorRegistry(), port=0)

    with ParallelConsumer(consume(bootstrap, name, "g-" + name), plugins=[plugin]) as parallel:
        parallel.start(lambda record: None)
        wait_for(lambda: parallel.statistics().processed == 100, "all records")
        with urllib.request.urlopen(f"http://127.0.0.1:{plugin.port}/metrics", timeout=60) as answer:
            said = answer.read()

    done = subprocess.run([tool("promtool"), "check", "metrics"], input=said, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")

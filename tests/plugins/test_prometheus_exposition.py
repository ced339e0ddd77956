"""The text that is served says the same as the library's, for our metrics and for those of others."""

from __future__ import annotations

import gzip
import urllib.request

import pytest

from kafka_parallel import Retry, Statistics
from kafka_parallel.facts import PartitionProgress
from tests.plugins.test_prometheus import P0, P1, Consumer

prometheus_client = pytest.importorskip("prometheus_client")
from prometheus_client import exposition, parser  # noqa: E402
from prometheus_client.openmetrics import parser as open_metrics  # noqa: E402

from kafka_parallel_plugins.prometheus.exposition import written  # noqa: E402
from kafka_parallel_plugins.prometheus.server import MetricsServer  # noqa: E402

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture
def registry():
    """A registry with all our metrics, and one of the application."""
    consumer = Consumer(config={"client_id": 'a"b\\nc\nd'})
    for takes in (0.001, 0.3, 700.0):
        consumer.handle(takes=takes, timestamp_ms=5)
    consumer.handle(takes=0.02, headers=[("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    consumer.fail(ValueError(), Retry(1))
    consumer.commit(takes=0.02)
    consumer.facts.counts = Statistics(since_poll_ms=1.5, rebalances={"assigned": 1}, plugin_errors={("a", "b"): 1})
    consumer.facts.partitions = {P0: PartitionProgress(5, 9, 3, 2, 2, 3, 0), P1: PartitionProgress(1_234_567_890_123)}
    other = prometheus_client.Counter("payments", "the application's own", ["bank"], registry=consumer.registry)
    other.labels("none").inc(exemplar={"trace_id": "abc"})
    consumer.registry.keep = consumer
    return consumer.registry


def read(text, accept):
    """Each family with its samples, as a client reads them; they are in no order."""
    families = open_metrics if "openmetrics" in accept else parser
    return {
        family.name: (
            family.type,
            family.documentation,
            sorted((sample.name, sorted(sample.labels.items()), sample.value, sample.exemplar)
                   for sample in family.samples if not sample.name.endswith("_created")),
        )
        for family in families.text_string_to_metric_families(text)
    }  # fmt: skip


@pytest.mark.parametrize("accept", ["", OPEN_METRICS], ids=["text", "OpenMetrics"])
def test_it_says_what_the_library_says(registry, accept):
    encode, kind = exposition.choose_encoder(accept)

    body, said = written(registry, accept)

    assert said == kind
    assert read(body.decode(), accept) == read(encode(registry).decode(), accept)


def test_the_text_of_a_registry_with_nothing_else_is_complete():
    consumer = Consumer()

    body, _ = written(consumer.registry, OPEN_METRICS)

    assert body.endswith(b"# EOF\n")
    assert body.count(b"# EOF\n") == 1


class TestRequests:
    @pytest.fixture
    def ask(self, registry):
        server = MetricsServer("127.0.0.1", 0, registry)

        def ask(path, method="GET", **headers):
            url = f"http://127.0.0.1:{server.port}{path}"
            request = urllib.request.Request(url, headers=headers, method=method)
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read(), dict(answer.headers)

        yield ask
        server.close()

    def test_a_scrape_gets_everything(self, ask):
        body, headers = ask("/metrics", Accept=OPEN_METRICS)

        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert b"kafka_parallel_workers{" in body
        assert b'payments_total{bank="none"} 1.0 # {trace_id="abc"}' in body

    def test_it_is_compressed_if_asked_to(self, ask):
        body, headers = ask("/metrics", **{"Accept-Encoding": "gzip"})

        assert headers["Content-Encoding"] == "gzip"
        assert b"kafka_parallel_workers{" in gzip.decompress(body)

    def test_a_part_of_the_metrics_is_the_librarys_answer(self, ask):
        body, _ = ask("/metrics?name[]=kafka_parallel_workers")

        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        assert len(lines) == 1
        assert lines[0].startswith("kafka_parallel_workers{")

    def test_another_method_is_the_librarys_answer(self, ask):
        body, headers = ask("/metrics", method="OPTIONS")

        assert headers["Allow"] == "OPTIONS,GET"
        assert body == b""

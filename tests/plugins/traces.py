"""A consumer on a fake cluster whose spans and metrics are kept in memory."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kafka_parallel import Settings
from kafka_parallel_plugins.opentelemetry import OpenTelemetry
from tests.runtime.app import PARTITION, TOPIC, App

PATIENCE = 120.0


def traceparent(trace_id, span_id=1, flags=1):
    """The header of a record that was created in the span *span_id* of the trace *trace_id*."""
    return "traceparent", f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}".encode()


class Traced(App):
    """An app without records, with an SDK of its own.

    :param meters: another app, whose meters it shares.
    :ivar plugin: the plugin.
    :ivar tracer: a tracer as a library has that the handler calls.
    """

    def __init__(self, executor="thread-pool", sampler=None, meters=None, **settings):
        super().__init__(0, executor)
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = meters.reader if meters else InMemoryMetricReader()
        self.meters = meters.meters if meters else MeterProvider([self.reader])
        self.plugin = OpenTelemetry(tracer_provider=provider, meter_provider=self.meters, **settings)
        self.tracer = provider.get_tracer("a client that the handler uses")

    def append(self, *headers, value=b"value", key=b"key"):
        return self.cluster.append(TOPIC, value, key, partition=PARTITION.partition, headers=list(headers))

    def trace(self, handler=lambda _: None, plugins=(), **options):
        """Run *handler* with the plugin; return the error of run()."""
        return self.run(handler, plugins=[*plugins, self.plugin], **options)

    @property
    def spans(self):
        """The finished spans, in the order in which they ended."""
        return self.exporter.get_finished_spans()

    def until_one_ends(self):
        """Wait for the first span of which a thread of the plugin makes the end."""
        deadline = time.monotonic() + PATIENCE
        while not self.spans:
            assert time.monotonic() < deadline, "no span has ended"
            threading.Event().wait(0.005)

    @property
    def processed(self):
        """Those of the plugin, by offset and attempt."""
        found = {}
        for span in self.spans:
            if span.name.startswith("process"):
                found[span.attributes["messaging.kafka.offset"], span.attributes.get("kafka_parallel.attempt", 1)] = (
                    span
                )
        return found

    @property
    def metrics(self):
        """The data points by the name of their metric."""
        return points_of(self.reader)


def started(app):
    """Start the plugin of *app* without a run."""
    app.plugin.on_start(Settings(1, "g", frozenset({TOPIC}), None))
    return app.plugin._telemetry


def metrics_of(reader):
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    return [metric for scope in scopes for metric in scope.metrics]


def points_of(reader):
    """The data points by the name of their metric."""
    return {metric.name: list(metric.data.data_points) for metric in metrics_of(reader)}


@contextmanager
def called(app, name="GET"):
    """Stand for an instrumented client: a span that goes on with whatever is current."""
    with app.tracer.start_as_current_span(name) as span:
        yield span


def current():
    """The ids of the current span."""
    context = trace.get_current_span().get_span_context()
    return context.trace_id, context.span_id

"""Handlers that call another service, in a module that sets OpenTelemetry up for every process that imports it.

So a process of a pool sends its spans too: it imports this module with the handler. The environment tells where to.
"""

from __future__ import annotations

import asyncio
import os
import urllib.request

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.kafka import KafkaInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

RECEIVER, SERVICE = "TRACED_RECEIVER", "TRACED_SERVICE"


def set_up():
    """Trace into the receiver; what is traced are sends of kafka-python, and calls by urllib."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ[RECEIVER], timeout=60)))
    trace.set_tracer_provider(provider)
    KafkaInstrumentor().instrument(skip_dep_check=True)  # it asks for kafka-python before 3.0
    # or each export would be traced as well
    URLLibInstrumentor().instrument(excluded_urls="v1/traces")


if RECEIVER in os.environ:
    set_up()


def call_service(offsets):
    url = f"{os.environ[SERVICE]}/{','.join(map(str, offsets))}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()


def handle(record):
    call_service([record.offset])
    if record.value == b"bad":
        raise ValueError("bad")


async def handle_async(record):
    await asyncio.to_thread(handle, record)


def handle_batch(records):
    call_service([record.offset for record in records])


def look_at(record):
    """Do nothing."""

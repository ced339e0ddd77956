"""No error of the observability library reaches a record or a commit, and no mistake of the user stays unsaid."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, Tracer

from kafka_parallel import ConfigurationError, PluginError, Skip, hookimpl
from kafka_parallel_plugins.opentelemetry import OpenTelemetry, span_ends
from kafka_parallel_plugins.opentelemetry.once import LoggedOnce
from tests.plugins.test_opentelemetry import again
from tests.plugins.traces import Traced, current, traceparent
from tests.runtime.app import App


class Raises:
    """Anything that is done with it raises."""

    def __getattribute__(self, name):
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        raise RuntimeError(f"no {name}")


class Hostile(Tracer):
    def __init__(self, span):
        self.span = span

    def start_span(self, *args, **kwargs):
        if isinstance(self.span, Exception):
            raise self.span
        return self.span

    start_as_current_span = start_span


class SomeSpan(NonRecordingSpan):
    """It records, and one method of it raises, or returns something of another type."""

    def __init__(self, broken, answer=None):
        self._broken = broken
        self._answer = answer

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "_broken"):
            if (answer := object.__getattribute__(self, "_answer")) is None:
                raise RuntimeError("broken")
            return lambda *args, **kwargs: answer
        if name == "is_recording":
            return lambda: True
        return object.__getattribute__(self, name)


class Provider:
    def __init__(self, tracer):
        self.tracer = tracer

    def get_tracer(self, *args, **kwargs):
        if isinstance(self.tracer, Exception):
            raise self.tracer
        return self.tracer


class MeterProvider:
    """Its instruments raise, or are of another type."""

    def __init__(self, meter):
        self.meter = meter

    def get_meter(self, *args, **kwargs):
        if isinstance(self.meter, Exception):
            raise self.meter
        return self.meter


class Meter:
    def __init__(self, instrument):
        self.create_histogram = self.create_counter = self.create_observable_gauge = lambda *args, **kwargs: instrument


SPANS = {
    "start_span raises": RuntimeError("no span"),
    "no span": None,
    "a text": "span",
    "an object that raises": Raises(),
    **{
        f"{name} raises": SomeSpan(name)
        for name in ("is_recording", "get_span_context", "set_attributes", "set_status", "record_exception", "end")
    },
    "get_span_context answers a text": SomeSpan("get_span_context", "no context"),
}
METERS = {
    "get_meter raises": RuntimeError("no meter"),
    "no meter": None,
    "no instruments": Meter(None),
    "instruments that raise": Meter(Raises()),
}


def run_with_failures(plugin, executor="thread-pool"):
    """Run 20 records, some of which fail twice; return the app."""
    app = App(20, executor)

    def handle(record):
        if record.offset % 5 == 0 and record.offset not in failed:
            failed.add(record.offset)
            raise ValueError("no amount")

    failed = set()
    app.error = app.run(handle, plugins=[again(3), plugin])
    return app


def check_unharmed(app, caplog):
    assert app.error is None
    assert (sorted(app.handled), app.committed) == (list(range(20)), 20)
    assert len([line for line in caplog.records if line.name.startswith("kafka_parallel_plugins.opentelemetry")]) == 1


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_a_hostile_tracer_is_logged_once_and_harms_no_record(span, executor, caplog):
    app = run_with_failures(OpenTelemetry(tracer_provider=Provider(Hostile(span))), executor)

    check_unharmed(app, caplog)


@pytest.mark.parametrize("meter", METERS.values(), ids=METERS)
def test_a_hostile_meter_is_logged_once_and_harms_no_record(meter, caplog):
    check_unharmed(run_with_failures(OpenTelemetry(meter_provider=MeterProvider(meter))), caplog)


def test_a_tracer_provider_that_raises_is_logged_once(caplog):
    check_unharmed(run_with_failures(OpenTelemetry(tracer_provider=Provider(RuntimeError("none")))), caplog)


class Exporter(SpanExporter):
    """Raises, or blocks until it is told to go on."""

    def __init__(self, error=None):
        self.error = error
        self.exports = threading.Event()
        self.may_go_on = threading.Event()

    def export(self, spans):
        self.exports.set()
        if self.error is not None:
            raise self.error
        assert self.may_go_on.wait(60)

    def shutdown(self):
        pass


def provider_with(processor):
    provider = TracerProvider()
    provider.add_span_processor(processor)
    return provider


def test_an_exporter_that_raises_harms_no_record(caplog):
    app = run_with_failures(OpenTelemetry(tracer_provider=provider_with(SimpleSpanProcessor(Exporter(OSError())))))

    assert (app.error, app.committed) == (None, 20)


def test_an_exporter_that_blocks_harms_no_record_behind_a_batch_processor():
    exporter = Exporter()
    processor = BatchSpanProcessor(exporter, max_queue_size=4, max_export_batch_size=1, schedule_delay_millis=1)

    app = run_with_failures(OpenTelemetry(tracer_provider=provider_with(processor)))

    assert exporter.exports.wait(60)
    assert (app.error, sorted(app.handled), app.committed) == (None, list(range(20)), 20)
    exporter.may_go_on.set()
    processor.shutdown()


class BlocksAt(Exporter):
    """Blocks with the first span that *is_meant*."""

    def __init__(self, is_meant):
        super().__init__()
        self.is_meant = is_meant

    def export(self, spans):
        if any(self.is_meant(span) for span in spans):
            super().export(spans)


def test_an_exporter_that_blocks_at_a_commit_stops_no_commit():
    exporter = BlocksAt(lambda span: span.name.startswith("commit"))
    plugin = OpenTelemetry(tracer_provider=provider_with(SimpleSpanProcessor(exporter)), commit_spans=True)
    app = App(20)

    error = app.run(app.handled.append, plugins=[plugin])
    is_blocked = exporter.exports.is_set() and not exporter.may_go_on.is_set()
    exporter.may_go_on.set()

    assert (error, app.committed, is_blocked) == (None, 20, True)


def test_an_exporter_that_blocks_at_the_verdict_about_a_late_handler_stops_nothing():
    exporter, decided = BlocksAt(lambda span: not span.status.is_ok), threading.Event()
    plugin = OpenTelemetry(tracer_provider=provider_with(SimpleSpanProcessor(exporter)))

    class Decides:
        @hookimpl
        def on_error(self):
            decided.set()
            return Skip("late")

    app = App(5)
    late = []

    def handle(record):
        if record.offset == 0:
            late.append(decided.wait(20))

    error = app.run(handle, plugins=[Decides(), plugin], handler_timeout_ms=30)
    is_blocked = exporter.exports.is_set() and not exporter.may_go_on.is_set()
    exporter.may_go_on.set()

    assert (error, app.committed, late, is_blocked) == (None, 5, [True], True)


def test_spans_that_an_exporter_leaves_no_room_for_are_dropped_and_that_is_logged_once(monkeypatch, caplog):
    monkeypatch.setattr(span_ends, "MOST_WAITING", 2)
    exporter = Exporter()
    exporter_of_all = []
    export = exporter.export
    exporter.export = lambda spans: (export(spans), exporter_of_all.extend(spans))
    tracer = provider_with(SimpleSpanProcessor(exporter)).get_tracer("test")
    ends = span_ends.SpanEnds(LoggedOnce())

    ends.end_later(tracer.start_span("0"))
    assert exporter.exports.wait(60)
    for number in range(1, 6):
        ends.end_later(tracer.start_span(str(number)))
    exporter.may_go_on.set()
    ends.close()

    assert [span.name for span in exporter_of_all] == ["0", "1", "2"]
    assert caplog.text.count("drops spans") == 1


def test_a_span_ends_at_the_time_of_its_end_and_not_of_its_export(monkeypatch):
    app = Traced(commit_spans=True)
    ends = span_ends.SpanEnds(LoggedOnce())
    span = app.tracer.start_span("one")
    monkeypatch.setattr(span_ends.time, "time_ns", lambda: 2**62)

    ends.end_later(span)
    ends.close()

    assert [span.end_time for span in app.spans] == [2**62]


class SpeechlessError(Exception):
    def __str__(self):
        raise SystemExit("on purpose")


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_an_error_whose_text_raises_system_exit_ends_no_run(executor, caplog):
    class Skips:
        @hookimpl
        def on_error(self):
            return Skip("not needed")

    app = App(3, executor)

    def handle(record):
        if record.offset == 1:
            raise SpeechlessError

    traced = provider_with(SimpleSpanProcessor(InMemorySpanExporter()))
    error = app.run(handle, plugins=[Skips(), OpenTelemetry(tracer_provider=traced)])

    assert (error, app.committed) == (None, 3)
    assert caplog.text.count("could not end a span") == 1


class TestNoSdk:
    def test_it_works_and_passes_the_context_on(self):
        app = App(0)
        app.cluster.append("t", b"1", partition=0, headers=[traceparent(5, 7)])
        app.cluster.append("t", b"2", partition=0)
        seen = {}

        error = app.run(lambda record: seen.update({record.value: current()}), plugins=[OpenTelemetry()])

        assert error is None
        assert seen == {b"1": (5, 7), b"2": (0, 0)}
        assert app.committed == 2

    def test_an_sdk_that_is_set_up_after_the_start_is_found(self):
        """In a process of its own: the global provider can be set once."""
        code = """if True:
            from opentelemetry import trace
            from opentelemetry.sdk.trace import TracerProvider
            from tests.runtime.app import App
            from kafka_parallel_plugins.opentelemetry import OpenTelemetry, telemetry
            telemetry.LOOK_EVERY = 0
            app, seen = App(50), []
            def handle(record):
                seen.append(trace.get_current_span().is_recording())
                if record.offset == 10:
                    trace.set_tracer_provider(TracerProvider())
            assert app.run(handle, plugins=[OpenTelemetry()], workers=1, max_buffered_records=5) is None
            assert not any(seen[:10]) and all(seen[-10:]), seen
        """
        assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


class TestBadInput:
    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"parent": "child"}, "parent of plugin opentelemetry is 'child': known are creation, link"),
            ({"keys": "yes"}, "keys of plugin opentelemetry is 'yes': write True or False"),
            ({"commit_spans": 1}, "commit_spans of plugin opentelemetry is 1: write True or False"),
            (
                {"tracer_provider": object()},
                "tracer_provider .* is an object without get_tracer: give a TracerProvider",
            ),
            ({"meter_provider": object()}, "meter_provider .* is an object without get_meter: give a MeterProvider"),
        ],
    )
    def test_a_setting_that_cannot_work(self, settings, says):
        with pytest.raises(ConfigurationError, match=says):
            OpenTelemetry(**settings)

    def test_an_unknown_setting(self):
        with pytest.raises(ConfigurationError, match=r"it has no 'spans'; it has parent, keys, sizes, partitions"):
            App(0).parallel(plugins=[("opentelemetry", {"spans": True})])

    def test_a_missing_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)

        with pytest.raises(PluginError, match=r"pip install 'kafka-parallel\[otel\]'"):
            App(0).parallel(plugins=["opentelemetry"])

    def test_a_tracer_provider_cannot_be_sent_to_processes(self):
        with pytest.raises(ConfigurationError, match="cannot be sent to the processes"):
            OpenTelemetry(tracer_provider=TracerProvider()).provide_child_wrapper(None)


@pytest.mark.parametrize("has_sdk", [False, True])
def test_a_run_without_an_sdk_is_told_that_there_will_be_no_spans(has_sdk, caplog):
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider() if has_sdk else trace.NoOpTracerProvider()
    with caplog.at_level("INFO", "kafka_parallel_plugins.opentelemetry"):
        assert App(1).run(plugins=[OpenTelemetry(tracer_provider=provider)]) is None

    told = [line.getMessage() for line in caplog.records if line.name == "kafka_parallel_plugins.opentelemetry"]
    assert [line[:32] for line in told] == ([] if has_sdk else ["no tracer provider of an SDK is "])

"""Several consumers in one process. Kind: one of them that goes on, or loses records, when the others stop."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from kafka_parallel import Batch, ConfigurationError, ParallelConsumer, RecordFailed, StateError, hookimpl, run_all
from tests.runtime.app import App

FOREVER = {"consumer_timeout_ms": float("inf")}


def ignore(record):
    """A handler that does nothing."""


class Gate:
    """A handler that says that it has begun, and waits until it is let go."""

    def __init__(self, app):
        self._app = app
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, record):
        self.has_begun.set()
        assert self.may_end.wait(600)
        self._app.handled.append(record.offset)


def test_each_handler_gets_the_records_of_its_consumer_and_idle_consumers_end_alone():
    apps = App(6), App(3)
    batches = []

    def handle_list(records):
        batches.append(len(records))
        apps[1].handled.extend(record.offset for record in records)

    run_all([
        (apps[0].parallel(), apps[0].handle(ignore)),
        (apps[1].parallel(), handle_list, Batch(max_records=3, max_wait_ms=50)),
    ])  # fmt: skip

    assert [app.committed for app in apps] == [6, 3]
    assert sorted(apps[0].handled) == [*range(6)]
    assert sum(batches) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_stops_all_and_running_records_are_finished(number):
    apps = App(1), App(1)
    gates = [Gate(app) for app in apps]

    def signal_then_let_go():
        for gate in gates:
            assert gate.has_begun.wait(600)
        signal.pthread_kill(threading.main_thread().ident, number)
        for parallel in consumers:
            while parallel.state != "stopping":
                threading.Event().wait(0.005)
        for gate in gates:
            gate.may_end.set()

    consumers = [app.parallel(FOREVER, install_signal_handlers=True) for app in apps]
    before = signal.getsignal(number)
    signaller = threading.Thread(target=signal_then_let_go)
    signaller.start()
    run_all(zip(consumers, gates, strict=True))
    signaller.join()

    assert [app.committed for app in apps] == [1, 1]
    assert [parallel.state for parallel in consumers] == ["stopped", "stopped"]
    assert signal.getsignal(number) is before


def test_a_second_signal_abandons_the_running_records_of_all():
    apps = App(1), App(1)
    gates = [Gate(app) for app in apps]
    consumers = [app.parallel(FOREVER, install_signal_handlers=True) for app in apps]

    def signal_twice():
        for gate in gates:
            assert gate.has_begun.wait(600)
        for _ in range(2):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
            while any(parallel.state == "running" for parallel in consumers):
                threading.Event().wait(0.005)

    signaller = threading.Thread(target=signal_twice)
    signaller.start()
    run_all(zip(consumers, gates, strict=True))
    signaller.join()
    for gate in gates:
        gate.may_end.set()

    assert [app.committed for app in apps] == [0, 0]


def test_the_first_error_stops_all_and_is_raised_while_others_finish_what_runs(caplog):
    failing, other = App(1), App(1)
    gate = Gate(other)
    consumers = [failing.parallel(FOREVER), other.parallel(FOREVER)]

    def fail(record):
        assert gate.has_begun.wait(600)
        raise ValueError("on purpose")

    def let_go():
        while consumers[1].state != "stopping":
            threading.Event().wait(0.005)
        gate.may_end.set()

    helper = threading.Thread(target=let_go)
    helper.start()
    with caplog.at_level(logging.INFO), pytest.raises(RecordFailed, match="on purpose"):
        run_all([(consumers[0], fail), (consumers[1], gate)])
    helper.join()

    assert [parallel.state for parallel in consumers] == ["failed", "stopped"]
    assert [failing.committed, other.committed] == [0, 1]
    assert "stopping because of an error in the run of t" in caplog.text


def test_a_start_that_a_plugin_refuses_stops_all():
    class Refuses:
        @hookimpl
        def on_start(self):
            raise PermissionError("no access")

    other = App(3)

    with pytest.raises(PermissionError):
        run_all([(other.parallel(FOREVER), ignore), (App(1).parallel(plugins=[Refuses()]), ignore)])

    assert other.committed in {0, 3}


def test_an_error_that_ends_the_program_comes_before_an_earlier_one():
    apps = App(1), App(1)
    has_failed = threading.Event()

    class Tells:
        @hookimpl
        def on_stop(self):
            has_failed.set()

    def fail(record):
        raise ValueError("the first")

    def leave(record):
        assert has_failed.wait(600)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_all([(apps[0].parallel(FOREVER, plugins=[Tells()]), fail), (apps[1].parallel(FOREVER), leave)])


def test_ctrl_c_without_signal_handlers_stops_all_and_is_raised():
    apps = App(1), App(1)
    has_begun = threading.Barrier(3)

    def handle(record):
        has_begun.wait(600)

    def interrupt():
        has_begun.wait(600)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_all([(app.parallel(FOREVER), handle) for app in apps])
    finally:
        signal.signal(signal.SIGINT, before)
    helper.join()

    assert [app.committed for app in apps] == [1, 1]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (lambda: None, "run_all() got None: give a list of pairs"),
        (list, "run_all() got no consumer"),
        (lambda: [App().parallel()], "item 1 of run_all() is a ParallelConsumer"),
        (lambda: [(App().consumer(), ignore)], "item 1 of run_all() is (a FakeConsumer, ignore)"),
        (lambda: [(App().parallel(), ignore), (App().parallel(),)], "item 2 of run_all() is (a ParallelConsumer)"),
        (lambda: [(App().parallel(), 42)], "the handler is 42"),
        (lambda: [(App().parallel(), ignore, 10)], "batch is 10"),
        (
            lambda: [(App().parallel(), ignore), (App().parallel(install_signal_handlers=True), ignore)],
            "differ in install_signal_handlers",
        ),
    ],
)
def test_a_mistake_is_named(given, text):
    with pytest.raises(ConfigurationError) as raised:
        run_all(given())

    assert text in str(raised.value)


def test_a_consumer_and_its_handler_without_a_list_are_refused_and_left_as_they_were():
    parallel = App(3).parallel()

    with pytest.raises(ConfigurationError, match=r"got 2 arguments: give one list of pairs, as in run_all\(\[\("):
        run_all(parallel, ignore)

    run_all([(parallel, ignore)])


def test_a_kafka_consumer_without_its_parallel_consumer_is_refused():
    with pytest.raises(ConfigurationError, match=r"wrapped first: ParallelConsumer\(consumer\)"):
        run_all([(App(3).consumer(), ignore)])


def test_one_consumer_twice_is_refused_and_left_as_it_was():
    app = App(3)
    parallel = app.parallel()

    with pytest.raises(ConfigurationError, match="items 1 and 3 of run_all\\(\\) have one ParallelConsumer"):
        run_all([(parallel, ignore), (App().parallel(), ignore), (parallel, ignore)])

    assert parallel.state == "new"
    run_all([(parallel, ignore)])
    assert app.committed == 3


def test_one_kafka_consumer_in_two_is_refused_and_left_as_it_was():
    app = App(3)
    consumer = app.consumer()
    first, second = (ParallelConsumer(consumer, install_signal_handlers=False) for _ in range(2))

    with pytest.raises(ConfigurationError, match="have one KafkaConsumer"):
        run_all([(first, ignore), (second, ignore)])

    run_all([(first, ignore)])
    assert app.committed == 3


def test_a_consumer_that_runs_already_is_refused_and_the_others_are_left_as_they_were():
    running, other = App(1), App(3)
    gate = Gate(running)
    parallel, spared = running.parallel(FOREVER), other.parallel()
    parallel.start(gate)
    assert gate.has_begun.wait(600)

    with pytest.raises(StateError, match="runs already"):
        run_all([(spared, ignore), (parallel, ignore)])
    gate.may_end.set()
    parallel.stop()
    parallel.join()

    assert running.committed == 1
    assert spared.state == "new"
    spared.run(ignore)
    assert other.committed == 3


def test_a_plugin_object_of_one_run_is_refused_in_two_and_free_afterwards():
    class Once:
        serves_one_run = True

        @hookimpl
        def on_start(self):
            """It keeps nothing."""

    plugin = Once()
    app = App(3)
    parallel = app.parallel(plugins=[plugin])

    with pytest.raises(ConfigurationError, match="is in another run"):
        run_all([(parallel, ignore), (App().parallel(plugins=[plugin]), ignore)])

    parallel.run(ignore)
    assert app.committed == 3


def test_off_the_main_thread_it_runs_without_signal_handlers():
    app = App(3)
    thread = threading.Thread(target=run_all, args=([(app.parallel(install_signal_handlers=True), ignore)],))
    thread.start()
    thread.join()

    assert app.committed == 3


def test_an_explain_signal_of_each_is_answered(caplog):
    apps = App(1), App(1)
    asked = threading.Event()

    class Hears(logging.Handler):
        def emit(self, record):
            counted.append(record.getMessage())
            if len(counted) >= 2:
                asked.set()

    counted = []
    log = logging.getLogger("kafka_parallel.run")
    hears = Hears(logging.WARNING)
    hears.addFilter(lambda record: "asked by a signal" in record.getMessage())
    log.addHandler(hears)
    has_begun = threading.Barrier(3)

    def handle(record):
        has_begun.wait(600)

    def ask():
        has_begun.wait(600)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        assert asked.wait(600)
        for parallel in consumers:
            parallel.stop()

    consumers = [app.parallel(FOREVER, explain_signal=signal.SIGUSR1) for app in apps]
    helper = threading.Thread(target=ask)
    helper.start()
    try:
        run_all([(parallel, handle) for parallel in consumers])
    finally:
        log.removeHandler(hears)
    helper.join()

    assert [app.committed for app in apps] == [1, 1]

"""Handlers in other processes keep every promise that those in threads keep, in spite of any end of a process."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ConfigurationError, RecordFailed, Retry, Skip, hookimpl
from kafka_parallel.errors import HandlerError, HandlerTimeout, RemoteTraceback, WorkerDied
from kafka_parallel.executors import Program
from kafka_parallel.testing.fake import FakeProducer
from kafka_parallel_plugins.process_pool.plugin import Processes, Worker
from kafka_parallel_plugins.retry_topics import RetryTopics
from tests.plugins import cannot_be_imported, cpu_handlers
from tests.plugins.cpu_handlers import noted
from tests.runtime.app import TOPIC, App


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(cpu_handlers.LOG, str(path))
    yield path
    assert multiprocessing.active_children() == []


def run(app, handler, **options):
    return app.run_coroutine(handler, executor="process-pool", **options)


class Decide:
    """Answers on_error, and keeps the questions."""

    def __init__(self, answer=lambda context: None):
        self.answer = answer
        self.asked = []

    @hookimpl
    def on_error(self, record, error, context):
        self.asked.append((record, error, context))
        return self.answer(context)


class Pool:
    """Provides processes with settings that are no options, and keeps them."""

    def __init__(self):
        self.processes = Processes(2, 60.0)

    @hookimpl
    def provide_executor(self, settings):
        return self.processes


def retry(context):
    return Retry(1)


# Order, commits, failures


def test_a_key_runs_one_at_a_time_on_several_processes():
    app = App(400)
    for offset in range(400, 800):
        app.cluster.append(TOPIC, b"%d" % offset, b"key-%d" % (offset % 40), partition=0)

    assert run(app, cpu_handlers.handle) is None

    assert sorted(noted("end")) == list(range(800))
    for lane in [range(400), *(range(400 + key, 800, 40) for key in range(40))]:
        assert [offset for offset in noted("begin") if offset in lane] == list(lane)
    assert len(cpu_handlers.pids()) == 2
    assert os.getpid() not in cpu_handlers.pids()
    assert app.committed == 800


def test_a_failure_that_nobody_decides_stops_the_consumer_with_the_error_and_where_it_was_raised():
    app = App()

    error = run(app, cpu_handlers.fail_at_three, ordering="partition")

    assert isinstance(error, RecordFailed)
    assert type(error.__cause__) is ValueError
    assert str(error.__cause__) == "no b'3'"
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)
    assert "in fail_at_three" in str(error.__cause__.__cause__)
    assert noted("begin") == [0, 1, 2, 3]
    assert app.committed == 3


def test_a_retry_comes_before_the_rest_of_its_key():
    app, decide = App(), Decide(lambda context: Retry(1) if context.attempt < 3 else Skip("enough"))

    assert run(app, cpu_handlers.fail_at_three, plugins=[decide]) is None

    assert noted("begin") == [0, 1, 2, 3, 3, 3, 4, 5]
    assert [context.attempt for _, _, context in decide.asked] == [1, 2, 3]
    assert app.committed == 6


def test_a_skip_lets_the_rest_of_its_key_go_on():
    app = App(60)

    assert run(app, cpu_handlers.fail_at_odd, plugins=[Decide(lambda context: Skip("odd"))]) is None

    assert noted("begin") == list(range(60))
    assert app.committed == 60


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_stops_a_process_comes_out_of_run(error, monkeypatch):
    monkeypatch.setenv(cpu_handlers.RAISES, error.__name__)
    app, decide = App(), Decide(retry)

    assert isinstance(run(app, cpu_handlers.raise_named, plugins=[decide]), error)

    assert decide.asked == []
    assert app.committed == 0


@pytest.mark.parametrize(("handler", "text"), [
    (cpu_handlers.raise_stubborn, "tests.plugins.cpu_handlers.StubbornError: this and that"),
    (cpu_handlers.raise_mute, "tests.plugins.cpu_handlers.MuteError: (it has no message that can be shown)"),
])  # fmt: skip
def test_an_error_that_cannot_be_sent_has_a_stand_in(handler, text):
    error = run(App(), handler)

    assert isinstance(error.__cause__, HandlerError)
    assert str(error.__cause__) == text
    assert f"in {handler.__name__}" in str(error.__cause__.__cause__)


def test_a_handler_may_be_an_object():
    assert run(App(), cpu_handlers.Callable()) is None
    assert noted("end") == list(range(6))


def test_signals_are_the_parents_to_answer():
    app = App()

    assert run(app, cpu_handlers.ignore_signals) is None

    assert noted("end") == list(range(6))


def test_records_behind_one_that_takes_long_are_run_by_the_other_process(monkeypatch):
    count = 600
    monkeypatch.setenv(cpu_handlers.COUNT, str(count))
    app = App(count)

    assert run(app, cpu_handlers.wait_for_all_others, ordering="unordered") is None

    assert sorted(noted("end")) == list(range(count))
    assert noted("end")[-1] == 300
    assert app.committed == count


class Bursts:
    """Work that comes in bursts; keeps how much was taken at once.

    :param bursts: how many tasks each has.
    """

    def __init__(self, *bursts):
        self.bursts = list(bursts)
        self.left = 0
        self.taken = []

    def next_chunk_nowait(self, limit):
        count = min(limit, self.left)
        self.left -= count
        self.taken += [count] if count else []
        return range(count) if count else None

    def next_chunk(self, limit):
        self.left = self.bursts.pop(0) if self.bursts else 0
        return self.next_chunk_nowait(limit)

    def run_remote(self, chunk, exchange):
        pass

    def fail(self, error):
        raise error


class Idle:
    """A worker that does nothing."""

    exchange = None
    process = SimpleNamespace(end=lambda: None)

    def revive(self):
        pass


def test_a_process_that_was_idle_leaves_most_of_what_comes_to_others():
    processes, work = Processes(2, 60.0), Bursts(100, 12)
    processes.bind(Program(b"", "handle", is_surrounded=False, is_batch=False))
    processes._sizer.saw(0.001, 33)

    processes._pull(work, Idle())

    assert work.taken == [1, 2, 4, 8, 16, 20, 20, 20, 9, 1, 2, 4, 5]


# Data from Kafka


class Evil:
    def __reduce__(self):
        return os._exit, (66,)


def test_what_came_from_kafka_is_never_unpickled():
    app, evil = App(0), pickle.dumps(Evil())
    app.cluster.append(TOPIC, evil, evil, partition=0, headers=[("evil", evil)])

    assert run(app, cpu_handlers.check_bytes) is None

    assert noted("end") == [0]


def test_deserialisers_run_in_the_process(monkeypatch):
    app = App(0)
    for number in range(5):
        app.cluster.append(TOPIC, b'{"n": %d}' % number, partition=0)
    parallel = app.parallel(executor="process-pool", consumer={"value_deserializer": cpu_handlers.parse})

    parallel.run(cpu_handlers.check_kind)

    assert sorted(noted("end")) == list(range(5))


def test_a_record_that_cannot_be_deserialised_has_failed_before_its_handler():
    app, decide = App(0), Decide(lambda context: Skip("broken"))
    app.cluster.append(TOPIC, b"{", b"key", partition=0)
    app.cluster.append(TOPIC, b'{"n": 1}', b"key", partition=0)
    options = {"plugins": [decide], "consumer": {"value_deserializer": cpu_handlers.parse}}

    assert run(app, cpu_handlers.check_kind, **options) is None

    [(record, error, context)] = decide.asked
    assert record.value == b"{"
    assert type(error).__name__ == "JSONDecodeError"
    assert context.stage == "prepare"
    assert noted("end") == [1]


def test_on_error_sees_the_record_as_its_handler_did():
    app, decide = App(), Decide(lambda context: Skip("no"))
    options = {"plugins": [decide], "consumer": {"value_deserializer": cpu_handlers.parse}}

    assert run(app, cpu_handlers.fail_at_three, **options) is None

    [(record, _, context)] = decide.asked
    assert record.value == 3
    assert context.raw.value == b"3"
    assert context.stage == "handle"


def test_a_large_record_goes_through():
    app = App(0)
    for _ in range(4):
        app.cluster.append(TOPIC, bytes(1 << 20), b"key", partition=0)

    assert run(app, cpu_handlers.check_size) is None

    assert noted("end") == list(range(4))


# Wrappers


class Surround:
    def __init__(self):
        self.steps = []

    @hookimpl(wrapper=True)
    def on_record(self, record, context):
        self.steps.append(("in", context.raw.offset, noted("begin").count(context.raw.offset)))
        result = yield
        self.steps.append(("out", context.raw.offset, noted("begin").count(context.raw.offset), result))
        return result


def test_wrappers_run_here_around_the_whole_of_it_and_see_the_result():
    app, surround = App(3), Surround()

    assert run(app, cpu_handlers.number, plugins=[surround]) is None

    assert surround.steps == [step for n in range(3) for step in (("in", n, 0), ("out", n, 1, n))]


def test_wrappers_see_the_error():
    seen = []

    class See:
        @hookimpl(wrapper=True)
        def on_record(self, record):
            try:
                return (yield)
            except ValueError as error:
                seen.append((record.value, str(error)))
                raise

    app = App()
    options = {"plugins": [See(), Decide(lambda context: Skip("no"))], "consumer": {"value_deserializer": int}}

    assert run(app, cpu_handlers.fail_at_three, **options) is None

    assert seen == [(3, "no 3")]
    assert app.committed == 6


def test_a_plugin_that_answers_or_raises_prevents_the_handler():
    class Prevent:
        @hookimpl
        def on_record(self, record):
            return Skip("answered") if record.offset == 1 else None

        @hookimpl(wrapper=True, specname="on_record")
        def raise_first(self, record):
            if record.offset == 2:
                raise LookupError
            yield

    app, decide = App(), Decide(lambda context: Skip("no"))

    assert run(app, cpu_handlers.handle, plugins=[Prevent(), decide]) is None

    assert noted("end") == [0, 3, 4, 5]
    assert [type(error) for _, error, _ in decide.asked] == [LookupError]


# Processes that die


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_a_process_that_dies_fails_the_record_it_had_begun_and_no_other(plugins):
    app, decide = App(200), Decide(retry)

    assert run(app, cpu_handlers.die_at_three_once, plugins=[decide, *(make() for make in plugins)]) is None

    [(record, error, _)] = decide.asked
    assert record.offset == 3
    assert isinstance(error, WorkerDied)
    assert error.exitcode == -9
    assert "die_at_three_once" in str(error)
    assert "on t[0]@3 ended with SIGKILL" in str(error)
    assert noted("begin") == [0, 1, 2, 3, *range(3, 200)]
    assert noted("end") == list(range(200))
    assert app.committed == 200


def test_a_record_that_ends_its_process_each_time_is_decided_each_time():
    app, decide = App(1), Decide(lambda context: Retry(1) if context.attempt < 5 else Skip("enough"))

    assert run(app, cpu_handlers.exit_always, plugins=[decide]) is None

    assert [error.exitcode for _, error, _ in decide.asked] == [7] * 5
    assert len(cpu_handlers.pids()) == 5


def test_a_crash_tells_where():
    error = run(App(1), cpu_handlers.crash)

    assert isinstance(error.__cause__, WorkerDied)
    assert "SIGSEGV" in str(error.__cause__)
    assert "in crash" in str(error.__cause__.__cause__)


def test_a_process_that_was_killed_while_idle_costs_nobody_anything():
    app, decide, pool = App(0), Decide(), Pool()
    parallel = app.parallel(plugins=[decide, pool], consumer={"consumer_timeout_ms": 60_000})
    parallel.start(cpu_handlers.handle)
    until(lambda: len(pool.processes._threads) == 2)
    for worker in pool.processes._workers:
        worker.process.kill()
        worker.process._process.join()

    for number in range(20):
        app.cluster.append(TOPIC, b"%d" % number, b"key", partition=0)
    until(lambda: len(noted("end")) == 20)
    parallel.stop()
    parallel.join()

    assert decide.asked == []
    assert noted("begin") == list(range(20))


def test_a_stop_does_not_wait_for_processes_that_are_not_ready_yet(monkeypatch):
    """Kind: a stop in the middle of a start; the handler's module loads a model for half a minute."""
    monkeypatch.setenv("CANNOT_BE_IMPORTED", "hangs")
    app = App(1)
    parallel = app.parallel(executor="process-pool")
    parallel.start(cannot_be_imported.handle)
    until(lambda: len(multiprocessing.active_children()) == 2)

    parallel.stop()

    assert parallel.join(30_000)
    assert parallel.state == "stopped"


def test_processes_that_cannot_be_replaced_stop_the_consumer(monkeypatch):
    monkeypatch.setenv("CANNOT_BE_IMPORTED", "no")
    app, pool = App(0), Pool()
    parallel = app.parallel(plugins=[pool], consumer={"consumer_timeout_ms": 60_000})
    parallel.start(cannot_be_imported.handle)
    until(lambda: len(pool.processes._threads) == 2)
    monkeypatch.setenv("CANNOT_BE_IMPORTED", "ends")
    for worker in pool.processes._workers:
        worker.process.kill()
        worker.process._process.join()

    app.cluster.append(TOPIC, b"1", b"key", partition=0)

    with pytest.raises(ConfigurationError, match="ended with exit code 5 before it was ready"):
        parallel.join()
    assert app.committed == 0


class Stillborn:
    """A process that gets ready, and is dead."""

    is_alive = has_begun = False

    def wait_until_ready(self, deadline, is_over):
        pass

    def kill(self):
        pass

    def close(self):
        pass


def test_processes_that_end_before_they_have_begun_anything_are_not_replaced_for_ever():
    made = []
    worker = Worker(lambda: made.append(1) or Stillborn(), 60.0, threading.Event())

    with pytest.raises(WorkerDied, match="3 worker processes in a row"):
        worker.revive()
    assert len(made) == 3


class Starting(Stillborn):
    """A process that the end of the pool comes across while it is started."""

    is_killed = is_waited_for = False

    def kill(self):
        self.is_killed = True

    def wait_until_ready(self, deadline, is_over):
        self.is_waited_for = True


def test_a_process_that_is_started_while_the_pool_ends_is_killed():
    ending, late = threading.Event(), Starting()
    processes = iter([(Stillborn(), False), (late, True)])

    def new():
        process, is_late = next(processes)
        if is_late:
            ending.set()
        return process

    worker = Worker(new, 60.0, ending)

    with pytest.raises(WorkerDied, match="the pool ends"):
        worker.revive()
    assert (late.is_killed, late.is_waited_for) == (True, False)


def test_no_process_is_started_once_the_pool_ends():
    ending, made = threading.Event(), []
    worker = Worker(lambda: made.append(1) or Stillborn(), 60.0, ending)
    ending.set()

    with pytest.raises(WorkerDied, match="the pool ends"):
        worker.revive()
    assert len(made) == 1


# Batches


def run_batches(app, handler, **options):
    parallel = app.parallel(executor="process-pool", **options)
    parallel.run(handler, batch=Batch(max_records=10, max_wait_ms=20))


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_a_batch_may_fail_in_part(plugins):
    app, decide = App(40), Decide(lambda context: Skip("odd"))

    run_batches(app, cpu_handlers.handle_batch, plugins=[decide, *(make() for make in plugins)])

    assert set(noted("begin")) == set(range(40))
    assert {record.offset for record, _, _ in decide.asked} == set(range(1, 40, 2))
    assert {type(error) for _, error, _ in decide.asked} == {ValueError, HandlerError}
    assert app.committed == 40


def test_a_batch_is_made_of_records_with_their_objects():
    app, decide = App(10), Decide(lambda context: Skip("odd"))

    run_batches(app, cpu_handlers.handle_batch, plugins=[decide], consumer={"value_deserializer": int})

    assert {record.value for record, _, _ in decide.asked} == {1, 3, 5, 7, 9}


def test_all_of_a_batch_fails_with_its_process():
    app, decide = App(10), Decide(retry)

    run_batches(app, cpu_handlers.die_in_batch_once, plugins=[decide])

    assert {type(error) for _, error, _ in decide.asked} == {WorkerDied}
    assert "on t[0]@0 and 9 more ended with exit code 3" in str(decide.asked[0][1])
    assert app.committed == 10


# Handlers that take too long, or whose results are no longer wanted


@pytest.mark.parametrize("surround", [[], [Surround]])
def test_a_handler_that_misses_its_deadline_is_killed_and_fails(surround):
    app, decide = App(), Decide(lambda context: Skip("too slow"))

    assert (
        run(app, cpu_handlers.stay_at_three, handler_timeout_ms=300, plugins=[decide, *(make() for make in surround)])
        is None
    )

    [(record, error, _)] = decide.asked
    assert record.offset == 3
    assert isinstance(error, HandlerTimeout)
    assert "record t[0]@3 took longer than handler_timeout_ms=300: its process was killed" in str(error)
    assert noted("end") == [0, 1, 2, 4, 5]
    assert app.committed == 6


@pytest.mark.parametrize("surround", [[], [Surround]])
def test_handlers_that_outlive_the_stop_are_killed_and_nobody_is_asked(surround):
    app, decide = App(50), Decide(lambda context: Skip("never asked"))
    plugins = [decide, *(make() for make in surround)]
    parallel = app.parallel(executor="process-pool", plugins=plugins, stop_timeout_ms=50)
    parallel.start(cpu_handlers.stay)
    until(lambda: noted("begin"))

    parallel.stop()

    assert parallel.join(timeout_ms=60_000)
    assert decide.asked == []
    assert app.committed == 0


def test_a_stop_lets_what_runs_finish_and_repeats_nothing():
    app = App(3000)
    parallel = app.parallel(executor="process-pool")
    parallel.start(cpu_handlers.handle)
    until(lambda: len(noted("end")) > 20)

    parallel.stop()
    parallel.join()

    assert app.committed == len(noted("end"))
    assert noted("end") == noted("begin") == list(range(app.committed))


def test_a_handler_that_takes_long_is_warned_about_with_its_stack(caplog):
    app = App()
    parallel = app.parallel(executor="process-pool", stop_timeout_ms=50, stuck_after_ms=200)
    parallel.start(cpu_handlers.stay)
    until(lambda: any("in stay" in record.getMessage() for record in caplog.records))

    parallel.stop()
    parallel.join()

    assert "record t[0]@0 has been running" in caplog.text


def test_it_can_be_told_where_a_handler_is():
    app, pool = App(), Pool()
    parallel = app.parallel(plugins=[pool], stop_timeout_ms=50)
    parallel.start(cpu_handlers.stay)
    until(lambda: noted("begin"))

    stack = pool.processes.stack_of(task(0))
    again = pool.processes.stack_of(task(0))
    workers = pool.processes.workers_of([task(0), task(77)])
    parallel.stop()
    parallel.join()

    assert "cpu_handlers.py" in stack
    assert "in stay" in stack
    assert again.count("in stay") == stack.count("in stay")
    assert pool.processes.stack_of(task(77)) == ""
    assert workers[0] in {str(worker.process.pid) for worker in pool.processes._workers}
    assert workers[1] is None


@pytest.mark.parametrize("batch", [None, Batch(max_wait_ms=0)])
def test_it_can_be_told_where_the_handler_of_a_record_of_a_retry_topic_is(caplog, batch):
    app, pool = App(0), Pool()
    app.cluster.create_topic("t-g-retry-0")
    headers = [("kafka_original-partition", b"\0\0\0\5"), ("kafka_original-offset", b"\0" * 7 + b"\7")]
    app.cluster.append("t-g-retry-0", b"x", b"key", headers=headers, partition=0)
    retry = RetryTopics(delays_ms=[1], make_producer=lambda **config: FakeProducer(cluster=app.cluster, **config))
    parallel = app.parallel(plugins=[pool, retry], ordering="unordered", stop_timeout_ms=50, stuck_after_ms=100)
    parallel.start(cpu_handlers.stay_with_any, batch)
    until(lambda: "has been running" in caplog.text)
    parallel.stop()
    parallel.join()

    [line] = [line for line in caplog.messages if "has been running" in line]
    assert "t-g-retry-0[0]@0" in line
    assert "in stay_with_any" in line


def task(offset):
    found = SimpleNamespace(record=SimpleNamespace(topic=TOPIC, partition=0, offset=offset))
    found.tasks = (found,)
    return found


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


# The end of the parent

PARENT = """
from tests.plugins import cpu_handlers
from tests.runtime.app import App

if __name__ == "__main__":
    App(2).parallel(executor="process-pool", ordering="unordered").run(cpu_handlers.{})
"""


@pytest.mark.parametrize("handler", ["stay", "handle"])
def test_a_parent_that_is_killed_leaves_no_process_behind(tmp_path, handler):
    path = tmp_path / "parent.py"
    path.write_text(PARENT.format(handler).replace("parallel(", "parallel(consumer={'consumer_timeout_ms': 1e6}, "))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, path], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: len(noted("begin")) == 2)

    parent.kill()
    shown = parent.communicate(timeout=600)  # it ends when the last process that could write there has

    assert shown == (b"", b"")


# Impossible settings


def closure():
    return lambda record: None


@pytest.mark.parametrize(
    "handler", [lambda record: None, closure(), cpu_handlers.Bound().handle], ids=["lambda", "closure", "bound method"]
)
def test_a_handler_that_cannot_be_sent_is_refused(handler):
    with pytest.raises(ConfigurationError, match=r"the handler '.*cannot be sent.*top level of a module"):
        App().parallel(executor="process-pool").run(handler)


def test_an_async_handler_is_refused():
    async def handle(record):
        pass

    with pytest.raises(ConfigurationError, match="async def, which executor process-pool cannot run"):
        App().parallel(executor="process-pool").run(handle)


def test_a_plain_handler_that_leaves_its_work_to_an_await_has_not_handled_the_record():
    app = App()

    error = run(app, cpu_handlers.leave_it_to_an_await)

    assert isinstance(error.__cause__, TypeError)
    assert "make it async def" in str(error.__cause__)
    assert app.committed == 0


def test_a_deserialiser_that_cannot_be_sent_is_refused():
    parallel = App().parallel(executor="process-pool", consumer={"key_deserializer": lambda data: data})

    with pytest.raises(ConfigurationError, match=r"key_deserializer = .*cannot be sent"):
        parallel.run(cpu_handlers.handle)


def test_objects_made_in_poll_are_refused():
    consumer = {"value_deserializer": cpu_handlers.parse}
    parallel = App().parallel(executor="process-pool", lazy_deserialization=False, consumer=consumer)

    with pytest.raises(ConfigurationError, match="leave it True"):
        parallel.run(cpu_handlers.handle)


@pytest.mark.parametrize(("how", "message"), [
    ("raises", "cannot import the handler 'handle':\n(.*\n)*RuntimeError: not here"),
    ("ends", "ended with exit code 5 before it was ready"),
    ("hangs", "did not get ready to run the handler 'handle' in time"),
])  # fmt: skip
def test_a_process_that_does_not_start_stops_run_before_anything_is_taken(monkeypatch, how, message):
    monkeypatch.setenv("CANNOT_BE_IMPORTED", how)
    app = App()
    pool = ("process-pool", {"start_timeout_ms": 4000 if how == "hangs" else 60_000})
    parallel = app.parallel(executor="process-pool", plugins=[pool])

    with pytest.raises(ConfigurationError, match=message):
        parallel.run(cannot_be_imported.handle)

    assert app.committed == parallel.statistics().buffered == 0


def test_a_main_module_without_a_guard_is_told_apart(tmp_path):
    path = tmp_path / "unguarded.py"
    path.write_text(PARENT.format("handle").replace('if __name__ == "__main__":', "if True:"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    done = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "call run() under 'if __name__ == \"__main__\":'" in done.stderr


def test_a_start_timeout_of_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="start_timeout_ms=0: must be a number, more than 0"):
        App().parallel(executor="process-pool", plugins=[("process-pool", {"start_timeout_ms": 0})])


class Hears(Decide):
    """Hears of attempts; skips failed records."""

    def __init__(self):
        super().__init__(lambda context: Skip("no"))
        self.told = []

    @hookimpl
    def on_handled(self, handled):
        self.told += handled


@pytest.mark.parametrize("ordering", ["key", "unordered"])
def test_plugins_hear_how_long_each_record_took_in_its_process(ordering):
    app, hears = App(40), Hears()

    assert run(app, cpu_handlers.wait_at_three, plugins=[hears], ordering=ordering) is None

    assert sorted(raw.offset for raw, *_ in hears.told) == list(range(40))
    slow = [(raw.offset, type(error)) for raw, _, _, started, ended, error in hears.told if ended - started > 0.19]
    assert slow == [(3, ValueError)]


def test_plugins_hear_of_the_record_that_a_process_died_of():
    app, hears = App(6), Hears()

    assert run(app, cpu_handlers.die_at_three_once, plugins=[hears]) is None

    errors = {raw.offset: type(error) for raw, *_, error in hears.told}
    assert errors == {offset: WorkerDied if offset == 3 else type(None) for offset in range(6)}

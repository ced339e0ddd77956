"""Handlers on any executor keep every promise that those in threads keep, in spite of any end of a future."""

from __future__ import annotations

import os
import threading
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from kafka_parallel import Batch, ConfigurationError, RecordFailed, Retry, Skip, hookimpl
from kafka_parallel.errors import HandlerError, HandlerTimeout, RemoteTraceback, WorkerDied
from kafka_parallel_plugins.futures.executor_source import MOST_FAILED_STARTS
from kafka_parallel_plugins.futures.remote import Outcome
from kafka_parallel_plugins.futures.waiting_threads import MOST_CANCELLED
from tests.plugins import cannot_be_imported, cpu_handlers
from tests.plugins.cpu_handlers import noted
from tests.plugins.scripted_executor import Scripted
from tests.plugins.test_process_pool import Decide, Surround, retry, until
from tests.runtime.app import TOPIC, App


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(cpu_handlers.LOG, str(path))


def futures(executor, **settings):
    return "futures", {"executor": executor, **settings}


def run(app, handler, executor, **options):
    return app.run_coroutine(handler, executor=futures(executor), **options)


def threads():
    return ThreadPoolExecutor(2)


def processes():
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


# Order, commits, failures


@pytest.mark.parametrize("make", [threads, processes])
def test_a_key_runs_one_at_a_time(make):
    app = App(100)
    for offset in range(100, 200):
        app.cluster.append(TOPIC, b"%d" % offset, b"key-%d" % (offset % 10), partition=0)

    assert run(app, cpu_handlers.handle, make) is None

    assert sorted(noted("end")) == list(range(200))
    for lane in [range(100), *(range(100 + key, 200, 10) for key in range(10))]:
        assert [offset for offset in noted("begin") if offset in lane] == list(lane)
    assert app.committed == 200
    assert (os.getpid() in cpu_handlers.pids()) == (make is threads)


def test_as_many_calls_run_at_once_as_there_are_workers():
    app, together = App(0), threading.Barrier(3)
    for offset in range(6):
        app.cluster.append(TOPIC, b"%d" % offset, b"key-%d" % offset, partition=0)

    def meet(executor, call):
        threading.Thread(target=lambda: (together.wait(60), call.run())).start()

    assert run(app, cpu_handlers.handle, Scripted(meet), workers=3) is None

    assert app.committed == 6


def test_a_failure_that_no_plugin_decides_stops_the_consumer_with_the_error_and_where_it_was_raised():
    app = App()

    error = run(app, cpu_handlers.fail_at_three, Scripted())

    assert isinstance(error, RecordFailed)
    assert type(error.__cause__) is ValueError
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)
    assert "in fail_at_three" in str(error.__cause__.__cause__)
    assert noted("begin") == [0, 1, 2, 3]
    assert app.committed == 3


def test_a_retry_comes_before_the_rest_of_its_key():
    app, decide = App(), Decide(lambda context: Retry(1) if context.attempt < 3 else Skip("enough"))

    assert run(app, cpu_handlers.fail_at_three, Scripted(), plugins=[decide]) is None

    assert noted("begin") == [0, 1, 2, 3, 3, 3, 4, 5]
    assert [context.attempt for _, _, context in decide.asked] == [1, 2, 3]
    assert app.committed == 6


def test_no_two_calls_are_equal():
    """Kind: an executor that runs equal calls once, as Dask does with pure functions."""
    executor = Scripted()

    run(App(2), cpu_handlers.fail_at_odd, executor, plugins=[Decide(lambda context: Retry(1, attempts=3))])

    names = [call.arguments for call in executor.calls]
    assert len(names) > 1
    assert len(set(names)) == len(names)


def test_an_error_that_cannot_be_sent_has_a_stand_in():
    error = run(App(), cpu_handlers.raise_stubborn, Scripted())

    assert isinstance(error.__cause__, HandlerError)
    assert "in raise_stubborn" in str(error.__cause__.__cause__)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_stops_a_process_comes_out_of_run(error, monkeypatch):
    monkeypatch.setenv(cpu_handlers.RAISES, error.__name__)
    app, decide = App(), Decide(retry)

    assert isinstance(run(app, cpu_handlers.raise_named, Scripted(), plugins=[decide]), error)

    assert decide.asked == []
    assert app.committed == 0


def test_deserialisers_run_where_the_handler_does():
    app = App(0)
    for number in range(5):
        app.cluster.append(TOPIC, b'{"n": %d}' % number, partition=0)
    parallel = app.parallel(executor=futures(Scripted()), consumer={"value_deserializer": cpu_handlers.parse})

    parallel.run(cpu_handlers.check_kind)

    assert sorted(noted("end")) == list(range(5))


def test_the_error_of_a_deserialiser_there_is_one_of_that_stage():
    app, decide = App(0), Decide(lambda context: Skip("no"))
    app.cluster.append(TOPIC, b"{", partition=0)

    assert run(app, cpu_handlers.handle, Scripted(), plugins=[decide],
               consumer={"value_deserializer": cpu_handlers.parse}) is None  # fmt: skip

    [(_, _, context)] = decide.asked
    assert context.stage == "prepare"


@pytest.mark.parametrize("make", [threads, processes])
def test_wrappers_run_here_and_see_the_result(make):
    app, surround = App(3), Surround()

    assert run(app, cpu_handlers.number, make, plugins=[surround]) is None

    assert surround.steps == [step for n in range(3) for step in (("in", n, 0), ("out", n, 1, n))]


def test_plugins_hear_how_long_each_record_took_there():
    told = []

    class Hears:
        @hookimpl
        def on_handled(self, handled):
            told.extend(handled)

    app, decide = App(6), Decide(lambda context: Skip("no"))

    assert run(app, cpu_handlers.wait_at_three, Scripted(), plugins=[Hears(), decide]) is None

    slow = [(raw.offset, type(error)) for raw, _, _, started, ended, error in told if ended - started > 0.19]
    assert slow == [(3, ValueError)]
    assert len(told) == 6


# Batches


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_a_batch_is_one_call_and_may_fail_in_part(plugins):
    app, decide, executor = App(40), Decide(lambda context: Skip("odd")), Scripted()
    parallel = app.parallel(executor=futures(executor), plugins=[decide, *(make() for make in plugins)])

    parallel.run(cpu_handlers.handle_batch, batch=Batch(max_records=10, max_wait_ms=20))

    assert {record.offset for record, _, _ in decide.asked} == set(range(1, 40, 2))
    assert max(len(call.offsets) for call in executor.calls) == 10
    assert app.committed == 40


def test_all_of_a_batch_fails_with_its_worker():
    app, decide = App(10), Decide(retry)
    parallel = app.parallel(executor=futures(Scripted(die_once(0))), plugins=[decide])

    parallel.run(cpu_handlers.handle_batch_plainly, batch=Batch(max_records=10, max_wait_ms=1000))

    assert {type(error) for _, error, _ in decide.asked} == {WorkerDied}
    assert "on t[0]@0 and 9 more failed (OSError: worker lost)" in str(decide.asked[0][1])
    assert app.committed == 10


# Workers that die


def die_once(offset):
    """Run all calls but the first one on the record at *offset*, whose worker is lost."""

    def end(executor, call):
        if offset in call.offsets and executor.tries(offset) == 1:
            call.future.set_exception(OSError("worker lost"))
        else:
            call.run()

    return end


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_a_worker_that_dies_fails_the_record_it_had_and_no_other(plugins):
    app, decide = App(50), Decide(retry)
    executor = Scripted(die_once(3))

    assert run(app, cpu_handlers.handle, executor, plugins=[decide, *(make() for make in plugins)]) is None

    [(record, error, _)] = decide.asked
    assert record.offset == 3
    assert isinstance(error, WorkerDied)
    assert "the handler 'handle' on t[0]@3 failed (OSError: worker lost)" in str(error)
    assert isinstance(error.__cause__, OSError)
    assert [call.offsets for call in executor.calls] == [[n] for n in (0, 1, 2, 3, *range(3, 50))]
    assert app.committed == 50


def test_a_death_that_no_plugin_decides_stops_the_consumer_and_commits_nothing_of_it():
    app = App()

    error = run(app, cpu_handlers.handle, Scripted(die_once(3)))

    assert isinstance(error.__cause__, WorkerDied)
    assert app.committed == 3


def test_a_pool_of_processes_that_breaks_is_made_anew():
    app, decide = App(30), Decide(retry)

    assert run(app, cpu_handlers.die_at_three_once, processes, plugins=[decide]) is None

    assert {record.offset for record, _, _ in decide.asked} == {3}
    assert noted("begin") == [0, 1, 2, 3, *range(3, 30)]
    assert app.committed == 30


class Breaks(Scripted):
    """Breaks at the record at *offset*, and takes no calls then."""

    def __init__(self, offset):
        super().__init__(self.end)
        self._offset = offset
        self.is_broken = False

    def end(self, _, call):
        if self._offset in call.offsets:
            self.is_broken = True
            call.future.set_exception(BrokenExecutor("broken"))
        else:
            call.run()

    def submit(self, *call, **options):
        if self.is_broken:
            raise BrokenExecutor("it is broken")
        return super().submit(*call, **options)


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_a_broken_executor_that_was_given_as_it_is_stops_the_consumer(plugins):
    app, decide, executor = App(), Decide(retry), Breaks(3)

    error = run(app, cpu_handlers.handle, executor, plugins=[decide, *(make() for make in plugins)])

    assert "give a function that makes it" in str(error if not plugins else error.__cause__)
    assert [record.offset for record, _, _ in decide.asked] == [3]
    assert app.committed == 3
    assert executor.shutdowns == []


def test_a_broken_executor_is_shut_down_and_another_made_by_its_function():
    app, decide, made = App(), Decide(retry), []

    def make():
        made.append(Breaks(3) if not made else Scripted())
        return made[-1]

    assert run(app, cpu_handlers.handle, make, plugins=[decide]) is None

    assert [executor.shutdowns for executor in made] == [[True], [True]]
    assert app.committed == 6


def test_the_workers_of_a_broken_executor_are_gone_before_its_records_are_decided_about():
    """Kind: a pool that fails its futures first and ends its processes then; a retry ran beside the first attempt."""
    made = []

    def make():
        made.append(Breaks(3) if not made else Scripted())
        return made[-1]

    shutdowns = []
    decide = Decide(lambda context: shutdowns.extend(made[0].shutdowns) or Retry(1))

    assert run(App(), cpu_handlers.handle, make, plugins=[decide]) is None

    assert shutdowns == [True]


def test_executors_that_cannot_run_a_call_are_not_made_for_ever():
    app, decide, made = App(), Decide(retry), []

    def make():
        made.append(Scripted(check=lambda call: call.future.set_exception(OSError("no")))
                    if made else Breaks(3))  # fmt: skip
        return made[-1]

    error = run(app, cpu_handlers.handle, make, plugins=[decide])

    assert isinstance(error, ConfigurationError)
    assert "cannot run calls (OSError: no)" in str(error)
    assert len(made) == 1 + MOST_FAILED_STARTS
    assert all(executor.shutdowns for executor in made)
    assert app.committed == 3


# Futures that others end


def test_a_record_whose_future_others_cancel_is_run_again():
    app, decide = App(), Decide()

    def cancel_once(executor, call):
        if executor.tries(3) == 1 and 3 in call.offsets:
            call.future.cancel()
        else:
            call.run()

    executor = Scripted(cancel_once)

    assert run(app, cpu_handlers.handle, executor, plugins=[decide]) is None

    assert decide.asked == []
    assert noted("end") == list(range(6))
    assert executor.tries(3) == 2


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_futures_that_are_always_cancelled_stop_the_consumer_and_are_no_failures(plugins):
    app, decide = App(), Decide(lambda context: Skip("never asked"))
    executor = Scripted(lambda _, call: call.future.cancel() if 3 in call.offsets else call.run())

    error = run(app, cpu_handlers.handle, executor, plugins=[decide, *(make() for make in plugins)])

    assert f"was cancelled {MOST_CANCELLED} times in a row" in str(error if not plugins else error.__cause__)
    assert decide.asked == []
    assert app.committed == 3


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_an_executor_that_is_shut_down_in_the_middle_stops_the_consumer_and_fails_no_record(plugins):
    app, decide = App(), Decide(lambda context: Skip("never asked"))

    def shut_down(executor, call):
        call.run()
        if 3 in call.offsets:
            executor.shutdown()

    error = run(app, cpu_handlers.handle, Scripted(shut_down), plugins=[decide, *(make() for make in plugins)])

    assert "end the consumer before the executor is shut down" in str(error if not plugins else error.__cause__)
    assert decide.asked == []
    assert app.committed == 4


def test_an_answer_that_is_not_the_calls_stops_the_consumer():
    error = run(App(), cpu_handlers.handle, Scripted(lambda _, call: call.future.set_result(None)))

    assert "answered NoneType instead of the result of the call" in str(error)


def test_a_worker_that_cannot_import_the_handler_later_stops_the_consumer():
    app, decide = App(), Decide(lambda context: Skip("never asked"))
    outcome = Outcome(import_error="ModuleNotFoundError: shop")

    error = run(app, cpu_handlers.handle, Scripted(lambda _, call: call.future.set_result(outcome)), plugins=[decide])

    assert "ModuleNotFoundError: shop" in str(error)
    assert decide.asked == []


# Deadlines and stops


class Holds(Scripted):
    """Keeps the first call on the record at *offset* until it is let go."""

    def __init__(self, offset):
        super().__init__(self.hold)
        self._offset = offset
        self.held = []

    def hold(self, _, call):
        if self._offset in call.offsets and not self.held:
            self.held.append(call)
        else:
            call.run()


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_a_record_fails_at_its_deadline_and_its_key_waits_for_the_call(plugins):
    app, decide, executor = App(), Decide(retry), Holds(3)
    app.cluster.append(TOPIC, b"6", b"other", partition=0)
    parallel = app.parallel(
        executor=futures(executor), plugins=[decide, *(make() for make in plugins)], handler_timeout_ms=100, workers=1
    )
    parallel.start(cpu_handlers.handle)
    until(lambda: 6 in noted("end") and decide.asked)
    assert executor.tries(3) == 1
    assert 4 not in noted("begin")

    executor.held[0].run()
    parallel.join()

    [(record, error, _)] = decide.asked
    assert record.offset == 3
    assert isinstance(error, HandlerTimeout)
    assert [offset for offset in noted("begin") if offset < 6] == [0, 1, 2, 3, 3, 4, 5]
    assert app.committed == 7


@pytest.mark.parametrize("plugins", [[], [Surround]])
def test_calls_that_outlive_the_stop_are_cancelled_and_no_plugin_is_asked(plugins):
    app, decide, executor = App(), Decide(lambda context: Skip("never asked")), Holds(3)
    parallel = app.parallel(
        executor=futures(executor), plugins=[decide, *(make() for make in plugins)], stop_timeout_ms=50
    )
    parallel.start(cpu_handlers.handle)
    until(lambda: executor.held)

    parallel.stop()

    assert parallel.join(60_000)
    assert executor.held[0].future.cancelled()
    assert executor.shutdowns == []
    assert decide.asked == []
    assert app.committed == 3


def test_a_stop_lets_what_runs_finish_and_repeats_nothing():
    app = App(3000)
    parallel = app.parallel(executor=futures(threads))
    parallel.start(cpu_handlers.handle)
    until(lambda: len(noted("end")) > 20)

    parallel.stop()
    parallel.join()

    assert app.committed == len(noted("end"))
    assert noted("end") == noted("begin") == list(range(app.committed))


def test_callbacks_may_come_from_any_thread():
    app = App(20)

    def elsewhere(_, call):
        threading.Thread(target=call.run).start()

    assert run(app, cpu_handlers.handle, Scripted(elsewhere)) is None

    assert noted("end") == list(range(20))


# Whose executor it is


def test_an_executor_of_the_application_is_not_shut_down():
    with ThreadPoolExecutor(2) as executor:
        assert run(App(), cpu_handlers.handle, executor) is None
        assert run(App(), cpu_handlers.handle, executor) is None

        assert executor.submit(len, "abc").result() == 3


def test_an_executor_that_cannot_be_shut_down_is_told_of(caplog):
    class Stubborn(Scripted):
        def shutdown(self, wait=True, *, cancel_futures=False):
            raise OSError("no connection")

    assert run(App(), cpu_handlers.handle, lambda: Stubborn()) is None

    assert "cannot be shut down (no connection); its workers may be left" in caplog.text


def make_inline():
    return Scripted()


INLINE = Scripted()


@pytest.mark.parametrize("name", ["make_inline", "INLINE"])
def test_an_executor_can_be_named_by_its_place(name):
    app = App()

    assert run(app, cpu_handlers.handle, f"{__name__}:{name}") is None

    assert app.committed == 6


# What cannot work is said at the start


def refused(executor, handler=cpu_handlers.handle, **options):
    app = App()
    parallel = app.parallel(executor=futures(executor), **options)
    with pytest.raises(ConfigurationError) as raised:
        parallel.run(handler)
    assert app.committed == 0
    return str(raised.value)


def test_a_handler_that_cannot_be_sent_is_refused():
    assert "cannot be sent to another process" in refused(Scripted(), lambda record: None)


def test_a_coroutine_function_is_refused_with_the_line_to_write():
    assert "leave executor= out, or name 'asyncio'" in refused(Scripted(), cpu_handlers.work)


def test_a_handler_that_workers_cannot_import_is_refused(monkeypatch):
    monkeypatch.setenv("CANNOT_BE_IMPORTED", "raises")

    message = refused(processes, cannot_be_imported.handle)

    assert "cannot import the handler 'handle'" in message
    assert "RuntimeError: not here" in message


def test_an_executor_that_is_shut_down_is_refused():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()

    assert "takes no calls (cannot schedule new futures after shutdown)" in refused(executor)


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'kafka_parallel_plugins'"), CancelledError()])
def test_workers_without_the_library_are_told_apart(error):
    executor = Scripted(check=lambda call: call.future.set_exception(error))

    assert "kafka-parallel must be installed where its workers run" in refused(executor)


def test_a_first_call_that_others_cancel_is_told_as_cancelled():
    message = refused(Scripted(check=lambda call: call.future.cancel()))

    assert "was to import the handler 'handle' was cancelled: keep the executor open" in message
    assert "cannot run calls" not in message


def test_an_executor_without_free_workers_is_refused_in_time():
    app = App()
    parallel = app.parallel(executor=futures(Scripted(check=lambda call: None), start_timeout_ms=10))

    with pytest.raises(ConfigurationError, match="within start_timeout_ms=10: does it have workers that are free"):
        parallel.run(cpu_handlers.handle)


def test_a_stop_does_not_wait_for_an_executor_that_is_not_ready():
    begun = threading.Event()
    executor = Scripted(check=lambda call: begun.set())
    parallel = App().parallel(executor=futures(lambda: executor))
    parallel.start(cpu_handlers.handle)
    assert begun.wait(60)

    parallel.stop()

    assert parallel.join(60_000)
    assert executor.shutdowns == [False]


class Client:
    """It submits, and is no executor: a Client of Dask is such a one."""

    def submit(self, function, *arguments):
        raise NotImplementedError


@pytest.mark.parametrize("given", [None, 4, "shop", "shop:", Client()])
def test_what_is_no_executor_is_refused(given):
    with pytest.raises(ConfigurationError, match=r"executor of plugin futures is .*client.get_executor"):
        App().parallel(executor=futures(given))


@pytest.mark.parametrize(("given", "message"), [
    (f"{__name__}:nothing", "cannot be imported \\(AttributeError"),
    ("no_such_module:make", "cannot be imported \\(ModuleNotFoundError"),
    (f"{__name__}:__name__", "must be a concurrent.futures.Executor"),
    (Client, "made a Client: it must make a concurrent.futures.Executor"),
    (lambda: 1 / 0, "made no executor \\(ZeroDivisionError"),
])  # fmt: skip
def test_a_place_or_a_function_that_gives_none_is_refused(given, message):
    parallel = App().parallel(executor=futures(given))

    with pytest.raises(ConfigurationError, match=message):
        parallel.run(cpu_handlers.handle)


@pytest.mark.parametrize("value", [0, "60"])
def test_a_start_timeout_that_is_no_time_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"start_timeout_ms of plugin futures is .*a number, more than 0"):
        App().parallel(executor=futures(Scripted(), start_timeout_ms=value))


def test_an_executor_that_is_named_without_its_setting_is_refused():
    with pytest.raises(ConfigurationError, match="missing a required argument: 'executor'"):
        App().parallel(executor="futures")

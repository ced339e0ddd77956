"""Resources of workers: opened once for each, closed at its end. Kind: one that leaks, or that two threads use."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from kafka_parallel import Batch, ConfigurationError, RecordFailed, Retry, StateError, hookimpl
from kafka_parallel.resources import WorkerResource
from tests.resources import opened
from tests.resources.opened import Ledger
from tests.runtime.app import App


class RetryAtOnce:
    """Tries a record again until its attempt is the *last*."""

    def __init__(self, last=3):
        self._last = last

    @hookimpl
    def on_error(self, context):
        return Retry(0) if context.attempt < self._last else None


def keyed(records, keys=8):
    """An app whose records run at once: they have *keys* different keys."""
    app = App(0)
    for number in range(records):
        app.cluster.append("t", b"%d" % number, b"%d" % (number % keys), partition=0)
    return app


def test_each_thread_opens_one_and_closes_it_itself():
    ledger, app = Ledger(), keyed(200)
    connections = WorkerResource("connection", open=ledger.open)
    both = threading.Barrier(4)

    def handle(record):
        if record.offset < 4:
            both.wait(600)  # so that four threads are there
        connections.get().use()
        assert connections.get() is connections.get()

    app.parallel(plugins=[connections], workers=4).run(handle)

    assert app.committed == 200
    assert len(ledger.opened) == 4
    assert sorted(map(id, ledger.closed)) == sorted(map(id, ledger.opened))
    assert all(connection.users == {connection.thread} for connection in ledger.opened)


def test_a_worker_that_never_asks_opens_none():
    ledger, app = Ledger(), App(3)

    app.parallel(plugins=[WorkerResource("connection", open=ledger.open)]).run(lambda _: None)

    assert app.committed == 3
    assert ledger.opened == []


def test_an_error_of_opening_fails_the_attempt_and_the_next_one_opens():
    ledger, app = Ledger(), App(1)
    ledger.errors = [OSError("refused"), OSError("refused")]
    connections = WorkerResource("connection", open=ledger.open)
    attempts = []

    def handle(record):
        attempts.append(record.offset)
        connections.get().use()

    app.parallel(plugins=[connections, RetryAtOnce()]).run(handle)

    assert attempts == [0, 0, 0]
    assert app.committed == 1
    assert len(ledger.opened) == len(ledger.closed) == 1


def test_an_error_of_opening_without_retries_stops_the_run():
    ledger, app = Ledger(), App(1)
    ledger.errors = [OSError("refused")]
    connections = WorkerResource("connection", open=ledger.open)

    with pytest.raises(RecordFailed, match="refused"):
        app.parallel(plugins=[connections]).run(lambda _: connections.get())

    assert app.committed == 0


@pytest.mark.parametrize(("is_broken", "count"), [(None, 2), (lambda *_: True, 2), (lambda *_: False, 1)])
def test_a_broken_one_is_closed_and_replaced(is_broken, count):
    ledger, app = Ledger(), App(3)
    connections = WorkerResource("connection", open=ledger.open, is_broken=is_broken)
    seen = []

    def handle(record):
        connections.get().use()
        seen.append(connections.get())
        if record.offset == 1 and len(seen) == 2:
            raise ValueError("on purpose")

    app.parallel(plugins=[connections, RetryAtOnce()], workers=1).run(handle)

    assert app.committed == 3
    assert len(ledger.opened) == len(ledger.closed) == count
    assert len(set(map(id, seen))) == count


def test_is_broken_is_told_the_resource_and_the_error_and_counts_as_true_if_it_raises(caplog):
    ledger, app = Ledger(), App(1)
    told = []

    def is_broken(connection, error):
        told.append((connection, repr(error)))
        raise RuntimeError("cannot tell")

    connections = WorkerResource("connection", open=ledger.open, is_broken=is_broken)

    def handle(record):
        connections.get()
        if not told:
            raise ValueError("on purpose")

    app.parallel(plugins=[connections, RetryAtOnce()]).run(handle)

    assert told == [(ledger.opened[0], "ValueError('on purpose')")]
    assert len(ledger.opened) == len(ledger.closed) == 2
    assert "is_broken of worker resource connection failed" in caplog.text


def test_an_error_of_closing_is_logged_and_fails_nothing(caplog):
    ledger, app = Ledger(), App(1)
    ledger.close_errors = [OSError("gone")]
    connections = WorkerResource("connection", open=ledger.open)

    app.parallel(plugins=[connections]).run(lambda _: connections.get().use())

    assert app.committed == 1
    assert "worker resource connection could not be closed" in caplog.text
    assert "OSError('gone')" in caplog.text


def test_a_worker_that_is_replaced_after_a_deadline_gets_a_new_one_and_the_late_one_closes_its_own():
    ledger, app = Ledger(), keyed(20, keys=20)
    connections = WorkerResource("connection", open=ledger.open)
    may_return = threading.Event()
    slow = []

    def handle(record):
        connections.get().use()
        if record.offset == 0 and not slow:
            slow.append(connections.get())
            assert may_return.wait(600)

    class LetsGo:
        @hookimpl
        def on_error(self, context):
            may_return.set()
            return Retry(0)

    app.parallel(plugins=[connections, LetsGo()], workers=1, handler_timeout_ms=50).run(handle)

    assert app.committed == 20
    assert len(ledger.opened) >= 2
    assert sorted(map(id, ledger.closed)) == sorted(map(id, ledger.opened))


def test_one_whose_handler_never_returns_stays_open_and_the_log_says_so(caplog):
    ledger, app = Ledger(), App(1)
    connections = WorkerResource("connection", open=ledger.open)
    has_begun, may_return, has_returned = threading.Event(), threading.Event(), threading.Event()

    def handle(record):
        connections.get().use()
        has_begun.set()
        may_return.wait(600)

    parallel = app.parallel({"consumer_timeout_ms": float("inf")}, plugins=[connections], stop_timeout_ms=0)
    parallel.start(handle)
    assert has_begun.wait(600)
    thread = next(found for found in threading.enumerate() if found.ident == ledger.opened[0].thread)
    parallel.stop()
    parallel.join()

    assert "worker resource connection: 1 are still open" in caplog.text
    assert ledger.closed == []
    may_return.set()
    thread.join(600)
    assert ledger.closed == ledger.opened
    assert not has_returned.is_set()


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_a_handler_of_lists_uses_it(executor):
    ledger, app = Ledger(), App(6)
    connections = WorkerResource("connection", open=ledger.open)

    def handle(records):
        connections.get().use()
        if len(ledger.opened) == 1:
            raise ValueError("on purpose")

    async def handle_async(records):
        await asyncio.sleep(0)
        handle(records)

    options = {"plugins": [connections, RetryAtOnce()], "workers": 1, "executor": executor}
    parallel = app.parallel(**options)
    parallel.run(handle if executor == "thread-pool" else handle_async, Batch(max_records=3, max_wait_ms=20))

    assert app.committed == 6
    assert len(ledger.opened) == len(ledger.closed) == 2


# Event loops


class AsyncClient:
    """A client that one event loop uses."""

    def __init__(self, ledger, loop):
        self.ledger, self.loop, self.users = ledger, loop, 0

    async def aclose(self):
        assert self.users == 0
        await asyncio.sleep(0.01)
        self.ledger.closed.append(self)


class AsyncLedger:
    def __init__(self):
        self.opened, self.closed = [], []

    async def open(self):
        await asyncio.sleep(0.01)
        self.opened.append(AsyncClient(self, asyncio.get_running_loop()))
        return self.opened[-1]


def test_the_handlers_of_an_event_loop_share_one_and_the_loop_closes_it():
    ledger, app = AsyncLedger(), keyed(100)
    clients = WorkerResource("client", open=ledger.open)

    async def handle(record):
        client = await clients.get_async()
        assert client is clients.get()
        client.users += 1
        await asyncio.sleep(0.001)
        client.users -= 1

    app.parallel(plugins=[clients], executor="asyncio", workers=20).run(handle)

    assert app.committed == 100
    assert len(ledger.opened) == 1
    assert ledger.closed == ledger.opened


def test_a_broken_one_of_an_event_loop_is_closed_when_the_last_handler_that_uses_it_has_ended():
    ledger, app = AsyncLedger(), keyed(2, keys=2)
    clients = WorkerResource("client", open=ledger.open)
    seen = []

    async def handle(record):
        client = await clients.get_async()
        seen.append(client)
        client.users += 1
        try:
            while len(seen) < 2:
                await asyncio.sleep(0.001)
            if len(seen) == 2 and record.offset == 0:
                raise ValueError("on purpose")
            while len(seen) < 3:  # the second attempt at the other has begun, with a client of its own
                await asyncio.sleep(0.001)
            assert ledger.closed == []
        finally:
            client.users -= 1

    app.parallel(plugins=[clients, RetryAtOnce()], executor="asyncio", workers=2).run(handle)

    assert app.committed == 2
    assert [seen[0] is seen[1], seen[2] is seen[0]] == [True, False]
    assert len(ledger.opened) == 2
    assert sorted(map(id, ledger.closed)) == sorted(map(id, ledger.opened))


def test_that_of_an_applications_event_loop_is_closed_at_the_end_of_the_run():
    ledger, app = AsyncLedger(), App(6)
    clients = WorkerResource("client", open=ledger.open)

    async def handle(record):
        await clients.get_async()

    async def main():
        await app.parallel(plugins=[clients]).run_async(handle)
        return list(ledger.closed), len(asyncio.all_tasks())

    closed, tasks = asyncio.run(main())

    assert closed == ledger.opened
    assert tasks == 1


def test_a_cancelled_handler_leaves_it_usable_for_others():
    ledger, app = AsyncLedger(), keyed(4, keys=4)
    clients = WorkerResource("client", open=ledger.open)
    hung = []

    async def handle(record):
        await clients.get_async()
        if record.offset == 0 and not hung:
            hung.append(True)
            await asyncio.sleep(600)

    options = {"handler_timeout_ms": 50, "plugins": [clients, RetryAtOnce()], "executor": "asyncio"}
    app.parallel(**options).run(handle)

    assert app.committed == 4
    assert len(ledger.opened) == len(ledger.closed) == 2


# Child processes


@pytest.mark.parametrize(
    ("handler", "batch"),
    [(opened.use_written, None), (opened.use_written_for_all, Batch(max_records=5, max_wait_ms=20))],
)
def test_each_child_process_opens_one_and_closes_it_at_its_end(tmp_path, monkeypatch, handler, batch):
    lines = tmp_path / "lines"
    monkeypatch.setenv("LINES_OF_RESOURCES", str(lines))
    app = keyed(40)

    app.parallel(plugins=[opened.written], executor="process-pool", workers=2).run(handler, batch)

    acts = Counter(line.split()[0] for line in lines.read_text().splitlines())
    opens = [line.split()[1] for line in lines.read_text().splitlines() if line.startswith("open")]
    assert app.committed == 40
    assert acts["use"] == 40
    assert acts["open"] == acts["close"] == len(set(opens))


def test_one_that_broke_in_a_child_process_is_replaced_there(tmp_path, monkeypatch):
    lines = tmp_path / "lines"
    monkeypatch.setenv("LINES_OF_RESOURCES", str(lines))
    app = App(6)

    with pytest.raises(RecordFailed):
        app.parallel(plugins=[opened.written, RetryAtOnce(2)], executor="process-pool", workers=1).run(
            opened.fail_at_third
        )

    acts = [line.split()[0] for line in lines.read_text().splitlines()]
    assert app.committed == 3
    assert acts == ["open", "use", "use", "use", "use", "close", "open", "use", "close"]


def test_one_that_the_handlers_module_does_not_make_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LINES_OF_RESOURCES", str(tmp_path / "lines"))
    elsewhere = WorkerResource("elsewhere", open=list)

    with pytest.raises(RecordFailed, match="worker resource 'elsewhere' is not there in the child process"):
        App(1).parallel(plugins=[elsewhere], executor="process-pool", workers=1).run(opened.use_written)


# Mistakes


def test_it_is_refused_outside_of_a_handler_of_its_run():
    connections = WorkerResource("connection", open=list)

    with pytest.raises(StateError, match=r"plugins=\[it\]"):
        connections.get()
    with pytest.raises(RecordFailed, match="'connection' was asked for outside of a handler"):
        App(1).parallel().run(lambda _: connections.get())


def test_another_thread_may_use_but_not_open_it():
    ledger, app = Ledger(), App(2)
    connections = WorkerResource("connection", open=ledger.open)
    seen = []

    async def handle(record):
        if record.offset == 1:
            connections.get()
        try:
            seen.append(await asyncio.to_thread(connections.get))
        except StateError as error:
            seen.append(str(error))

    app.parallel(plugins=[connections], executor="asyncio").run(handle)

    assert "on another thread than its worker's" in seen[0]
    assert seen[1] is ledger.opened[0]


def test_an_async_open_in_a_plain_handler_is_the_programs_fault():
    connections = WorkerResource("connection", open=Ledger().open_async)

    with pytest.raises(RecordFailed, match=r"write await get_async.*a fault of the program"):
        App(1).parallel(plugins=[connections, RetryAtOnce()]).run(lambda _: connections.get())


def test_two_runs_cannot_have_one():
    connections = WorkerResource("connection", open=list)
    first = App(1).parallel({"consumer_timeout_ms": float("inf")}, plugins=[connections])
    first.start(lambda _: None)

    with pytest.raises(ConfigurationError, match=r"'connection'.*is in another run"):
        App(1).parallel(plugins=[connections]).run(lambda _: None)
    first.stop()
    first.join()


def test_two_of_different_names_serve_one_run():
    first, second = (WorkerResource(name, open=Ledger().open) for name in ("first", "second"))
    app = App(2)

    def handle(record):
        assert first.get() is not second.get()

    app.parallel(plugins=[first, second]).run(handle)

    assert app.committed == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": "", "open": list}, "the name of a worker resource is ''"),
        ({"name": "x", "open": None}, "open of worker resource 'x' is None"),
        ({"name": "x", "open": list, "close": 1}, "close of worker resource 'x' is 1"),
        ({"name": "x", "open": list, "is_broken": 1}, "is_broken of worker resource 'x' is 1"),
    ],
)
def test_a_wrong_argument_is_named(arguments, text):
    with pytest.raises(ConfigurationError) as raised:
        WorkerResource(**arguments)

    assert text in str(raised.value)


def test_asked_for_what_only_the_resource_has_it_says_how_to_get_there():
    connections = WorkerResource("connection", open=Ledger().open)

    with pytest.raises(
        AttributeError, match=r"worker resource 'connection' has no 'execute'.* write \.get\(\)\.execute$"
    ):
        connections.execute("select 1")


def _yields():
    yield


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"open": lambda settings: settings},
            r"open .* cannot be called so .*: give a function of nothing",
        ),
        ({"open": _yields}, "open .* has a yield in it, so a call of it runs nothing: give a function of nothing"),
        ({"open": list, "close": lambda: None}, "close .* cannot be called so .* give a function of the resource"),
        ({"open": list, "is_broken": lambda error: True}, "give a function of the resource and the error"),
    ],
)
def test_a_function_with_other_arguments_is_refused_before_the_first_record(given, message):
    with pytest.raises(ConfigurationError, match=message):
        WorkerResource("connection", **given)


@pytest.mark.parametrize("given", [{"open": list}, {"open": dict, "close": print}, {"open": list, "is_broken": max}])
def test_a_function_that_does_not_tell_its_arguments_is_taken(given):
    assert WorkerResource("connection", **given).plugin_name == "connection"

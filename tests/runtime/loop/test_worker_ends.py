"""Plugins hear that a worker ends, on its thread. Kind: a thread that is not heard of, or heard of too early."""

from __future__ import annotations

import threading

import pytest

from kafka_parallel import Batch, Retry, hookimpl
from tests.runtime.app import App


class Hears:
    """Notes the threads that end, and which records each of them has handled by then."""

    def __init__(self):
        self.handled = {}
        self.ended = []

    def handle(self, record):
        self.handled.setdefault(threading.get_ident(), []).append(record)

    @hookimpl
    def on_worker_end(self):
        self.ended.append((threading.get_ident(), list(self.handled.get(threading.get_ident(), []))))


@pytest.mark.parametrize("batch", [None, Batch(max_records=4, max_wait_ms=20)])
def test_every_thread_is_heard_of_once_after_its_last_record(batch):
    hears, app = Hears(), App(40)

    app.parallel(plugins=[hears], workers=4).run(hears.handle, batch)

    ended = dict(hears.ended)
    assert app.committed == 40
    assert len(ended) == len(hears.ended)
    assert {thread: records for thread, records in ended.items() if records} == hears.handled


def test_a_thread_that_missed_a_deadline_is_heard_of():
    hears, app = Hears(), App(1)
    may_return = threading.Event()
    late = []

    def handle(record):
        if not late:
            late.append(threading.get_ident())
            assert may_return.wait(600)

    class LetsGo:
        @hookimpl
        def on_error(self):
            may_return.set()
            return Retry(0)

    app.parallel(plugins=[hears, LetsGo()], workers=1, handler_timeout_ms=50).run(handle)

    assert late[0] in dict(hears.ended)


def test_one_that_raises_is_logged_and_disturbs_nothing(caplog):
    class Raises:
        @hookimpl
        def on_worker_end(self):
            raise ValueError("on purpose")

    app = App(6)
    app.parallel(plugins=[Raises()]).run(lambda _: None)

    assert app.committed == 6
    assert "plugin 'Raises' failed in on_worker_end" in caplog.text

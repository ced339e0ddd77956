"""Errors whose class cannot be looked at fail their record like any other. Kind: user code on the way of a failure."""

from __future__ import annotations

import asyncio

import pytest

from kafka_parallel import Batch, Retry, Skip, hookimpl
from kafka_parallel._runtime.handlers.odd_errors import tamed
from kafka_parallel.errors import HandlerError
from tests.runtime.app import App


class Nameless(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class Numbered(type):
    __name__ = 7


class NoNameError(Exception, metaclass=Nameless):
    pass


class NumberForNameError(Exception, metaclass=Numbered):
    pass


class NoClassError(Exception):
    @property
    def __class__(self):
        raise SystemExit("no class")


ODD = [NoNameError, NumberForNameError, NoClassError]


class Answers:
    def __init__(self, answer):
        self.answer, self.asked = answer, []

    @hookimpl
    def on_error(self, record, error):
        self.asked.append((record.offset, type(error)))
        return self.answer if len(self.asked) == 1 else Skip("again")


def fail_at_two(kind):
    def handle(record):
        if record.offset == 2:
            raise kind

    return handle


@pytest.mark.parametrize("kind", ODD, ids=lambda kind: type.__dict__["__name__"].__get__(kind))
class TestEachOddError:
    @pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
    def test_is_decided(self, kind, executor):
        app, plugin = App(6, executor), Answers(Skip("odd"))

        assert app.run(fail_at_two(kind), plugins=[plugin]) is None
        assert app.committed == 6
        assert plugin.asked == [(2, HandlerError)]

    def test_may_be_tried_again(self, kind):
        app, plugin = App(6), Answers(Retry(1))

        assert app.run(fail_at_two(kind), plugins=[plugin]) is None
        assert [offset for offset, _ in plugin.asked] == [2, 2]
        assert app.committed == 6

    def test_stops_the_run_where_no_plugin_decides(self, kind):
        app = App(6)

        error = app.run(fail_at_two(kind))

        assert "cannot" not in str(error)
        assert "raises or lies when it is looked at" in str(error)
        assert app.committed == 2

    @pytest.mark.parametrize("is_async", [False, True])
    def test_of_a_batch_is_decided(self, kind, is_async):
        app, plugin = App(4), Answers(Skip("odd"))

        def handle(records):
            raise kind

        async def handle_async(records):
            await asyncio.sleep(0)
            raise kind

        parallel = app.parallel(plugins=[plugin])
        parallel.run(handle_async if is_async else handle, Batch(max_records=1))

        assert app.committed == 4

    def test_of_a_plugin_stops_the_run(self, kind):
        class Breaks:
            @hookimpl
            def on_error(self):
                raise kind

        app = App(6)

        assert app.run(fail_at_two(ValueError), plugins=[Breaks()]) is not None
        assert app.committed == 2


def test_a_usual_error_stays_as_it_is():
    error = ValueError("x")

    assert tamed(error) is error

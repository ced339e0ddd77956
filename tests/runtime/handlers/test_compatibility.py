"""Handlers, batches and executors that do not go together are refused, with the line to write instead."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ConfigurationError
from kafka_parallel._runtime.handlers.compatibility import check_batch, check_executor, check_handler, is_remote

THREADS = SimpleNamespace()
LOOP = SimpleNamespace(runs_coroutines=True)


def handle(record):
    """Do nothing."""


async def handle_async(record):
    """Do nothing."""


def generate(record):
    yield record


class Handler:
    def __init__(self, one, two):
        """Take more than a record."""


@pytest.mark.parametrize("handler", [handle, handle_async, lambda record: None, [].append])
def test_a_function_of_one_record_is_taken(handler):
    check_handler(handler)


@pytest.mark.parametrize("handler", [lambda: None, lambda one, two: None, Handler])
def test_what_cannot_be_called_with_one_record_is_refused(handler):
    with pytest.raises(ConfigurationError, match="cannot be called with one argument"):
        check_handler(handler)


def test_a_handler_with_a_yield_is_refused():
    with pytest.raises(ConfigurationError, match="take the yield out"):
        check_handler(generate)


def test_a_batch_that_could_never_fill_is_refused():
    options = SimpleNamespace(buffered_records=10)
    check_batch(Batch(max_records=10), options, has_order=True)

    with pytest.raises(ConfigurationError, match=r"max_records=11\) is more than max_buffered_records=10"):
        check_batch(Batch(max_records=11), options, has_order=True)


def test_a_batch_of_a_key_needs_an_ordering():
    options, batch = SimpleNamespace(buffered_records=1000), Batch(max_records=10, of="key")
    check_batch(batch, options, has_order=True)

    with pytest.raises(ConfigurationError, match="there is no ordering key"):
        check_batch(batch, options, has_order=False)


def test_a_coroutine_needs_an_executor_that_runs_coroutines():
    check_executor(handle_async, LOOP)

    with pytest.raises(ConfigurationError, match=r"is async def, which executor .* cannot run"):
        check_executor(handle_async, THREADS)


def test_a_plain_function_may_not_block_an_event_loop():
    check_executor(handle, THREADS)

    with pytest.raises(ConfigurationError, match="would block the event loop"):
        check_executor(handle, LOOP)


def test_an_executor_with_bind_runs_handlers_elsewhere():
    assert is_remote(SimpleNamespace(bind=print))
    assert not is_remote(THREADS)


@pytest.mark.parametrize("module", ["gevent.monkey", "eventlet.patcher"])
def test_an_executor_of_processes_is_refused_in_a_patched_process(monkeypatch, module):
    patches = SimpleNamespace(is_module_patched=lambda name: True, is_monkey_patched=lambda name: True)
    monkeypatch.setitem(sys.modules, module, patches)
    remote = SimpleNamespace(bind=print)

    with pytest.raises(ConfigurationError, match=r"leave executor= out"):
        check_executor(handle, remote)
    check_executor(handle, THREADS)

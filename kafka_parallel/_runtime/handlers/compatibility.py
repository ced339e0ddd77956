"""Combinations of handler, batch and executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from kafka_parallel._runtime.client.process_guards import patched_by
from kafka_parallel._runtime.client.signatures import misfit
from kafka_parallel._showing import shown
from kafka_parallel._unfinished import is_async, makes_generator
from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from kafka_parallel._options import Options
    from kafka_parallel.executors import Executor, RemoteExecutor
    from kafka_parallel.values import Batch


def check_handler(handler: Callable[[Any], Any]) -> None:
    """Check that *handler* can be called, and that a call does its work.

    :raises ConfigurationError: it runs nothing of it, or takes more or less than one argument.
    """
    if why := misfit(handler, 1):
        made = ", or an instance of the class" * isinstance(handler, type)
        raise ConfigurationError(
            f"the handler {shown(handler)} cannot be called with one argument ({why}): give a function of one record, "
            f"or of one list of records with batch={made}"
        )
    if makes_generator(handler):
        raise ConfigurationError(
            f"the handler {shown(handler)} has a yield in it: a call of it runs nothing, so every "
            "record would count as handled without being so; take the yield out, and return when the work is done"
        )


def check_batch(batch: Batch, options: Options, *, has_order: bool) -> None:
    """Check that batches of that size and kind can be made.

    :raises ConfigurationError: they cannot.
    """
    if batch.max_records > options.buffered_records:
        raise ConfigurationError(
            f"Batch(max_records={batch.max_records}) is more than max_buffered_records={options.buffered_records}: "
            "such a batch could never fill; raise the one or lower the other"
        )
    if batch.of == "key" and not has_order:
        raise ConfigurationError(
            "Batch(of='key') with ordering='unordered': there is no ordering key to put records together by; use "
            "of='partition' or of='mixed', or an ordering"
        )


def check_executor(handler: Callable[[Any], Any], executor: Executor) -> None:
    """Check that *executor* can run *handler*.

    :raises ConfigurationError: it cannot.
    """
    runs_coroutines = bool(getattr(executor, "runs_coroutines", False))
    if is_async(handler) and not runs_coroutines:
        raise ConfigurationError(
            f"the handler {shown(handler)} is async def, which executor {executor!r} cannot run: "
            "leave executor= out, or name 'asyncio'"
        )
    if runs_coroutines and not is_async(handler):
        raise ConfigurationError(
            f"the handler {shown(handler)} is a plain function, and would block the event loop of executor "
            f"{executor!r}: make it async def, or use 'thread-pool'"
        )
    if is_remote(executor) and (library := patched_by()):
        raise ConfigurationError(
            f"{library} has patched this process, and the processes of executor {executor!r} cannot be talked to from "
            "green threads: run the consumer in a process that is not patched, or leave executor= out"
        )


def is_remote(executor: Executor) -> TypeGuard[RemoteExecutor]:
    """Tell whether handlers run where they cannot be called from here."""
    return hasattr(executor, "bind")


def can_stop_handlers(executor: RemoteExecutor) -> bool:
    """Tell whether *executor* sees to deadlines itself: it can end a handler that runs."""
    return not getattr(executor, "cannot_stop_handlers", False)

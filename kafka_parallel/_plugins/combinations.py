"""Choices that do not go together, or are made without being said: refused or warned of, with the line to write."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kafka_parallel._logs import area_logger
from kafka_parallel._unfinished import is_async
from kafka_parallel.errors import ConfigurationError, StateError

if TYPE_CHECKING:
    from kafka_parallel._options import Options
    from kafka_parallel._plugins.manager import Plugins

log = area_logger("run")


def check_thread(handler: Callable[[Any], Any]) -> None:
    """Check that run() may block this thread.

    :raises StateError: an event loop runs on it, on which an ``async def`` *handler* is meant to run.
    """
    if not _has_running_loop():
        return
    if is_async(handler):
        raise StateError(
            "run() of an async def handler inside of a running event loop: it would block that loop, and everything on "
            "it; write await consumer.run_async(handler)"
        )
    log.warning("run() blocks the event loop that runs on this thread, and everything on it: use start(handler), or "
                "await run_async() with an async def handler")  # fmt: skip


def check_hosted(handler: Callable[[Any], Any]) -> None:
    """Check that *handler* can run on the application's event loop.

    :raises ConfigurationError: it is a plain function.
    """
    if not is_async(handler):
        raise ConfigurationError(
            "run_async() runs async def handlers on the running event loop, and this one is a plain function: make it "
            "async def, or write start(handler), which blocks nothing"
        )


def check_explain_signal(options: Options, way: str, *, is_heard: bool) -> None:
    """Check that the signal of ``explain_signal`` is caught: one that is not ends the process.

    :param way: how the run is started, for the error.
    :param is_heard: whether this way can catch signals.
    :raises ConfigurationError: there is such a signal, and it would not be caught.
    """
    if options.explain_signal is None or is_heard:
        return
    number = options.explain_signal
    name = next((f"signal.{known.name}" for known in signal.Signals if known == number), str(number))
    raise ConfigurationError(
        f"explain_signal={name} with {way}: only run() on the main thread can catch it, and uncaught it ends the "
        "process; leave explain_signal out, and catch the signal on the main thread: signal.signal("
        f"{name}, lambda *_: print([reason.sentence for reason in consumer.explain()])), where consumer is "
        "this ParallelConsumer"
    )


def check_plugins(plugins: Plugins, options: Options, group_id: str | None, usual_executor: str) -> None:
    """Check that the plugins' choices were asked for, and can be met.

    :param usual_executor: the plugin that provides the executor if none is chosen.
    :raises ConfigurationError: a plugin provides an ordering, and another one was given; or two plugins write the
        metadata of commits.
    """
    _check_ordering(plugins, options)
    _check_metadata(plugins)
    named = {"executor": (options.executor_name, usual_executor), "ordering": (options.ordering, "key-ordered")}
    for option, (chosen, usual) in named.items():
        for name in plugins.implementing(f"provide_{option}"):
            if chosen is None and plugins.is_named(name) and name != usual:
                log.warning("%s provides the %s and is used, although %s= does not name it: write %s=%r",
                            plugins.describe(name), option, option, option, name)  # fmt: skip
    if group_id is None:
        for name in plugins.implementing("on_commit"):
            log.warning("%s implements on_commit, and nothing is committed: give the KafkaConsumer a group_id",
                        plugins.describe(name))  # fmt: skip


def _check_ordering(plugins: Plugins, options: Options) -> None:
    """Refuse two opinions about the order; those of two plugins are refused where they are asked."""
    ordering = options.ordering
    if ordering is None or (isinstance(ordering, str) and ordering != "unordered"):
        return
    for name in plugins.implementing("provide_ordering"):
        given = "ordering='unordered'" if ordering == "unordered" else "a function as ordering="
        raise ConfigurationError(
            f"{plugins.describe(name)} provides an ordering, and {given} was given as well: leave one of the two out"
        )


def _check_metadata(plugins: Plugins) -> None:
    """Refuse two plugins that write what a commit has room for once."""
    writers = [name for name in plugins.implementing("on_commit") if plugins.declares(name, "writes_commit_metadata")]
    if len(writers) > 1:
        raise ConfigurationError(
            f"two plugins write commit metadata, {' and '.join(map(plugins.describe, writers))}: a commit has room for "
            "one of them; leave the others out"
        )


def _has_running_loop() -> bool:
    """Tell whether an event loop runs on this thread; asyncio is not imported to find out."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - documented for such uses

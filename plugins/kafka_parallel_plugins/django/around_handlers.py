"""The plugin ``django``: when are the connections of a worker closed?"""

from __future__ import annotations

import asyncio
import atexit
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from kafka_parallel import ConfigurationError, PluginError, hookimpl
from kafka_parallel.plugin_support import class_name, get_logger

if TYPE_CHECKING:
    from kafka_parallel import Settings
    from kafka_parallel.values import AttemptScope, ChildWrapper, LeaveScope

__all__ = ()

log = get_logger("kafka_parallel_plugins.django")

# The time that the thread of async ORM calls gets to close its connections at the end, in seconds.
CLOSE_TIMEOUT = 5.0


# see docs/decisions/0093-django-as-around-requests.md
class Django:
    """Closes old database connections before and after each attempt, as Django does around requests.

    Connections of a thread that ends are closed. Handlers in child processes get a Django that is set up.

    :raises PluginError: if Django is not installed.
    :raises ConfigurationError: if Django has no settings.
    """

    def __init__(self) -> None:
        set_up()

    @hookimpl
    def provide_attempt_scope(self, settings: Settings) -> AttemptScope | None:
        """Surround attempts at single records."""
        return None if settings.batch is not None else lambda *_: self._enter()

    @hookimpl(wrapper=True)
    def on_batch(self) -> Generator[None, Any, Any]:
        """Surround calls of a handler that takes lists."""
        leave = self._enter()
        try:
            return (yield)
        finally:
            leave(None)

    @hookimpl
    def provide_child_wrapper(self) -> ChildWrapper:
        """Surround calls of handlers in child processes."""
        return ChildConnections()

    @hookimpl
    def on_worker_end(self) -> None:
        """Close the connections of a thread that ends."""
        _all_connections().close_all()

    @hookimpl
    def on_stop(self) -> None:
        """Close the connections of the thread of async ORM calls."""
        if self._has_async_handlers:
            _on_thread_of_async_calls(_all_connections().close_all).exception(CLOSE_TIMEOUT)

    _has_async_handlers = False

    def _enter(self) -> LeaveScope:
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - documented, and it raises nothing without a loop
            close = _close_old_connections
        else:
            self._has_async_handlers = True
            close = _close_for_async_calls
        close()
        return lambda _error: close()


class ChildConnections:
    """Does the same in a child process; unpickling it sets Django up, before the handler is imported."""

    def __init__(self) -> None:
        self._module = os.environ.get("DJANGO_SETTINGS_MODULE")

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._module is not None:
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", self._module)
        set_up()
        atexit.register(_all_connections().close_all)

    def __call__(self, _record: object, _context: object) -> AbstractContextManager[None]:
        return _around_handler()


@contextmanager
def _around_handler() -> Iterator[None]:
    _close_old_connections()
    try:
        yield
    finally:
        _close_old_connections()


def set_up() -> None:
    """Set Django up, if it is not.

    :raises PluginError: it is not installed.
    :raises ConfigurationError: it has no settings, or cannot be set up with them.
    """
    try:
        import django
        from django.apps import apps
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
    except ImportError as error:
        raise PluginError("plugin django needs Django: pip install kafka-parallel[django]") from error
    if apps.ready:
        return
    if not settings.configured and not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise ConfigurationError(
            "plugin django: Django has no settings; run the consumer in a management command, or set the environment "
            "variable DJANGO_SETTINGS_MODULE and call django.setup() before the handler is imported"
        )
    try:
        django.setup()
    except (ImportError, ImproperlyConfigured) as error:
        raise ConfigurationError(
            f"plugin django: django.setup() failed with {class_name(error)}: {error}; check DJANGO_SETTINGS_MODULE and "
            "INSTALLED_APPS"
        ) from error


def _close_old_connections() -> None:
    from django.db import close_old_connections

    close_old_connections()


def _all_connections() -> Any:
    from django.db import connections

    return connections


def _close_for_async_calls() -> None:
    _on_thread_of_async_calls(_close_old_connections).add_done_callback(_say_failed)


def _on_thread_of_async_calls(act: Callable[[], object]) -> Future[object]:
    """Run *act* on the thread of ``sync_to_async``, after the calls that it has been given before."""
    from asgiref.sync import SyncToAsync

    submitted: Future[object] = SyncToAsync.single_thread_executor.submit(act)
    return submitted


def _say_failed(closed: Future[object]) -> None:
    if (error := closed.exception()) is not None:
        log.warning("connections of async handlers could not be checked, and a stale one may fail the next query: %r",
                    error)  # fmt: skip

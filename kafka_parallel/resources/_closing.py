"""How is a resource closed, and how many are open? An error of closing is logged: the records are handled."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from kafka_parallel._showing import described
from kafka_parallel.plugin_support import get_logger

log = get_logger("kafka_parallel.resources")


class Closing:
    """Closes the resources of one name.

    :param name: of the resource, for the log.
    :param close: closes one; ``None`` = its own method.
    :ivar open_count: how many are open, or being closed.
    """

    def __init__(self, name: str, close: Callable[[Any], Any] | None) -> None:
        self._name = name
        self._close = close
        self._lock = threading.Lock()  # guards the number
        self.open_count = 0

    def note_opened(self) -> None:
        """Count one that was opened."""
        with self._lock:
            self.open_count += 1

    def close(self, resource: Any) -> None:
        """Close *resource* on this thread."""
        try:
            closing = self._closed_by(resource, ("close",))
            if inspect.isawaitable(closing):
                getattr(closing, "close", lambda: None)()
                raise TypeError("closing it has to be awaited, and there is no event loop: give a plain function")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - the user's, and the record has been handled
            self._say_not_closed(error)
        finally:
            self._note_closed()

    async def close_async(self, resource: Any) -> None:
        """Close *resource* on the event loop."""
        try:
            closing = self._closed_by(resource, ("aclose", "close"))
            if inspect.isawaitable(closing):
                await closing
        except Exception as error:  # noqa: BLE001 - the user's, and the record has been handled
            self._say_not_closed(error)
        finally:
            self._note_closed()

    def _closed_by(self, resource: Any, names: tuple[str, ...]) -> Any:
        if self._close is not None:
            return self._close(resource)
        own = next((getattr(resource, name) for name in names if hasattr(resource, name)), None)
        return None if own is None else own()

    def _say_not_closed(self, error: Exception) -> None:
        log.warning("worker resource %s could not be closed, and may stay open at the other side until that ends it: "
                    "%s", self._name, described(error))  # fmt: skip

    def _note_closed(self) -> None:
        with self._lock:
            self.open_count -= 1

    def say_left_open(self) -> None:
        """Say how many are open although the run has ended."""
        if self.open_count:
            log.warning("worker resource %s: %d are still open, because handlers still run or closing takes long; they "
                        "are closed when that ends, or lost with the process", self._name, self.open_count)  # fmt: skip

"""The result of a send to the fake cluster."""

from __future__ import annotations

from typing import Any

__all__ = ()


class Sent:
    """The result of a producer's ``send()``: the commonly used part of kafka-python's future."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    @property
    def is_done(self) -> bool:
        """Tell whether the answer is there: always."""
        return True

    def succeeded(self) -> bool:
        """Tell whether the record was written."""
        return not self.failed()

    def failed(self) -> bool:
        """Tell whether the record was refused."""
        return isinstance(self._answer, Exception)

    def get(self, timeout: float | None = None) -> Any:
        """Return the place of the record, or raise its error."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def add_callback(self, function: Any, *arguments: Any) -> Sent:
        """Call *function* with the place of the record if it was written."""
        if self.succeeded():
            function(*arguments, self._answer)
        return self

    def add_both(self, function: Any, *arguments: Any) -> Sent:
        """Call *function* with the place of the record or its error."""
        return self.add_callback(function, *arguments).add_errback(function, *arguments)

    def add_errback(self, function: Any, *arguments: Any) -> Sent:
        """Call *function* with the error if the record was refused."""
        if self.failed():
            function(*arguments, self._answer)
        return self

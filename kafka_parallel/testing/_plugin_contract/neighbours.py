"""Other plugins beside the one under test: they raise, they answer, they leave records out."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from kafka_parallel import RecordContext, Skip, hookimpl

__all__: list[str] = []

# Of the records, by offset: which a neighbour fails, and which it answers in the handler's place.
RAISES_AT, ANSWERS_AT, EVERY = 2, 5, 7
ANSWER = Skip("a neighbour has answered")


class NeighbourError(Exception):
    """Raised by a neighbour on purpose."""


class Neighbour:
    """Raises in every hook that observes or contributes, and in ``on_record`` and ``on_commit`` now and then."""

    def __init__(self) -> None:
        self._commits = 0

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Raise for some first attempts, before the handler or after it."""
        if context.attempt == 1 and context.raw.offset % EVERY == RAISES_AT:
            raise NeighbourError("before the handler")
        result = yield
        if context.attempt == 1 and context.raw.offset % EVERY == RAISES_AT + 1:
            raise NeighbourError("after the handler")
        return result

    @hookimpl(wrapper=True)
    def on_commit(self) -> Generator[None, Any, Any]:
        """Raise for every second commit."""
        self._commits += 1
        if self._commits % 2:
            raise NeighbourError("in on_commit")
        return (yield)

    @hookimpl
    def on_handled(self) -> None:
        """Raise."""
        raise NeighbourError("in on_handled")

    @hookimpl
    def on_assign(self) -> None:
        """Raise."""
        raise NeighbourError("in on_assign")

    @hookimpl
    def on_revoke(self) -> None:
        """Raise."""
        raise NeighbourError("in on_revoke")

    @hookimpl
    def on_backpressure(self) -> None:
        """Raise."""
        raise NeighbourError("in on_backpressure")

    @hookimpl
    def on_stop(self) -> None:
        """Raise."""
        raise NeighbourError("in on_stop")


class NeighbourBehind(Neighbour):
    """The same under another name: one stands before the plugin under test, one behind."""


class Answering:
    """Answers in the handler's place for some records."""

    @hookimpl
    def on_record(self, context: RecordContext) -> Skip | None:
        """Answer."""
        return ANSWER if context.raw.offset % EVERY == ANSWERS_AT else None

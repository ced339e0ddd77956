"""The observers of a trial run: plugins around the one under test, the consumer, and the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from kafka_parallel import Handled, RecordContext, Retry, Skip, hookimpl
from kafka_parallel._runtime.client.consumer_checks import usable
from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest, place_of
from kafka_parallel.testing.fake import FakeConsumer

__all__: list[str] = []

# The calls by which a plugin would take the consumer into its own hands.
ACTING = frozenset({"close", "commit", "commit_async", "pause", "poll", "resume", "seek", "subscribe", "unsubscribe"})


class Attempt(NamedTuple):
    """One attempt that has ended, as ``on_handled`` tells it."""

    raw: Any
    number: int
    started: float
    error: BaseException | None


class Listener:
    """Hears of all attempts; it is registered first, so it surrounds nothing."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Note them."""
        self.attempts += [Attempt(raw, number, began, error) for raw, number, _, began, _, error in handled]


class Verdicts:
    """Notes the answers to ``on_error``, and gives one where the plugin under test gives none."""

    def __init__(self, most_attempts: int) -> None:
        self._most = most_attempts
        self.asked: list[tuple[BaseException, RecordContext, Any]] = []

    @hookimpl(wrapper=True)
    def on_error(self, error: BaseException, context: RecordContext) -> Generator[None, Any, Any]:
        """Retry a few times, then leave the record out."""
        answer = yield
        self.asked.append((error, context, answer))
        if answer is not None:
            return answer
        return Retry(1) if context.attempt < self._most else Skip("it failed as often as the trial wants")


class Outside:
    """The outermost wrapper of ``on_record``: notes what comes out of the handler and of the plugins around it."""

    def __init__(self) -> None:
        self.results: dict[tuple[int, int], list[Any]] = {}

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Note the result, or the error."""
        raw, result = context.raw, None
        try:
            result = yield
        except BaseException as error:
            result = error
            raise
        finally:
            self.results.setdefault((raw.partition, raw.offset), []).append(result)
        return result


class CommitsOutside:
    """The outermost wrapper of ``on_commit``: notes the answers."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    @hookimpl(wrapper=True)
    def on_commit(self) -> Generator[None, Any, Any]:
        """Note one."""
        answer = yield
        self.answers.append(answer)
        return answer


@usable
class WatchedConsumer(FakeConsumer):
    """Notes calls that code of the plugin makes on the consumer."""

    under_test: PluginUnderTest | None = None
    calls: list[str]

    def __getattribute__(self, name: str) -> Any:
        if name in ACTING:
            under_test, caller = super().__getattribute__("under_test"), sys._getframe(1)  # noqa: SLF001 - as documented
            if under_test is not None and under_test.owns(caller.f_code):
                super().__getattribute__("calls").append(f"{place_of(caller)} calls {name}() of the consumer")
        return super().__getattribute__(name)


class LogLines(logging.Handler):
    """Keeps the lines that the library logs, from warnings on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        error = record.exc_info[1] if record.exc_info else None
        self.lines.append(record.getMessage() + (f" ({error!r})" if error is not None else ""))

    def during(self, act: Callable[[], None]) -> None:
        """Call *act*, and listen meanwhile."""
        logger = logging.getLogger("kafka_parallel")
        logger.addHandler(self)
        try:
            act()
        finally:
            logger.removeHandler(self)

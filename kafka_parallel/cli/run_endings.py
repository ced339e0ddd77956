"""The end of a run as an exit code: which error it was, which signals came, and whether the last commit was made."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

from kafka_parallel import CommitContext, ParallelConsumer, hookimpl
from kafka_parallel._logs import area_logger
from kafka_parallel._showing import shown
from kafka_parallel.cli.connection import NO_BROKER
from kafka_parallel.errors import CommitFailed, ConfigurationError, MemberFenced, PluginError, RecordFailed, StateError

__all__ = ()

log = area_logger("run")

CLEAN, FAILED, WRONG, REFUSED = 0, 1, 2, 4
# EX_TEMPFAIL of sysexits.h: the next start does the rest.
GIVEN_UP = 75
# Errors that mean a wrong call if they come before the first poll.
WRONG_CALLS = (ConfigurationError, PluginError, StateError)


class StopSignals:
    """Counts the signals that ask *consumer* to stop, beside the handlers of its run.

    :ivar count: how many came.
    :ivar abandoned_before: records that had been given up before the first one, in rebalances.
    """

    def __init__(self, consumer: ParallelConsumer) -> None:
        self._consumer = consumer
        self._previous: dict[int, Any] = {}
        self.count = 0
        self.abandoned_before: int | None = None

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self.abandoned_before = abandoned(self._consumer)
            self._consumer.stop()  # the run has done so itself, unless it has not begun


class LastCommit:
    """A plugin that hears how the last commit ended.

    :ivar has_failed: whether it was not made.
    """

    def __init__(self) -> None:
        self.has_failed = False

    @hookimpl(wrapper=True)
    def on_commit(self, context: CommitContext) -> Generator[None, Any, Any]:
        """Hear the answer."""
        self.has_failed = context.reason == "stop"
        answer = yield
        self.has_failed = False
        return answer


def abandoned(consumer: ParallelConsumer) -> int:
    """The number of records that were given up so far; 0 before the run."""
    return 0 if consumer.state == "new" else consumer.statistics().abandoned


def has_polled(consumer: ParallelConsumer) -> bool:
    """Tell whether the run got as far as the first poll."""
    return consumer.state != "new" and consumer.statistics().since_poll_ms is not None


def code_of_error(error: Exception, consumer: ParallelConsumer) -> int:
    """The exit code after the run of *consumer* ended with *error*, which is logged."""
    cause = error.__cause__ if isinstance(error, RecordFailed) else None
    log.error("the run has failed: %s", error, exc_info=cause if isinstance(cause, Exception) else error)
    if isinstance(error, (CommitFailed, MemberFenced)):
        return REFUSED
    return WRONG if isinstance(error, WRONG_CALLS) and not has_polled(consumer) else FAILED


def code_of_exit(error: SystemExit) -> int:
    """The exit code after a handler or a plugin ended the process by *error*: its own would mean something else."""
    log.error("the run has failed: %s", f"a handler or a plugin called sys.exit({shown(error.code)})", exc_info=error)
    return FAILED


def code_of_stop(consumer: ParallelConsumer, signals: StopSignals, last_commit: LastCommit) -> int:
    """The exit code after the run of *consumer* has stopped without an error."""
    before = signals.abandoned_before
    is_given_up = before is not None and abandoned(consumer) > before
    return GIVEN_UP if signals.count > 1 or is_given_up or last_commit.has_failed else CLEAN


CODES = {
    CLEAN: "it stopped cleanly: all that was taken is finished and committed",
    FAILED: "a record failed, and no plugin chose to retry or skip it; or the run failed otherwise",
    WRONG: "it was called wrongly: nothing was taken",
    NO_BROKER: "no broker answered: nothing was taken",
    REFUSED: "the group coordinator refused commits, or a newer member has the same group_instance_id",
    GIVEN_UP: "work was given up, and is repeated by the next start: a second signal came, stop_timeout_ms passed, or "
    "the last commit was not made",
}
"""The exit codes and their meanings."""

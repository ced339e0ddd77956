"""The order in which one run() begins and ends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.handlers.deadlines import described as where
from kafka_parallel._runtime.handlers.log_fields import fields_of
from kafka_parallel._runtime.loop import reports
from kafka_parallel._runtime.loop.forked_child import give_up_if_forked
from kafka_parallel._runtime.loop.plugin_throttle import PluginThrottle
from kafka_parallel._showing import described
from kafka_parallel.errors import FATAL, RecordFailed, RecordUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kafka import TopicPartition

    from kafka_parallel._runtime.loop.assembly import Parts

log = area_logger("run")

# The time that workers get to end once there is no work for them, in seconds.
JOIN_TIMEOUT_MS = 1000.0
# The time that leaving the group may take, in seconds.
CLOSE_TIMEOUT = 5.0


class Engine:
    """Begins, loops, and leaves in good order.

    :param parts: the parts that do it all; used for one run.
    :param release: lets other runs have the plugin objects of this one; called when it has ended.
    :ivar facts: what there is to know about it.
    :ivar state: how far it is.
    :ivar name: what it reads, for messages.
    """

    def __init__(self, parts: Parts, release: Callable[[], None] = lambda: None) -> None:
        self._clock = parts.clock
        self._client = parts.client
        self._plugins = parts.plugins
        self._hooks = parts.hooks
        self._settings = parts.settings
        self._decoder = parts.decoder
        self._executor = parts.executor
        self._scheduler = parts.scheduler
        self._work = parts.work
        self._committer = parts.committer
        self._rebalance = parts.rebalance
        self._loop = parts.loop
        self._shutdown = parts.shutdown
        self.facts = parts.facts
        self.state = parts.facts.run_state
        self.name = reports.named_source(parts.settings)
        # A signal handler may raise in the middle of a step: workers must end and the member must leave all the same.
        self._ways_out = [self._drain_and_commit, *[self._end_workers] * 2, *[self._close_client] * 2]
        self._have_workers_ended = False
        self._has_told = False
        self._release = release

    def run_until_over(self) -> None:
        """Begin, loop, leave; raise the error that stopped it.

        A start that is refused, by a plugin's ``on_start`` say, leaves the consumer open and as it was. An error that
        ends the program (SystemExit, KeyboardInterrupt) is no refusal: then the consumer leaves its group as always.
        """
        try:
            self._run()
        except BaseException as error:
            if self.state.has_ended:
                raise
            raise self._interrupted(error)  # noqa: B904 - the same error, or a graver one

    # see docs/decisions/0074-signal-handlers-may-raise.md
    def _interrupted(self, error: BaseException) -> BaseException:
        """Do the rest of the way out: a signal handler of the application raised *error* between two acts of it."""
        error = self._leave(error) or error
        self._end(error)
        return error

    def give_up_in_child(self) -> None:
        """Go no way on, and none out, in a process that was forked from this one: the group and the client are its."""
        self._ways_out.clear()
        self._has_told = True
        self._scheduler.end_workers_in_child()
        self._client.leave_to_parent()

    def _run(self) -> None:
        error: BaseException | None = None
        refused: BaseException | None = None
        self.state.become("starting")
        give_up_if_forked(self)
        try:
            self._prepare()
        except Exception as refusal:  # noqa: BLE001 - raised again below
            refused = self._undo_start(refusal)
        except BaseException as raised:  # noqa: BLE001 - raised again below
            error = raised
        if refused is not None:
            raise refused
        error = self._loop_until_over() if error is None else error
        self.state.become("stopping")
        reports.stopping(self._loop.over_by if error is None else described(error), self._shutdown.begin_leaving())
        error = self._leave(self._unread() if error is None else error)
        self._end(error)
        if error is not None:
            raise error

    def _end(self, error: BaseException | None) -> None:
        self._release()
        self.state.conclude(error)
        reports.stopped(self.facts.statistics(), error)

    def _loop_until_over(self) -> BaseException | None:
        """Return the error that ended the loop, if there was one."""
        try:
            self._begin()
            self.state.become("running")
            while not self._loop.is_over:
                self._loop.step()
        except BaseException as error:  # noqa: BLE001 - raised by run(), after leaving in good order
            return error
        return None

    # Beginning

    def _prepare(self) -> None:
        """Take the steps that may refuse the start."""
        reports.starting(self._settings, self._plugins.names())
        self._client.take_over(self._finished, self._loop.ask_for_commit, self._asked_to_close)
        self._tell_plugins()
        self._use_decoder()
        self._executor.start(self._work)

    def _finished(self) -> Mapping[TopicPartition, tuple[int, int]]:
        """The offsets that could be committed; it only reads, for a signal handler may ask in the middle of an act."""
        return self._scheduler.ask(lambda scheduler: scheduler.snapshot().offsets)

    def _asked_to_close(self, timeout: float | None) -> None:
        self._shutdown.request(timeout, "the consumer's close()")

    def _undo_start(self, refusal: Exception) -> BaseException:
        """End a refused start: the consumer is as it was, and stays open; return the error for run() to raise."""
        error: BaseException | None = refusal
        for act in (self._scheduler.close, self._client.undo_takeover):
            try:
                act()
            except BaseException as raised:  # noqa: BLE001 - raised by run(), after its end was noted
                error = _graver(error, raised)
        error = self._tell_of_end(error) or refusal
        self._end(error)
        return error

    # see docs/decisions/0019-on-start-may-stop.md
    def _tell_plugins(self) -> None:
        self._hooks.on_throttle(lambda plugin: PluginThrottle(plugin, self._scheduler.change_throttles))
        self._hooks.on_start()

    def _begin(self) -> None:
        self._loop.start_idle_timer()
        if self._client.has_group_assignment:
            rebalance = self._rebalance
            start_thread = self._clock.start_thread
            acts = rebalance.assigned, rebalance.revoked, rebalance.lost, rebalance.joined_anew
            self._client.listen(start_thread, *acts)
            if has_joined := self._client.assignment():  # the user has polled before
                self._rebalance.assigned(has_joined)

    def _use_decoder(self) -> None:
        if self._decoder is None:
            return
        name, decoder = self._decoder
        who = self._plugins.describe(name)
        if problem := self._client.decode_with(decoder, who):
            level = logging.INFO if self._plugins.is_default(name) else logging.WARNING
            log.log(level, "%s is not used, and kafka-python decodes: %s", who, problem)

    # Ending

    def _unread(self) -> RecordUnreadable | None:
        """The error for run() to raise if a partition stands at a record that cannot be read, as a poll loop would."""
        for partition, found in sorted(self._client.unreadable.items()):
            error = RecordUnreadable(partition.topic, partition.partition, found.offset)
            error.__cause__ = found.error
            return error
        return None

    def _leave(self, error: BaseException | None) -> BaseException | None:
        """Finish, commit, close; return the error for run() to raise: the first, a record's before all others.

        A plugin that raises an error that must not be caught (SystemExit) must not keep the member in its group either.
        """
        while self._ways_out:
            act = self._ways_out.pop(0)
            try:
                act()
            except BaseException as raised:  # noqa: BLE001 - raised by run(), after leaving in good order
                error = _graver(error, raised)
        self._scheduler.deliver_handled()  # also of finished attempts of a worker that is stuck in its next record
        record_error = self._record_error()
        error = record_error if error is None else _graver(record_error, error)
        return self._tell_of_end(error)

    def _tell_of_end(self, error: BaseException | None) -> BaseException | None:
        """Tell plugins, once; return the error for run() to raise then."""
        if self._has_told:
            return error
        self._has_told = True
        try:
            self._hooks.on_stop(error)
        except BaseException as raised:  # noqa: BLE001 - raised by run(), after its end was noted
            return _graver(error, raised)
        return error

    def _drain_and_commit(self) -> None:
        if not self._client.is_taken_over:  # the program ends before anything has begun
            return
        running, unbegun = self._loop.drain_and_commit()
        if running or unbegun:
            log.warning("%d records were still running at the end%s: they will be processed again",
                        running, reports.and_unbegun(unbegun))  # fmt: skip

    def _end_workers(self) -> None:
        if self._have_workers_ended:
            return
        self._scheduler.close()
        is_over = self._executor.join(JOIN_TIMEOUT_MS)
        self._have_workers_ended = True
        if not is_over:
            log.warning("some handlers still run; their threads end with the process, their results are ignored")

    # see docs/decisions/0021-run-closes-the-consumer.md
    def _close_client(self) -> None:
        self._client.close(CLOSE_TIMEOUT)

    def _record_error(self) -> BaseException | None:
        failure = self._scheduler.failure
        for task, cause, reason in self._scheduler.passed_over:
            what = "a plugin or the executor" if task is None else where(task)
            fields = None if task is None else fields_of(task, self._settings.group_id)
            log.error("%s would have stopped the consumer as well: %s (%s)", what, described(cause), reason,
                      extra=fields)  # fmt: skip
        if failure is None:
            return None
        task, cause, reason = failure
        if task is None or isinstance(cause, FATAL):
            return cause
        record = task.record
        failed = RecordFailed(record.topic, record.partition, record.offset, f"{described(cause)} ({reason})")
        failed.__cause__ = cause
        return failed


def _graver(error: BaseException | None, second: BaseException) -> BaseException:
    """The graver of two errors, for run() to raise: the first, unless only the *second* must not be caught."""
    if error is None:
        return second
    if isinstance(second, FATAL) and not isinstance(error, FATAL):
        log.error("run() raises %s, which came after this error", type(second).__name__, exc_info=error)
        return second
    log.error("a second error on the way out", exc_info=second)
    return error

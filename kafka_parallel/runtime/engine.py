"""Which parts one run() is made of, and in which order it begins and ends."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Hashable
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

from kafka_parallel.chains import Observers, surround, surround_async, surround_steps
from kafka_parallel.core.batching import BatchLimits
from kafka_parallel.core.cadence import CommitCadence
from kafka_parallel.core.pressure import Limits
from kafka_parallel.errors import ConfigurationError, PluginError, RecordFailed
from kafka_parallel.runtime.attempt import Attempts, ObservedAttempts
from kafka_parallel.runtime.batches import BatchAttempts
from kafka_parallel.runtime.clock import Clock, SystemClock
from kafka_parallel.runtime.commits import Committer
from kafka_parallel.runtime.deadlines import Deadlines
from kafka_parallel.runtime.handlings import Handlings
from kafka_parallel.runtime.intake import Intake
from kafka_parallel.runtime.loop import Loop
from kafka_parallel.runtime.rebalance import Rebalance
from kafka_parallel.runtime.remote import program
from kafka_parallel.runtime.watch import Watch
from kafka_parallel.runtime.workqueue import WorkQueue
from kafka_parallel.values import Batch, DelayedTopics, Settings, Statistics

if TYPE_CHECKING:
    import asyncio

    from kafka import TopicPartition

    from kafka_parallel.decoders import Decoder
    from kafka_parallel.executors import Executor, Program, RemoteExecutor
    from kafka_parallel.manager import Plugins
    from kafka_parallel.options import Options
    from kafka_parallel.runtime.client import Client
    from kafka_parallel.runtime.shutdown import Shutdown
    from kafka_parallel.values import RecordContext

log = logging.getLogger(__name__)

# How long workers get to end once there is no work for them, in seconds.
JOIN_TIMEOUT = 1.0
# How long leaving the group may take, in seconds.
CLOSE_TIMEOUT = 5.0


class Engine:
    """Everything one run() needs.

    :raises PluginError: if a provide-hook fails or two answer it.
    :raises ConfigurationError: if the consumer cannot be taken over.
    """

    def __init__(
        self,
        client: Client,
        plugins: Plugins,
        options: Options,
        shutdown: Shutdown,
        handler: Callable[[Any], Any],
        clock: Clock | None = None,
        event_loop: asyncio.AbstractEventLoop | None = None,
        batch: Batch | None = None,
    ) -> None:
        self._client = client
        self._event_loop = event_loop
        self._batch = batch
        self._plugins = plugins
        self._options = options
        self._shutdown = shutdown
        self._clock: Clock = clock or SystemClock()
        client.take_over(lambda: self._queue.snapshot().offsets, lazy=options.lazy_deserialization)
        self._settings = self._make_settings()
        self._delay = self._read_delayed_topics()
        ordering = self._ordering()
        _check_batch(batch, options, has_order=ordering is not None)
        self._executor = self._make_executor("asyncio" if _is_async(handler) else "thread-pool")
        _check_fit(handler, self._executor)
        self._handlings = self._make_handlings()
        if _is_remote(self._executor):
            self._executor.bind(self._program(handler))
        self._decoder = self._read_decoder()
        self._deadlines = self._make_deadlines(handler)
        self._queue = self._make_queue(handler)
        stuck_after = None if options.stuck_after_ms is None else options.stuck_after_ms / 1000
        self._watch = Watch(self._queue, self._executor, self._clock, self._deadlines, stuck_after)
        self._committer = Committer(client, self._queue, plugins.hook.on_commit)
        self._rebalance = self._make_rebalance()
        self._loop = Loop(
            client,
            self._queue,
            Intake(
                client,
                self._queue,
                self._clock,
                ordering=ordering,
                delayed=self._settings.sources,
                delay=self._delay,
            ),
            self._committer,
            self._rebalance,
            self._watch,
            CommitCadence(client.config["auto_commit_interval_ms"] / 1000),
            shutdown,
            self._clock,
            backpressure_observers=Observers(plugins.hook.on_backpressure),
            settings=self._settings,
            idle_timeout=client.config["consumer_timeout_ms"] / 1000,
        )

    def run(self) -> None:
        """Begin, loop, leave; raise what stopped it."""
        error: BaseException | None = None
        try:
            self._begin()
            while not self._loop.is_over:
                self._loop.step()
        except BaseException as raised:  # noqa: BLE001 - raised again below, after leaving in good order
            error = raised
        error = self._leave(error)
        if error is not None:
            raise error

    def statistics(self) -> Statistics:
        """Return one consistent view."""
        return self._queue.ask(
            lambda scheduler: Statistics(
                processed=scheduler.dispatch.totals.processed,
                failed=scheduler.dispatch.totals.failed,
                retried=scheduler.dispatch.totals.retried,
                skipped=scheduler.dispatch.totals.skipped,
                in_flight=scheduler.dispatch.in_flight,
                waiting=scheduler.dispatch.waiting,
                buffered=scheduler.backpressure.total().records,
                buffered_bytes=scheduler.backpressure.total().bytes,
                paused=scheduler.backpressure.paused,
                throttled=scheduler.throttles.bounds,
                paced=scheduler.dispatch.paced(self._clock.monotonic()),
                committed=scheduler.offsets()[0],
                lag=scheduler.offsets()[1],
                commits=self._committer.commits,
                commit_failures=self._committer.failures,
                overdue=scheduler.dispatch.overdue,
                abandoned=scheduler.dispatch.totals.abandoned,
            )
        )

    # Beginning

    def _make_settings(self) -> Settings:
        return Settings(
            workers=self._options.workers,
            group_id=self._client.group_id,
            topics=self._client.topics,
            pattern=self._client.pattern,
            is_ordered=self._options.ordering != "unordered",
            handler_timeout=None
            if self._options.handler_timeout_ms is None
            else self._options.handler_timeout_ms / 1000,
            event_loop=self._event_loop,
            has_raw_bytes=self._client.has_raw_bytes,
            consumer_config=self._client.config,
            deserialize=self._client.deserialize or (lambda record: record),
            clock=self._clock.monotonic,
        )

    def _read_delayed_topics(self) -> Callable[[Any, float], float]:
        """Subscribe to the topics that a plugin wants to be read too; return its delay."""
        provided = self._plugins.provided(self._plugins.hook.provide_topics, self._settings)
        if provided is None:
            return lambda _record, _now: 0.0
        name, delayed = provided
        if not isinstance(delayed, DelayedTopics):
            raise PluginError(f"{self._plugins.describe(name)} provided {delayed!r}, which is no DelayedTopics")
        self._client.read_also(delayed.sources)
        self._settings = replace(self._settings, sources=MappingProxyType(dict(delayed.sources)))
        return delayed.delay

    def _ordering(self) -> Callable[[Any], Hashable | None] | None:
        """The function from a raw record to its ordering key; ``None`` for no order at all."""
        chosen = self._options.ordering
        if chosen == "unordered":
            return None
        if chosen is not None and not isinstance(chosen, str):
            deserialize = self._client.deserialize
            return chosen if deserialize is None else lambda record: chosen(deserialize(record))
        default = "key-ordered" if chosen is None else None
        provided = self._plugins.provided(self._plugins.hook.provide_ordering, self._settings, default)
        if provided is None:
            raise PluginError(f"ordering={chosen!r}: {self._plugins.describe(str(chosen))} provides no ordering")
        name, ordering = provided
        if not callable(ordering):
            raise PluginError(
                f"{self._plugins.describe(name)} provided the ordering {ordering!r}, which is no function"
            )
        return ordering  # type: ignore[no-any-return]

    def _read_decoder(self) -> tuple[str, Decoder] | None:
        """The decoder that a plugin provides, and the plugin."""
        provided = self._plugins.provided(self._plugins.hook.provide_decoder, self._settings)
        if provided is not None and not callable(provided[1]):
            raise PluginError(
                f"{self._plugins.describe(provided[0])} provided the decoder {provided[1]!r}, which is no function"
            )
        return provided

    def _make_executor(self, usual: str) -> Executor:
        default = usual if self._options.executor is None else None
        provided = self._plugins.provided(self._plugins.hook.provide_executor, self._settings, default)
        if provided is None:
            raise PluginError(f"executor={self._options.executor!r}: that plugin provides no executor")
        name, executor = provided
        if not (hasattr(executor, "start") and hasattr(executor, "join")):
            raise PluginError(f"{self._plugins.describe(name)} provided {executor!r}, which has no start() and join()")
        return executor  # type: ignore[no-any-return]

    def _program(self, handler: Callable[[Any], Any]) -> Program:
        """What is sent to where handlers run."""
        return program(
            handler,
            self._client,
            is_surrounded=bool(self._plugins.hook.on_record.get_hookimpls()),
            is_batch=self._batch is not None,
            is_timed=self._handlings is not None,
        )

    def _make_handlings(self) -> Handlings | None:
        """What plugins are told of attempts that have ended."""
        hook = self._plugins.hook.on_handled
        return Handlings(Observers(hook), self._settings, self._clock) if hook.get_hookimpls() else None

    def _make_deadlines(self, handler: Callable[[Any], Any]) -> Deadlines | None:
        """What plain handlers need that run under a deadline here, where nothing can stop them."""
        timeout = self._settings.handler_timeout
        can_be_stopped = _is_async(handler) or _is_remote(self._executor)
        return None if timeout is None or can_be_stopped else Deadlines(timeout, self._clock)

    def _make_queue(self, handler: Callable[[Any], Any]) -> WorkQueue[TopicPartition]:
        options = self._options
        attempt = (Attempts if self._handlings is None else ObservedAttempts)(
            handler,
            self._surrounded(handler),
            self._plugins.hook.on_error,
            self._client.deserialize,
            self._clock,
            self._deadlines,
            self._settings.handler_timeout,
            self._handlings,
        )
        return WorkQueue(
            Limits(options.buffered_records, options.max_buffered_bytes, options.max_uncommitted),
            commits=self._client.group_id is not None,
            attempt=attempt,
            clock=self._clock,
            batches=None if self._batch is None else _limits_of(self._batch),
            attempt_batch=None if self._batch is None else self._batch_attempts(handler, attempt),
            handlings=self._handlings,
        )

    def _surrounded(self, handler: Callable[[Any], Any]) -> Callable[[Any, Any], Any] | None:
        """The handler of one record inside the wrappers of ``on_record``."""
        hook = self._plugins.hook.on_record
        if self._batch is not None or not hook.get_hookimpls():
            return None
        compose = surround_async if _is_async(handler) else surround
        return compose(hook, _innermost(handler, self._executor), ("record", "context"))

    def _batch_attempts(self, handler: Callable[[Any], Any], attempt: Attempts) -> BatchAttempts:
        around = surround_steps(self._plugins.hook.on_record, ("record", "context"))
        if _is_remote(self._executor):
            return BatchAttempts(self._executor.call, around, attempt, sends_raw=True)
        return BatchAttempts(handler, around, attempt, self._deadlines, self._settings.handler_timeout)

    def _make_rebalance(self) -> Rebalance:
        longest = self._client.config["max_poll_interval_ms"] / 1000
        drain_timeout = self._options.revoke_timeout_ms / 1000
        if drain_timeout >= longest:
            raise ConfigurationError(
                f"revoke_timeout_ms={self._options.revoke_timeout_ms} must be smaller than the consumer's "
                f"max_poll_interval_ms={self._client.config['max_poll_interval_ms']}, or the group gives up on us"
            )
        return Rebalance(
            self._client,
            self._queue,
            self._committer,
            self._watch,
            self._clock,
            assign_observers=Observers(self._plugins.hook.on_assign),
            revoke_observers=Observers(self._plugins.hook.on_revoke),
            settings=self._settings,
            drain_timeout=drain_timeout,
            is_abandoned=lambda: self._shutdown.is_abandoned,
        )

    def _begin(self) -> None:
        for impl in self._plugins.hook.on_throttle.get_hookimpls():
            given = {"throttle": self._queue.throttle(impl.plugin_name), "context": self._settings}
            impl.function(*[given[name] for name in impl.argnames])
        for impl in self._plugins.hook.on_start.get_hookimpls():
            impl.function(*([self._settings] if impl.argnames else []))
        self._use_decoder()
        self._executor.start(self._queue)
        self._loop.begin()
        if self._client.has_group_assignment:
            rebalance = self._rebalance
            start_thread = self._clock.start_thread
            self._client.listen(start_thread, rebalance.assigned, rebalance.revoked, rebalance.lost)
            self._rebalance.assigned(self._client.assignment())

    def _use_decoder(self) -> None:
        if self._decoder is None:
            return
        name, decoder = self._decoder
        if problem := self._client.decode_with(decoder):
            log.warning("%s decodes nothing, kafka-python does: %s", self._plugins.describe(name), problem)

    # Ending

    def _leave(self, error: BaseException | None) -> BaseException | None:
        """Finish, commit, close; return what run() shall raise: the first error, a record's before all others.

        A plugin that raises what nobody may catch (SystemExit) must not keep the member in its group either.
        """
        for act in (self._drain_and_commit, self._end_workers, self._close_client):
            try:
                act()
            except BaseException as raised:  # noqa: BLE001 - raised by run(), after leaving in good order
                error = _graver(error, raised)
        self._queue.tell()  # also of what a worker had finished that is stuck in its next record
        error = self._record_error() or error
        Observers(self._plugins.hook.on_stop).tell(context=self._settings, error=error)
        return error

    def _drain_and_commit(self) -> None:
        abandoned = self._loop.leave()
        if abandoned:
            log.warning("%d records were still running at the end: they will be processed again", abandoned)

    def _end_workers(self) -> None:
        self._queue.close()
        if not self._executor.join(JOIN_TIMEOUT):
            log.warning("some handlers still run; their threads end with the process, their results are ignored")

    def _close_client(self) -> None:
        self._client.close(CLOSE_TIMEOUT)

    def _record_error(self) -> BaseException | None:
        failure = self._queue.failure
        if failure is None:
            return None
        task, cause, reason = failure
        if task is None or not isinstance(cause, Exception) or isinstance(cause, MemoryError):
            return cause
        record = task.record
        failed = RecordFailed(record.topic, record.partition, record.offset, f"{_described(cause)} ({reason})")
        failed.__cause__ = cause
        return failed


def _graver(error: BaseException | None, second: BaseException) -> BaseException:
    """Which of two errors run() raises: the first, unless only the *second* is one that nobody may catch."""
    if error is None:
        return second
    log.error("a second error on the way out", exc_info=second)
    return second if isinstance(error, Exception) and not isinstance(second, Exception) else error


def _described(error: BaseException) -> str:
    """What *error* says; some cannot even say that."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - the handler's class is at fault, and the record failed anyway
        return f"a {type(error).__name__} that cannot be shown"


def _limits_of(batch: Batch) -> BatchLimits:
    return BatchLimits(batch.max_records, batch.max_bytes, batch.max_wait_ms / 1000, batch.of)


def _check_batch(batch: Batch | None, options: Options, *, has_order: bool) -> None:
    if batch is None:
        return
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


def _check_fit(handler: Callable[[Any], Any], executor: Executor) -> None:
    runs_coroutines = bool(getattr(executor, "runs_coroutines", False))
    if _is_async(handler) and not runs_coroutines:
        raise ConfigurationError(
            f"the handler {handler!r} is async def, which executor {executor!r} cannot run: leave executor= out, or "
            "name 'asyncio'"
        )
    if runs_coroutines and not _is_async(handler):
        raise ConfigurationError(
            f"the handler {handler!r} is a plain function, and would block the event loop of executor {executor!r}: "
            "make it async def, or use 'thread-pool'"
        )


def _innermost(handler: Callable[[Any], Any], executor: Executor) -> Callable[[Any, RecordContext], Any]:
    """What the wrappers of ``on_record`` surround; where the handler runs elsewhere the raw record is sent there."""
    if _is_remote(executor):
        return lambda _, context: executor.call(context.raw)
    return lambda record, _: handler(record)


def _is_remote(executor: Executor) -> TypeGuard[RemoteExecutor]:
    return hasattr(executor, "bind")


def _is_async(handler: Callable[[Any], Any]) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004

"""The public consumer: wraps a ``KafkaConsumer`` and runs a handler on its records in parallel."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, overload

from kafka_parallel._options import (
    REVOKE_TIMEOUT_MS,
    STOP_TIMEOUT_MS,
    STUCK_AFTER_MS,
    ExecutorOption,
    Options,
    PluginOption,
    require_duration,
)
from kafka_parallel._plugins.claims import Claims
from kafka_parallel._plugins.combinations import check_explain_signal, check_hosted, check_thread
from kafka_parallel._plugins.manager import Plugins
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.client.process_guards import check_process
from kafka_parallel._runtime.loop.assembly import Parts
from kafka_parallel._runtime.loop.background import Background
from kafka_parallel._runtime.loop.engine import Engine
from kafka_parallel._runtime.loop.explain_signal import ExplainSignal, is_main_thread
from kafka_parallel._runtime.loop.shutdown import Shutdown, Signals
from kafka_parallel._runtime.loop.together import BegunRun
from kafka_parallel._showing import shown
from kafka_parallel._suggestions import explains_options
from kafka_parallel.errors import ConfigurationError, StateError
from kafka_parallel.values import Batch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from kafka import TopicPartition

    from kafka_parallel.consumer_types import (
        AsyncBatchHandler,
        AsyncHandler,
        BatchHandler,
        Consumer,
        Handler,
        Ordering,
    )
    from kafka_parallel.explanations import Explanation
    from kafka_parallel.facts import PartitionProgress, RunningRecord, State, Statistics

# Built-in orderings by the name that users know; "unordered" needs no plugin.
ORDERINGS = {"key": "key-ordered", "partition": "partition-queue"}

# The consumer whose handler runs in this context.
_within: ContextVar[ParallelConsumer | None] = ContextVar("kafka_parallel_consumer", default=None)


def load_plugins(options: Options, environment: Mapping[str, str]) -> Plugins:
    """Load the plugins that *options* and *environment* name or choose.

    :raises ConfigurationError: an option names what is no plugin.
    :raises PluginError: one cannot be found, loaded or combined with the others.
    """
    ordering = options.ordering
    named = ORDERINGS.get(ordering, ordering) if isinstance(ordering, str) and ordering != "unordered" else None
    return Plugins(options.plugins, environment, {"ordering": named, "executor": options.executor})


@explains_options
class ParallelConsumer:
    """Runs a handler on many records of a ``KafkaConsumer`` at once, in order per key or partition.

    During a run the ``KafkaConsumer`` belongs to this object. Auto-commit is switched off, and this object commits the
    offsets. Calls that would lose records are refused, such as ``poll()`` and ``commit()`` with offsets. ``close()``
    means `stop`, and ``run()`` closes the consumer at its end. A start that is refused leaves the consumer as it was.
    One object serves one run.

    :param consumer: a ``kafka.KafkaConsumer``, subscribed or with assigned partitions.
    :param ordering: ``"key"`` (default): records with the same key of a partition one at a time, in offset order;
        ``"partition"``; ``"unordered"``; the name of a plugin that provides an ordering; or a function from a record to
        a hashable ordering key (``None`` = this record needs no order), called on the thread of run(). Type checkers
        know the first three names alone: a plugin that provides another ordering is used without this option if it is
        among *plugins*.
    :param workers: the largest number of handlers that run at once.
    :param executor: the name of a plugin that provides an executor; default ``"thread-pool"``, or ``"asyncio"`` for an
        ``async def`` handler; ``"process-pool"`` for handlers that compute; ``("futures", {"executor": ...})`` for any
        ``concurrent.futures.Executor``. A name alone, or a ``(name, {settings})`` pair.
    :param plugins: names, ``(name, {settings})`` pairs, plugin objects or modules; ``"no:name"`` blocks one. The
        environment variable ``KAFKA_PARALLEL_PLUGINS=a,b`` adds names.
    :param max_buffered_records: the largest number of records taken from ``poll()`` and not finished, over all
        partitions; ``None`` = four per worker, 2,000 at least.
    :param max_buffered_bytes: the largest size of these records (keys, values, headers), in bytes.
    :param max_uncommitted: the largest distance, per partition, between the committed offset and the newest one taken
        from ``poll()``; a partition above it pauses. A crash repeats no more than this.
    :param revoke_timeout_ms: milliseconds that running records get before their partitions leave in a rebalance;
        a stop that is requested meanwhile bounds it too.
    :param stop_timeout_ms: milliseconds that running records get when the consumer stops, from
        the request on, whatever rebalance is under way.
    :param install_signal_handlers: with it, run() on the main thread stops on SIGTERM and SIGINT (the second one
        abandons the running records).
    :param lazy_deserialization: whether the consumer's deserialisers run in the worker, where one that raises fails its
        record; ``False`` leaves them in ``poll()``, where it stops the consumer, as on the bare client. Every attempt
        at a record gets the same objects then: one that is tried again sees how the attempt before left them.
    :param handler_timeout_ms: milliseconds after which a record fails with `HandlerTimeout` although its handler has
        not returned. An ``async def`` handler is cancelled, a process is killed; a thread cannot be stopped: it is
        replaced, and other records of its key wait until it returns. Looked at some ten times a second.
    :param stuck_after_ms: milliseconds after which a warning says where a handler is that still runs; ``None`` = never.
    :param explain_signal: a signal at which run() on the main thread logs the sentences of `explain`, such as
        ``signal.SIGUSR1``; ``None`` = none. Before and after run() the signal ends the process; `start`, `run_async`
        and run() on another thread refuse it.
    :raises ConfigurationError: for an option or a consumer that cannot work.
    :raises PluginError: for a plugin that cannot be found, loaded or combined with the others.
    """

    def __init__(
        self,
        consumer: Consumer,
        *,
        ordering: Ordering | None = None,
        workers: int = 16,
        executor: ExecutorOption = None,
        plugins: Sequence[PluginOption] = (),
        max_buffered_records: int | None = None,
        max_buffered_bytes: int = 64 * 1024 * 1024,
        max_uncommitted: int = 10_000,
        revoke_timeout_ms: float = REVOKE_TIMEOUT_MS,
        stop_timeout_ms: float = STOP_TIMEOUT_MS,
        install_signal_handlers: bool = True,
        lazy_deserialization: bool = True,
        handler_timeout_ms: float | None = None,
        stuck_after_ms: float | None = STUCK_AFTER_MS,
        explain_signal: int | None = None,
    ) -> None:
        self._options = Options(
            ordering=ordering,
            workers=workers,
            executor=executor,
            plugins=plugins,
            max_buffered_records=max_buffered_records,
            max_buffered_bytes=max_buffered_bytes,
            max_uncommitted=max_uncommitted,
            revoke_timeout_ms=revoke_timeout_ms,
            stop_timeout_ms=stop_timeout_ms,
            install_signal_handlers=install_signal_handlers,
            lazy_deserialization=lazy_deserialization,
            handler_timeout_ms=handler_timeout_ms,
            stuck_after_ms=stuck_after_ms,
            explain_signal=explain_signal,
        )
        self._consumer = consumer
        self._client = Client(consumer)
        self._plugins = load_plugins(self._options, os.environ)
        self._claims = Claims(self._plugins)
        self._shutdown = Shutdown(stop_timeout_ms / 1000)
        self._engine: Engine | None = None
        self._background: Background | None = None
        self._started = threading.Lock()

    @overload
    def run(self, handler: Handler, batch: None = None) -> None: ...
    @overload
    def run(self, handler: BatchHandler, batch: Batch) -> None: ...
    def run(self, handler: Callable[[Any], Any], batch: Batch | None = None) -> None:
        """Process records until stopped; blocks.

        Returns after `stop`, after SIGTERM or SIGINT, or when the consumer's ``consumer_timeout_ms`` passes without a
        record and without work. In each case, running records get to finish within the stop timeout, finished ones are
        committed, and the consumer leaves its group and is closed.

        :param handler: called with one ``ConsumerRecord`` on a worker, many at once; a raise fails the record. An
            object with hooks is a plugin of the run as well.
        :param batch: with it the handler is called with a list of records instead; a raise fails all of them, a raise
            of `BatchFailed` those it names.
        :raises RecordFailed: if a record failed and no plugin chose to retry or skip it; ``__cause__`` is the error.
        :raises StateError: if it was started before.
        :raises ConfigurationError: if the handler is not callable, the consumer is closed or not subscribed, or
            ``explain_signal`` was given off the main thread.
        :raises CommitFailed: if the group coordinator refuses commits for good.
        """
        self._check_handler(handler)
        check_thread(handler)
        check_explain_signal(self._options, "run() off the main thread", is_heard=is_main_thread())
        engine = self._begin(handler, batch)
        stops = Signals(self._shutdown) if self._options.install_signal_handlers else nullcontext()
        with stops, ExplainSignal(self._options.explain_signal, engine.facts.explain):
            engine.run_until_over()

    @overload
    def start(self, handler: Handler, batch: None = None) -> None: ...
    @overload
    def start(self, handler: BatchHandler, batch: Batch) -> None: ...
    def start(self, handler: Callable[[Any], Any], batch: Batch | None = None) -> None:
        """Process records as `run` does, on a thread of its own; errors are logged, and come out of `join`.

        It installs no signal handlers. If the main thread ends by an error or by Ctrl-C, the run stops by itself. If it
        ends in any other way, by ``sys.exit()`` too, the run goes on and keeps the process alive: call `stop` and
        `join` before. Functions of ``atexit`` come only after the run, so none of them can stop it; a SIGTERM without a
        handler of the program's ends the process at once, and everything since the last commit is repeated.

        :param handler: as in `run`.
        :param batch: as in `run`.
        :raises StateError: if it was started before.
        :raises ConfigurationError: as `run`.
        """
        check_explain_signal(self._options, "start()", is_heard=False)
        engine = self._begin(handler, batch)
        self._background = Background(engine.run_until_over, self._shutdown, lambda: _within.get() is self)
        self._background.start()

    @overload
    async def run_async(self, handler: AsyncHandler, batch: None = None) -> None: ...
    @overload
    async def run_async(self, handler: AsyncBatchHandler, batch: Batch) -> None: ...
    async def run_async(self, handler: Callable[[Any], Any], batch: Batch | None = None) -> None:
        """Process records as `run` does, with an ``async def`` handler on the running event loop.

        It installs no signal handlers.

        Polls and commits are made on a thread of their own. If it is cancelled it stops as `stop` does, and is
        cancelled when that is done. A second cancellation abandons the running records, uncommitted, as a second signal
        does.

        :param handler: called with one ``ConsumerRecord``; at most ``workers`` of them run at once.
        :param batch: as in `run`.
        :raises Exception: the errors of `run`.
        """
        import asyncio  # not above: those with a plain handler need none of its 1.7 MB

        from kafka_parallel._runtime.loop.asyncio_host import run_hosted

        self._check_handler(handler)
        check_hosted(handler)
        check_explain_signal(self._options, "run_async()", is_heard=False)
        engine = self._begin(handler, batch, asyncio.get_running_loop())
        await run_hosted(engine.run_until_over, self._shutdown)

    def join(self, timeout_ms: float | None = None) -> bool:
        """Wait for the run that `start` started; tell whether it has ended.

        :param timeout_ms: milliseconds to wait; ``None`` = for ever.
        :raises Exception: the errors of `run`, each time.
        :raises StateError: without `start`; in a handler of this run, which would wait for itself; in a forked child,
            for the run belongs to another process.
        """
        if self._background is None:
            raise StateError("join() without start(): run() blocks by itself")
        has_ended = self._background.join(None if timeout_ms is None else timeout_ms / 1000)
        if has_ended and self.error is not None:
            raise self.error
        return has_ended

    def stop(self, timeout_ms: float | None = None) -> None:
        """Ask to stop, from any thread or signal handler; `run` returns (or `join` ends) when it is done.

        No new record is started, except those below the highest one that was: without them the next start would repeat
        the finished records above; and those of a key that its worker took together with the one it is at. Then the
        rest is committed.

        :param timeout_ms: milliseconds that running records get instead of ``stop_timeout_ms``.
        :raises ConfigurationError: if it is no finite number of milliseconds, 0 or more.
        """
        if timeout_ms is not None:
            require_duration("timeout_ms", timeout_ms)
        self._shutdown.request(None if timeout_ms is None else timeout_ms / 1000)

    def _begin_beside_others(self, handler: Callable[[Any], Any], batch: Batch | None) -> BegunRun:
        """Check all that `run` checks, for ``run_all()``, and put everything together; nothing is taken yet."""
        self._check_handler(handler)
        check_thread(handler)
        check_explain_signal(self._options, "run_all() off the main thread", is_heard=is_main_thread())
        engine = self._begin(handler, batch)
        return BegunRun(
            engine.run_until_over,
            self._cancel,
            self._shutdown,
            ExplainSignal(self._options.explain_signal, engine.facts.explain),
            self._consumer,
            engine.name,
            installs_signal_handlers=self._options.install_signal_handlers,
        )

    @property
    def state(self) -> State:
        """How far it is, from any thread, as often as you like: ``"new"``, ``"starting"``, ``"running"``,
        ``"stopping"``, ``"stopped"``, or ``"failed"`` with the cause in `error`."""
        return "new" if self._engine is None else self._engine.state.state

    @property
    def error(self) -> BaseException | None:
        """The error that `run` raised, or that `join` raises; ``None`` unless `state` is ``"failed"``."""
        return None if self._engine is None else self._engine.state.error

    def statistics(self) -> Statistics:
        """Return one consistent view of the run; from any thread, signal handler, hook or method of a key.

        A signal handler may interrupt this library while it notes something down: then half of that is in the view.

        :raises StateError: before `run` or `start`.
        """
        if self._engine is None:
            raise StateError("statistics() before run() or start(): there is nothing to count yet")
        return self._engine.facts.statistics()

    def progress(self) -> Mapping[TopicPartition, PartitionProgress]:
        """Return how far each assigned partition is, in one consistent view; from any thread, as `statistics`.

        Ends of logs that the client does not learn by fetching are asked for as long as this is called at least once
        a minute; the answer to the first call may lack some.

        :raises StateError: before `run` or `start`.
        """
        if self._engine is None:
            raise StateError("progress() before run() or start(): no partition is assigned yet")
        return self._engine.facts.progress()

    def running(self, *, places: bool = False) -> Sequence[RunningRecord]:
        """Return the records that workers are at, the one that runs for the longest first; from any thread.

        :param places: whether to look at which line each handler is. A worker process is asked for that by a signal,
            and may take a second.
        :raises StateError: before `run` or `start`.
        """
        if self._engine is None:
            raise StateError("running() before run() or start(): no handler runs yet")
        return self._engine.facts.running(places=places)

    def explain(self, *, keys: bool = False) -> Sequence[Explanation]:
        """Return why the run does not go on, the worst reason first; one that says so if it does; from any thread.

        :param keys: whether sentences may show the keys of records, which may be personal data.
        :raises StateError: before `run` or `start`.
        """
        if self._engine is None:
            raise StateError("explain() before run() or start(): there is nothing to explain yet")
        return self._engine.facts.explain(keys=keys)

    def __enter__(self) -> ParallelConsumer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._background is not None:
            self.join()

    def _cancel(self) -> None:
        """Undo `_begin` before anything has begun: it can be started in another way."""
        self._claims.release()
        self._engine = None
        self._started.release()

    @staticmethod
    def _check_handler(handler: object) -> None:
        if not callable(handler):
            raise ConfigurationError(f"the handler is {shown(handler)}: give a function of one record")

    def _begin(
        self,
        handler: Callable[[Any], Any],
        batch: Batch | None,
        event_loop: asyncio.AbstractEventLoop | None = None,
    ) -> Engine:
        """Check the conditions that can only be checked now, and put everything together."""
        if self._engine is not None:
            begun = "runs already" if self.state in {"starting", "running", "stopping"} else "has run already"
            raise StateError(f"this ParallelConsumer {begun}: build a new one, with a new KafkaConsumer")
        self._check_handler(handler)
        if not (batch is None or isinstance(batch, Batch)):
            raise ConfigurationError(
                f"batch is {shown(batch)}: give a Batch(...), or None to handle records one by one"
            )
        self._client.require_open()
        check_process(self._consumer)
        if not self._client.is_subscribed:
            raise ConfigurationError(
                "the KafkaConsumer reads nothing: give it topics, or call its subscribe() or assign(), before run()"
            )
        if not self._started.acquire(blocking=False):
            raise StateError("this ParallelConsumer ran already: build a new one, with a new KafkaConsumer")
        before = _within.set(self)  # handlers run in copies of the context of now
        try:
            self._claims.take()
            parts = Parts(
                self._client, self._plugins, self._options, self._shutdown, handler, event_loop=event_loop, batch=batch
            )
        except BaseException:
            self._claims.release()
            self._started.release()  # nothing has begun, so it can be started in another way
            raise
        finally:
            _within.reset(before)
        self._engine = Engine(parts, self._claims.release)
        return self._engine

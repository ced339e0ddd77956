"""The parts of one run()."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._plugins.combinations import check_plugins
from kafka_parallel._plugins.hooks import Hooks
from kafka_parallel._plugins.provided import Provided
from kafka_parallel._plugins.scopes import compose_scopes
from kafka_parallel._runtime.clock import Clock, SystemClock
from kafka_parallel._runtime.handlers.compatibility import check_batch, check_executor, check_handler, is_remote
from kafka_parallel._runtime.handlers.handler_calls import HandlerCalls
from kafka_parallel._runtime.handlers.originals import Originals
from kafka_parallel._runtime.handlers.result_delivery import ResultDelivery
from kafka_parallel._runtime.handlers.whereabouts import Whereabouts
from kafka_parallel._runtime.loop.committer import Committer
from kafka_parallel._runtime.loop.explainer import Explainer
from kafka_parallel._runtime.loop.intake import Intake
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel._runtime.loop.log_end_watch import LogEndWatch
from kafka_parallel._runtime.loop.poll_loop import Loop
from kafka_parallel._runtime.loop.positions import Positions
from kafka_parallel._runtime.loop.rebalance import Rebalance
from kafka_parallel._runtime.loop.run_facts import RunFacts, Sources
from kafka_parallel._runtime.loop.stuck_handlers import StuckHandlers
from kafka_parallel._runtime.loop.worker_ends import WorkOfEndingWorkers
from kafka_parallel._unfinished import is_async
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.results import NAME as RESULTS
from kafka_parallel.results import Producing
from kafka_parallel.values import Settings

if TYPE_CHECKING:
    import asyncio

    from kafka import TopicPartition

    from kafka_parallel._core.commit_schedule import CommitRules
    from kafka_parallel._options import Options
    from kafka_parallel._plugins.manager import Plugins
    from kafka_parallel._plugins.provided import Ordering
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.loop.shutdown import Shutdown
    from kafka_parallel.executors import Work
    from kafka_parallel.values import Batch


class Parts:
    """Everything one run() needs, put together and not begun.

    :ivar work: the work for the executor.
    :ivar decoder: the decoder that replaces kafka-python's, and the name of its plugin; ``None`` if there is none.
    :raises PluginError: if a provide-hook fails, two answer it, or the answer cannot be used.
    :raises ConfigurationError: if the consumer cannot be taken over, or things were chosen that do not go together.
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
        function = handler.handler if isinstance(handler, Producing) else handler
        check_handler(function)
        self.client, self.plugins, self.options, self.shutdown = client, plugins, options, shutdown
        self.clock: Clock = clock or SystemClock()
        self.facts = RunFacts()
        client.prepare(lazy=options.lazy_deserialization)
        plugins.hear_handler(function)
        results = self._deliver_results(handler)
        if isinstance(handler, Producing):
            handler = handler.judged(is_batch=batch is not None)
        self.settings = self._make_settings(event_loop, batch)
        self._originals = Originals()
        self._delay_ms = self._read_delayed_topics()
        provided = Provided(plugins, self.settings)
        ordering = provided.ordering(options.ordering, client.deserialize)
        if batch is not None:
            check_batch(batch, options, has_order=ordering is not None)
        usual_executor = "asyncio" if is_async(handler) else "thread-pool"
        check_plugins(plugins, options, client.group_id, usual_executor)
        self.executor = provided.executor(options.executor_name, usual_executor)
        check_executor(function, self.executor)
        self.settings = replace(self.settings, transactions=provided.transactions())
        child_wrappers = provided.child_wrappers() if is_remote(self.executor) else {}
        scopes = [] if is_remote(self.executor) else provided.attempt_scopes()
        self.settings = replace(self.settings, executor=provided.executor_name, ordering=provided.ordering_name)
        self.hooks = Hooks(plugins, self.settings, child_wrappers.keys())
        self._calls = HandlerCalls(
            handler, self.executor, client, self.hooks, self.settings, self.clock, self._originals, child_wrappers,
            is_batch=batch is not None, results=results, enter=compose_scopes(scopes, self.hooks.errors),
        )  # fmt: skip
        if is_remote(self.executor):
            self.executor.bind(self._calls.program)
        self.decoder = provided.decoder()
        self.scheduler = self._make_scheduler(batch)
        self.work = self._make_work()
        self._stuck_handlers = self._make_stuck_handlers()
        self.committer = Committer(client, self.scheduler, self.clock, self.hooks)
        self._unsettled: set[TopicPartition] = set()
        self._positions = Positions(client, self.scheduler, self._unsettled)
        self._log_ends = LogEndWatch(client.partitions, self.clock)
        self.rebalance = self._make_rebalance()
        self.loop = self._make_loop(ordering)
        self.facts.begin(self._sources())

    def _deliver_results(self, handler: Callable[[Any], Any]) -> ResultDelivery | None:
        """Let the results of *handler* be produced, if it is `producing`: the delivery is a plugin of this run."""
        self.plugins.remove_for_run(RESULTS)  # of a start that was refused
        if not isinstance(handler, Producing):
            return None
        results: ResultDelivery
        if is_async(handler):
            from kafka_parallel._runtime.handlers.awaited_results import AwaitedDelivery

            results = AwaitedDelivery(handler, self.client.partitions.lacks, self.clock)
        else:
            results = ResultDelivery(handler, self.client.partitions.lacks)
        self.plugins.add_for_run(RESULTS, results)
        return results

    def _make_settings(self, event_loop: asyncio.AbstractEventLoop | None, batch: Batch | None) -> Settings:
        return Settings(
            workers=self.options.workers,
            group_id=self.client.group_id,
            topics=self.client.topics,
            pattern=self.client.pattern,
            is_ordered=self.options.ordering != "unordered",
            handler_timeout_ms=self.options.handler_timeout_ms,
            batch=batch,
            event_loop=event_loop,
            has_raw_bytes=self.client.has_raw_bytes,
            is_subscribed=self.client.has_group_assignment,
            consumer_config=self.client.config,
            deserialize=self.client.deserialize or (lambda record: record),
            clock=self.clock.monotonic,
            facts=self.facts,
        )

    def _sources(self) -> Sources:
        whereabouts = Whereabouts(self.executor)
        explainer = Explainer(
            self.client, self.scheduler, self.committer, self.rebalance, self.loop, self._stuck_handlers,
            self.shutdown, whereabouts, self.clock,
        )  # fmt: skip
        return Sources(
            self.clock,
            self.client,
            self.scheduler,
            self.committer,
            self.rebalance,
            self._log_ends,
            self.loop,
            self.shutdown,
            whereabouts,
            self.hooks.errors,
            self.options.workers,
            explainer,
        )

    def _read_delayed_topics(self) -> Callable[[Any, float], float]:
        """Subscribe to the topics that a plugin wants to be read too; return its delay."""
        delayed = Provided(self.plugins, self.settings).delayed_topics()
        if delayed is None:
            return lambda _record, _now_ms: 0.0
        self.client.read_also(delayed.sources)
        self._originals = Originals(delayed.sources.keys(), delayed.original)
        self.settings = replace(
            self.settings,
            sources=MappingProxyType(dict(delayed.sources)),
            deserialize=self._originals.before(self.client.deserialize) or self.settings.deserialize,
        )
        return delayed.delay_ms

    def _make_scheduler(self, batch: Batch | None) -> LockedScheduler[TopicPartition]:
        options = self.options
        return LockedScheduler(
            BufferLimits(options.buffered_records, options.max_buffered_bytes, options.max_uncommitted),
            commits=self._commit_rules(),
            attempt=self._calls.attempt,
            clock=self.clock,
            batches=None
            if batch is None
            else BatchLimits(batch.max_records, batch.max_bytes, batch.max_wait_ms / 1000, batch.of),
            attempt_batch=self._calls.attempt_batch,
            coroutines=self._calls.coroutines,
            handled_log=self._calls.handled_log,
            is_stopping=lambda: self.shutdown.is_requested,
        )

    def _make_work(self) -> Work:
        """The work for the executor: the scheduler, with a look at ending workers if a plugin has `on_worker_end`."""
        if not self.hooks.hears_worker_ends:
            return self.scheduler
        return cast("Work", WorkOfEndingWorkers(self.scheduler, self.hooks.on_worker_end))

    def _commit_rules(self) -> CommitRules | None:
        if self.client.group_id is None:
            return None
        transactions = self.settings.transactions
        interval_ms = None if transactions is None else transactions.interval_ms
        rules = self.options.commit_rules(self.client.config, interval_ms)
        return replace(rules, tells_finished_above=self.hooks.commits_tell_finished_above)

    def _make_stuck_handlers(self) -> StuckHandlers:
        stuck_after = self.options.stuck_after_ms
        return StuckHandlers(
            self.scheduler,
            self.executor,
            self.clock,
            self._calls.deadlines,
            None if stuck_after is None else stuck_after / 1000,
            self.client.group_id,
        )

    def _make_rebalance(self) -> Rebalance:
        longest = self.client.config["max_poll_interval_ms"] / 1000
        drain_timeout = self.options.revoke_timeout_ms / 1000
        if drain_timeout >= longest:
            raise ConfigurationError(
                f"revoke_timeout_ms={self.options.revoke_timeout_ms} must be smaller than the consumer's "
                f"max_poll_interval_ms={self.client.config['max_poll_interval_ms']}, or the group gives up on us"
            )
        return Rebalance(
            self.client,
            self.scheduler,
            self.committer,
            self._stuck_handlers,
            self.clock,
            self._positions,
            self._unsettled,
            hooks=self.hooks,
            delayed=self.settings.sources,
            drain_timeout=drain_timeout,
            session_timeout=self.client.config["session_timeout_ms"] / 1000,
            leave_by=lambda: self.shutdown.leave_by,
            is_abandoned=lambda: self.shutdown.is_abandoned,
            is_transactional=self.settings.transactions is not None,
        )

    def _make_loop(self, ordering: Ordering | None) -> Loop:
        client, clock = self.client, self.clock
        return Loop(
            client,
            self.scheduler,
            Intake(
                client,
                self.scheduler,
                clock,
                self.rebalance.assign_answers,
                ordering=ordering,
                delayed=self.settings.sources,
                delay_ms=self._delay_ms,
            ),
            self._positions,
            self._log_ends,
            self.committer,
            self.rebalance,
            self._stuck_handlers,
            self.shutdown,
            clock,
            hooks=self.hooks,
            idle_timeout=client.config["consumer_timeout_ms"] / 1000,
        )

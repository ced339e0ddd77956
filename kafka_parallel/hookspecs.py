"""The hooks by which a plugin can observe, decide or surround.

There are six kinds of hook, and each hook says which it is:

- *surround*: the real work is the innermost implementation; plugins wrap it with ``@hookimpl(wrapper=True)``, or with
  ``hookwrapper=True``, pluggy's old style.
- *decide*: plugins are asked in turn until one answers something other than ``None``.
- *prepare*: each plugin is called once at the start; an error stops the start, and run() raises it.
- *contribute*: each plugin is asked, and all answers are put together; an error is logged and stops nothing.
- *observe*: each plugin is called, and its answer is dropped; an error is logged and stops nothing.
- *provide*: each plugin is asked once at the start, never per record; one may answer, and two stop the start. Child
  wrappers and attempt scopes alone may be several.

Order among plugins of the same kind is that of pluggy: last registered, first called. Only hooks that surround or
decide can be wrapped. An implementation is a function or a method; one of which a call runs nothing (``async def``, a
``yield`` without a wrapper's mark) is refused when the plugin is registered, and so is any other shape that would be
half called.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel.decoders import Decoder
    from kafka_parallel.executors import Executor
    from kafka_parallel.throttle import Throttle
    from kafka_parallel.values import (
        AttemptScope,
        BackpressureEvent,
        BatchContext,
        ChildWrapper,
        CommitContext,
        DelayedTopics,
        Halt,
        Handled,
        RecordContext,
        Retry,
        Settings,
        Skip,
        Transactions,
    )

__all__ = [
    "PROJECT", "hookimpl", "hookspec", "on_assign", "on_backpressure", "on_batch", "on_commit", "on_error",
    "on_handled", "on_record", "on_revoke", "on_start", "on_stop", "on_throttle", "on_worker_end",
    "provide_attempt_scope", "provide_child_wrapper", "provide_decoder", "provide_executor", "provide_ordering",
    "provide_topics", "provide_transactions",
]  # fmt: skip

PROJECT = "kafka_parallel"
hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def on_record(record: ConsumerRecord, context: RecordContext) -> Any:
    """Surround: a record is handled; the handler is the innermost implementation.

    A wrapper is entered right before the handler starts and left when it has finished, for sync and async handlers
    alike. An implementation that is not a wrapper and returns `Skip` answers instead of the handler: the record is
    finished without it. Anything else but ``None`` is the plugin's error, and the record has failed. Beside an
    ``async def`` handler of single records it may be ``async def`` too. The result of the outermost wrapper is dropped.

    Runs on: the thread that runs the handler, or that waits for the process that does.
    If it raises: the record failed, exactly as if its handler had raised.

    :param record: the record as the handler sees it (deserialised).
    :param context: attempt, assignment, times and the raw record.
    """


# see docs/decisions/0070-child-wrappers.md
@hookspec(firstresult=True)
def on_batch(records: Sequence[ConsumerRecord], context: BatchContext) -> Any:
    """Surround: a handler that takes a list is called; the handler is the innermost implementation.

    It is called once per batch, inside of the wrappers of ``on_record``, which surround each record of it. Those have
    context variables of their own; a variable that is set here is seen by the handler. Records that wrappers of
    ``on_record`` answered or failed are not in the list. Handlers of single records never come here.

    A wrapper sees the error of the handler, a `BatchFailed` too, and may raise one itself. An implementation that is
    not a wrapper and returns `Skip` answers instead of the handler: all records of the list are finished without it.
    Beside an ``async def`` handler it may be ``async def`` too.

    Runs on: the thread that runs the handler, or that waits for the process that does.
    If it raises: the records failed, exactly as if their handler had raised.

    :param records: the records that the handler is about to get. It gets a list of its own.
    :param context: the attempt at each of them.
    """


@hookspec(firstresult=True)
def on_error(record: ConsumerRecord, error: BaseException, context: RecordContext) -> Retry | Skip | Halt | None:
    """Decide: an attempt at a record failed. ``None`` asks the next plugin; without any answer it is ``Halt``.

    It is not asked about an attempt that ends after its partition has left or the consumer has stopped: that is no
    verdict, for the record runs again elsewhere. Work it has begun by then goes on, and its answer changes nothing.
    Only wrappers are called for `ConfigurationError` and `InvalidResult` (but an ordering's): the answer is `Halt`.

    Runs on: the worker, never on an event loop's thread, so it may block (a produce that waits for its ack).
    If it raises: run() stops as for ``Halt``, with the raised error as the cause. So it does if the answer is no other.

    :param record: the record as the handler saw it, or the raw one if it could not be deserialised.
    :param error: the error of the handler, a wrapper, a deserialiser or the ordering; never one of those that end the
        process (SystemExit and its like), else it need not be an Exception.
    :param context: attempt, assignment, times and the raw record.
    """


# see docs/decisions/0054-measured-per-chunk.md
@hookspec
def on_handled(handled: Sequence[Handled], settings: Settings) -> None:
    """Observe: attempts have ended, well or not; many are told at once, and each of them once.

    This is the hook for measuring. ``on_record`` is a call per record; this is one for all that a worker hands over
    together, which is a single record only if handlers are slow. An attempt is a bare tuple, to be taken apart:
    ``for record, attempt, queued_at, started, ended, error in handled``.

    One that ends after its partition has left, or after the consumer has stopped, is not told: it does not count.

    Its time is that of the handler and of everything around it in ``on_record``. Every record of a batch has the time
    of its batch. A record that misses its deadline ends then; one that could not be deserialised was not attempted.
    With a ``process-pool`` and no wrapper of ``on_record``, durations are measured in the process and include
    deserialising; ``ended`` is up to 5 ms late. If the process dies, only the whole wait is known.

    Runs on: the worker that hands over; with ``async def`` handlers that is the event loop. Several may call at once.
        Return promptly: no lock is held, but the worker handles nothing meanwhile. Attempts that end after run() are
        told after ``on_stop``.
    If it raises: the exception is logged and this hook of the plugin is not called again.

    :param handled: the attempts that have ended since the last call; those of one worker in the order in which they
        ended.
    :param settings: the settings of the consumer.
    """


# see docs/decisions/0077-offset-map.md
@hookspec(firstresult=True)
def on_commit(
    offsets: dict[TopicPartition, OffsetAndMetadata],
    context: CommitContext,
    finished_above: Mapping[TopicPartition, Sequence[range]],
) -> Any:
    """Surround: offsets are committed; the consumer's own commit is the innermost implementation.

    A wrapper may put metadata into *offsets* before it yields, never change an offset number. The plugin says so with
    an attribute ``writes_commit_metadata = True``: there is room for one, so two of these are refused at the start. An
    implementation that is not a wrapper and returns ``True`` has committed by itself (an own offset store). Any other
    answer but ``None`` is the plugin's error: nothing was committed. Errors of kafka-python that it raises are followed
    as the coordinator's; `CommitFailed` stops run(). If a plugin takes *finished_above*, a commit also holds the
    partitions where only that has changed. Without such a plugin these ranges are not kept.

    At the interval the consumer's own commit is sent and the loop goes on: other hooks may be called between a
    wrapper's two halves, but never those of another commit. It waits for an implementation that commits by itself.

    Runs on: the loop, or the thread that answers a rebalance; the second half of a wrapper perhaps on the other.
    If it raises: nothing counts as committed; the offsets stay due and are tried again with newer ones. A wrapper that
        swallows an error does not make it done either.

    :param offsets: the offsets to commit; a copy made for this call.
    :param context: the reason and the time limit.
    :param finished_above: of the partitions in *offsets*, the offsets above the committed one that are finished
        already, as ranges in increasing order; of the same moment. Offsets that have no record may be among them.
    """


@hookspec
def on_backpressure(event: BackpressureEvent, settings: Settings) -> None:
    """Observe: partitions were paused or resumed.

    Runs on: the loop. Return promptly: nothing is fetched meanwhile.
    If it raises: the exception is logged and this hook of the plugin is not called again.

    :param event: which partitions, why, and how full the buffer is.
    :param settings: the settings of the consumer.
    """


# see docs/decisions/0022-throttles-are-data.md
# see docs/decisions/0032-rate-is-data.md
@hookspec
def on_throttle(throttle: Throttle, settings: Settings) -> None:
    """Prepare: the plugin gets a throttle of its own, which bounds the records in flight and their rate.

    It may be used from any thread until ``on_stop``. The smallest bound of all plugins counts; at 0 nothing is
    started, and all partitions are paused with the plugin's name as the reason. Of the rate limits, overall and per
    ordering key, every one has to allow a start; a record that waits for one occupies no worker.

    Runs on: the caller of run() or the thread of start(), right before ``on_start``.
    If it raises: the start fails and run() raises it; nothing was taken yet.

    :param throttle: the plugin's throttle.
    :param settings: the settings of the consumer.
    """


# see docs/decisions/0019-on-start-may-stop.md
@hookspec
def on_start(settings: Settings) -> None:
    """Prepare: run() is about to take the first record.

    Runs on: the caller of run() or the thread of start().
    If it raises: the start fails and run() raises it; nothing was taken yet.

    :param settings: the settings of the consumer.
    """


# see docs/decisions/0090-resources-of-workers.md
@hookspec
def on_worker_end(settings: Settings) -> None:
    """Observe: a thread that took records takes no more. Close resources of this thread here.

    It is also called after a record that missed its deadline: the thread may end then, or go on and open things anew.
    An executor that runs handlers elsewhere has threads as well, one for each process say, or the one that feeds an
    event loop; nothing was opened there. A thread whose handler never returns is not heard of.

    Runs on: the thread that ends; several at once.
    If it raises: the exception is logged and this hook of the plugin is not called again.

    :param settings: the settings of the consumer.
    """


@hookspec
def on_stop(settings: Settings, error: BaseException | None) -> None:
    """Observe: the last commit was made and the consumer has left its group. Close the resources that on_start opened.

    Runs on: the thread of run().
    If it raises: the exception is logged; the other plugins are still told.

    :param settings: the settings of the consumer.
    :param error: the error that run() is about to raise, or ``None``.
    """


@hookspec
def on_assign(
    partitions: frozenset[TopicPartition],
    settings: Settings,
    committed: Mapping[TopicPartition, OffsetAndMetadata],
) -> Mapping[TopicPartition, Collection[int | range]] | None:
    """Contribute: partitions were assigned. Answers name offsets that are done already and must not be handled again.

    Offsets may be named one by one or as ``range``: one of any length costs the same. A wrong answer (another
    partition, something that is no offset) is logged and ignored.

    The answer of a plugin that takes *committed* is about the commit's metadata. The committed offset is never done
    itself, whatever the answer says; and the answer counts only while the partition goes on right there, in the same
    log: see docs/decisions/0078-record-of-one-commit.md. The answers of others come from stores of their own, and
    always count.

    Runs on: the thread that answers the rebalance (kafka-python 2.x: the loop, 3.x: a helper of its I/O thread).
    If it raises: the exception is logged and this hook of the plugin is not called again.

    :param partitions: the partitions that are ours from now on, in addition to those we had.
    :param settings: the settings of the consumer.
    :param committed: the commits of the group with their metadata, of those *partitions* that have one; asked for only
        if a plugin takes it. A commit that the coordinator does not tell in time is missing: a warning says so.
    """


@hookspec
def on_revoke(partitions: frozenset[TopicPartition], settings: Settings, lost: bool) -> None:  # noqa: FBT001
    """Observe: partitions are not ours any more; the records that finished in time have been committed.

    Runs on: the thread that answers the rebalance (kafka-python 2.x: the loop, 3.x: a helper of its I/O thread).
    If it raises: the exception is logged and this hook of the plugin is not called again.

    :param partitions: the partitions that left.
    :param settings: the settings of the consumer.
    :param lost: true if they were taken away without a chance to commit.
    """


@hookspec
def provide_ordering(settings: Settings) -> Callable[[ConsumerRecord], Hashable | None] | None:
    """Provide: a function from a raw record to its ordering key within its partition; ``None`` = needs no order.

    Records of one partition with equal keys run one at a time, in offset order.

    Runs on: asked once on the caller of run(); the function runs on the loop, once per record.
    If it raises: the start fails. If the function raises, that record failed and goes to ``on_error``.

    :param settings: the settings of the consumer.
    """


# see docs/decisions/0025-retry-topics-same-consumer.md
@hookspec
def provide_topics(settings: Settings) -> DelayedTopics | None:
    """Provide: topics that the consumer shall read too, with records that may have to wait.

    The consumer subscribes to them in addition, and begins at their beginning if its group has committed nothing there.

    Runs on: asked once on the caller of run(), before anything else; ``delay_ms`` runs on the loop.
    If it raises: the start fails. If ``delay_ms`` raises, that record does not wait.

    :param settings: the settings of the consumer.
    """


@hookspec
def provide_executor(settings: Settings) -> Executor | None:
    """Provide: the executor that runs handlers.

    Runs on: asked once on the caller of run().
    If it raises: the start fails.

    :param settings: the settings of the consumer.
    """


# see docs/decisions/0081-attempt-scopes.md
@hookspec
def provide_attempt_scope(settings: Settings) -> AttemptScope | None:
    """Provide: a function that is called when an attempt begins, and may return one to be called when it has ended.

    This is the cheap way to set context variables and to observe: a wrapper of ``on_record`` costs some three times as
    much, and a context object besides. ``scope(raw, attempt, queued_at, assignment)`` runs in the attempt's own
    ``contextvars.Context``, which the handler and the wrappers of ``on_record`` run in too. So the variables that it
    sets are seen there, and by no other record: there is nothing to reset. If it returns a function, that is called in
    the same context after the last wrapper was left, with the error of the attempt or ``None``. It cannot answer in the
    handler's place, nor swallow an error. All answers are used, the scope of the plugin that was registered last
    outermost.

    With batch handlers each record of the batch has a context and a scope of its own if plugins implement
    ``on_record``; else there is nothing that could see it, and no scope. The handler runs in another context: see
    ``on_batch``. Beside handlers in other processes it is not asked for: see ``provide_child_wrapper``.

    Runs on: asked once on the caller of run(); the functions run on the thread that runs the handler.
    If it raises: the start fails. If one of the functions raises, the record failed as if its handler had raised.

    :param settings: the settings of the consumer.
    """


# see docs/decisions/0070-child-wrappers.md
@hookspec
def provide_child_wrapper(settings: Settings) -> ChildWrapper | None:
    """Provide: a wrapper of the handler that runs where the handler does, in another process.

    It is asked for if the executor runs handlers in other processes, as ``process-pool`` does, and takes the place of
    ``on_record`` and ``on_batch`` of its plugin there: this process calls neither, so records still travel many at
    once. Everything else of the plugin stays here, ``on_error`` too.

    The answer is pickled, and called in the other process with the arguments of ``on_record``, or of ``on_batch`` if
    the handler takes lists: ``wrapper(record, context)`` returns the context manager to run the handler in. All answers
    are used, the wrapper of the plugin that was registered last outermost. An error of a wrapper when it is called, of
    ``__enter__`` or of ``__exit__`` fails the record (the batch) as an error of the handler does; an ``__exit__`` that
    returns true makes a failed record a handled one.

    A wrapper that has a method ``tell(context)`` is asked here, on the thread that sends the record, for a fact that
    only this process knows. It is pickled and the third argument of the call there; for a list that is a tuple of such
    facts. It must not raise: run() may end with its error.

    In the context there, ``assignment`` is ``None``, and ``queued_at`` and ``failing_since`` are times of the clock of
    this process, which is the other's as well if both are of one machine and the clock is the system's.

    Runs on: asked once on the caller of run(); the wrapper runs on the main thread of the other process.
    If it raises: the start fails. So it does if the answer is not a function, or cannot be pickled.

    :param settings: the settings of the consumer.
    """


@hookspec
def provide_decoder(settings: Settings) -> Decoder | None:
    """Provide: the decoder that makes records of the bytes of a batch, in the client's place.

    The client still checks and uncompresses the batch, keeps the position, and decodes the records that the decoder
    leaves. Before the first record it is tried on one batch. If its records differ from the client's, if this version
    of the client is not known, or with ``lazy_deserialization=False``, a log line says so, and the client decodes as
    ever. Some hundred records now and then are decoded by both and compared. After run() the consumer is as it was.
    Without an answer the plugin ``fast-decoder`` decodes, unless ``"no:fast-decoder"`` blocks it.

    Runs on: asked once on the caller of run(); the decoder runs on the loop, once per some hundred records.
    If it raises: the start fails. If the decoder raises or differs, an ERROR line says so; the client decodes on.

    :param settings: the settings of the consumer.
    """


@hookspec
def provide_transactions(settings: Settings) -> Transactions | None:
    """Provide: a way to write results, dead letters and records for retry topics together with offsets.

    Runs on: asked once on the caller of run(); the answer is used on workers.
    If it raises: the start fails.

    :param settings: the settings of the consumer.
    """

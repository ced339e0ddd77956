"""Runs a chunk whose handlers run where they cannot be called from here, and checks beforehand that they can be sent.

`program` checks, before anything is taken, that handler and deserialisers can be sent. `RemoteRun` sends all units of a
chunk at once and settles them as reports come in. Decisions are made here: a failed record stops its unit there, and
only `on_error`'s answer tells whether the records behind it go back to their lane or are sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kafka_parallel._batch_places import keeping_places
from kafka_parallel._core.outcome import Failure, NoVerdict
from kafka_parallel._runtime.client.deserializers import from_fields
from kafka_parallel._runtime.handlers.child_calls import wrapped
from kafka_parallel._showing import name_of, shown
from kafka_parallel._unfinished import finishing
from kafka_parallel.errors import ConfigurationError, PluginError
from kafka_parallel.executors import Exchange, Program, Report

if TYPE_CHECKING:
    from kafka_parallel._core.chunk import TaskChunk
    from kafka_parallel._core.task import Task, Unit
    from kafka_parallel._runtime.handlers.attempt_protocols import Attempt
    from kafka_parallel._runtime.handlers.handled_log import HandledLog
    from kafka_parallel.values import ChildWrapper


class Source(Protocol):
    """The consumer whose records are sent."""

    @property
    def has_raw_bytes(self) -> bool:
        """True if records are bytes."""

    @property
    def deserializers(self) -> Mapping[str, Any]:
        """The deserialisers, by the name of the option."""


class ChunkOwner(Protocol):
    """The source of chunks."""

    def wants(self, task: Task) -> bool:
        """Tell whether the result of *task* is still wanted."""

    def unclaim(self, chunk: TaskChunk, units: Sequence[Unit]) -> None:
        """Let other workers take *units*, which were claimed and not begun."""

    def finish(self, chunk: TaskChunk) -> None:
        """Hand over the outcomes that the chunk has so far."""

    def fail(self, error: BaseException) -> None:
        """Stop the consumer with *error*."""


def program(
    handler: Callable[[Any], Any],
    source: Source,
    see: Callable[[Any], Any],
    wrappers: Mapping[str, ChildWrapper],
    *,
    is_surrounded: bool,
    is_batch: bool,
    is_timed: bool,
) -> Program:
    """Put together the program that has to be sent.

    :param see: makes of a raw record the one that is sent for it.
    :param wrappers: those around the handler there, by the name of their plugins, the innermost first.

    :raises ConfigurationError: if some of it cannot be sent.
    :raises PluginError: if a wrapper cannot be sent.
    """
    if not source.has_raw_bytes:
        raise ConfigurationError(
            "lazy_deserialization=False makes objects of the records in poll(), and only bytes are sent to other "
            "processes: leave it True for this executor"
        )
    name = f"the handler {name_of(handler)!r}"
    for what, sent in {name: handler, **source.deserializers}.items():
        _require_picklable(what, sent)
    for plugin, wrapper in wrappers.items():
        _require_picklable_wrapper(plugin, wrapper)
    call, prepare = finishing(keeping_places(handler) if is_batch else handler), from_fields(source.deserializers)
    if wrappers:
        make_raw = from_fields(dict.fromkeys(source.deserializers))
        call, prepare = wrapped(call, prepare, make_raw, wrappers, is_batch=is_batch)
    return Program(_pickled((call, prepare)), name, is_surrounded, is_batch, is_timed, see)


def _require_picklable_wrapper(plugin: str, wrapper: object) -> None:
    try:
        _pickled(wrapper)
    except Exception as error:
        raise PluginError(
            f"the child wrapper {shown(wrapper)} of plugin {plugin!r} cannot be sent to another process ({error}): "
            "make it a function at the top level of a module, or an object that can be pickled"
        ) from error


def _require_picklable(what: str, sent: object) -> None:
    try:
        _pickled(sent)
    except Exception as error:
        raise ConfigurationError(
            f"{what} = {shown(sent)} cannot be sent to another process ({error}): make it a function at the top level "
            "of a module, or an object that can be pickled, or use the executor 'thread-pool'"
        ) from error


def _pickled(sent: object) -> bytes:
    import pickle  # it takes 0.4 MB, and most send nothing

    return pickle.dumps(sent)


# see docs/decisions/0037-parent-decides.md
class RemoteRun:
    """One chunk on its way to where its handlers run, and back.

    :param handled_log: the log of attempts that have ended, for plugins; ``None`` without `on_handled`.
    """

    def __init__(self, owner: ChunkOwner, chunk: TaskChunk, attempt: Attempt, handled_log: HandledLog | None) -> None:
        self._owner = owner
        self._chunk = chunk
        self._attempt = attempt
        self._handled_log = handled_log

    def exchange_all(self, exchange: Exchange) -> None:
        """Have *exchange* run everything in the chunk; again, if something is left."""
        units = self._sendable(self._chunk.claim_all())
        try:
            while units:
                left = self._send(units, exchange)
                units = self._sendable([*left, *self._chunk.claim_all()])
        except BaseException as error:
            self._give_up(error)
            raise
        self._owner.finish(self._chunk)

    def _give_up(self, error: BaseException) -> None:
        """Stop the consumer without waiting for the rest: nothing will ever run it here.

        Units that have ended are not ours any more, nor are those that were given back, which others may have by now.
        """
        self._owner.fail(error)
        self._chunk.claim_all()
        for unit in self._chunk.claimed:
            self._chunk.settle_next(unit, Failure(error, "nothing can run it any more"))
        self._owner.finish(self._chunk)

    def _sendable(self, units: Sequence[Unit]) -> list[Unit]:
        """Settle here the tasks that must not be sent: unwanted ones, and those that have failed already."""
        return [unit for unit in units if self._settle_here(unit)]

    def _settle_here(self, unit: Unit) -> bool:
        """Tell whether anything of *unit* is left to be sent."""
        task = unit.tasks[0]
        while not self._owner.wants(task) or task.error is not None:
            outcome = self._attempt(task) if self._owner.wants(task) else NoVerdict
            if not self._chunk.settle_next(unit, outcome):
                return False
            task = unit.tasks[0]
        return True

    def _send(self, units: Sequence[Unit], exchange: Exchange) -> list[Unit]:
        """Return the units that have to be sent again: a record was skipped, and there are some behind it."""
        left: list[Unit] = []
        sent = self._attempt.sent
        records = [[sent(task) for task in unit.tasks] for unit in units]
        news = exchange(records, lambda place: self._is_wanted(units[place]))
        for reports in news if self._handled_log is None else self._heard(self._handled_log, units, news):
            unbegun = [units[report.unit] for report in reports if report.is_unbegun]
            left += [units[report.unit] for report in reports if self._goes_on(units[report.unit], report)]
            if unbegun:
                self._owner.unclaim(self._chunk, unbegun)
            self._owner.finish(self._chunk)
        return left

    @staticmethod
    def _heard(
        handled_log: HandledLog, units: Sequence[Unit], news: Iterable[Sequence[Report]]
    ) -> Iterator[Sequence[Report]]:
        """Pass *news* on; note how long the records took that they are about."""
        since = handled_log.now()
        for reports in news:
            for report in reports:
                handled_log.reported(units[report.unit].tasks, report, since)
            yield reports
            since = handled_log.now()

    def _is_wanted(self, unit: Unit) -> bool:
        """Tell whether *unit* may run on; true of one of which nothing is left."""
        return not unit.tasks or self._owner.wants(unit.tasks[0])

    def _goes_on(self, unit: Unit, report: Report) -> bool:
        """Settle the tasks of *report*; tell whether records behind a failed one shall run all the same."""
        for _ in range(report.returned):
            self._chunk.settle_next(unit, None)
        if report.error is None:
            return False
        outcome = self._attempt.failed_elsewhere(unit.tasks[0], report.error, report.stage)
        return self._chunk.settle_next(unit, outcome)

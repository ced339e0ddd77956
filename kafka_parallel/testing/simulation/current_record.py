"""The current record of log lines, checked wherever code of the simulated application runs.

The plugin ``log-context`` sets it. Its factory of log records is left out: an instance that is killed would leave it
behind in the process of the simulation.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from typing import Any

from kafka_parallel import BatchContext, RecordContext, Settings, hookimpl, logs
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.values import AttemptScope, LeaveScope, Ownership


class CurrentRecord:
    """The plugin without its log, with a check of what it sets where failures are decided.

    :param plugin: the plugin itself.
    """

    def __init__(self, checker: Checker, plugin: Any) -> None:
        self._checker = checker
        self._plugin = plugin

    @hookimpl(tryfirst=True)
    def provide_attempt_scope(self, settings: Settings) -> AttemptScope:
        """Set the record."""
        set_record = self._plugin.provide_attempt_scope(settings)

        def scope(raw: Any, attempt: int, queued_at: float, assignment: Ownership) -> LeaveScope | None:
            self._check_none()
            set_record(raw, attempt, queued_at, assignment)
            return self._leave_of(logs.RecordInfo.of(raw, settings.group_id, attempt)) if raw.offset % 2 else None

        return scope

    def _leave_of(self, expected: logs.RecordInfo) -> LeaveScope:
        """Return a function that checks what is set when the scope is left, and that it is left once."""
        open_scopes = [expected]

        def leave(_: BaseException | None) -> None:
            if not open_scopes:
                self._checker.violate(f"the scope of {expected} is left twice")
            elif (info := logs.current.get()) != open_scopes.pop():
                self._checker.violate(f"the current record is {info} where the scope of {expected} is left")

        return leave

    @hookimpl(wrapper=True, tryfirst=True)
    def on_batch(self, context: BatchContext) -> Generator[None, Any, Any]:
        """Set the batch."""
        self._check_none()
        return (yield from self._plugin.on_batch(context))

    @hookimpl(wrapper=True, tryfirst=True)
    def on_error(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Set the record that failed."""
        self._check_none()
        return (yield from self._plugin.on_error(context))

    @hookimpl(specname="on_error", tryfirst=True)
    def look(self, context: RecordContext) -> None:
        """Check that it is the attempt that failed."""
        raw, info = context.raw, logs.current.get()
        expected = logs.RecordInfo.of(raw, None, context.attempt)
        if info != expected:
            self._checker.violate(f"the current record is {info} where plugins decide about {expected}")

    def _check_none(self) -> None:
        if (left := logs.current.get()) is not None:
            self._checker.violate(f"the current record is still {left} where the next attempt begins or has failed")


def has_current_record(plan: Plan) -> bool:
    """Tell whether the plugin is there: a lot of its own, of the seed alone."""
    return not plan.is_elsewhere and random.Random(f"current record {plan.seed}").random() < 0.3


def check_current(checker: Checker, records: Sequence[Any], *, is_batch: bool) -> None:
    """Check that the current record is the one, or the batch, that the handler has now."""
    info, first = logs.current.get(), records[0]
    expected = (first.topic, first.partition, first.offset)
    if is_batch and len({(record.topic, record.partition) for record in records}) > 1:
        is_one_topic = len({record.topic for record in records}) == 1
        expected = (first.topic if is_one_topic else None, None, first.offset)
    size = len(records) if is_batch else None
    if info is None or (*info[:3], info.batch_size) != (*expected, size):
        checker.violate(f"the current record is {info} in the handler of {expected}, {size or 'no'} batch")

"""Tells whether the plugin ``dlq`` keeps its limit, and ``retry`` its share of the workers, from outside of both.

The order of the counts is exact although workers run side by side: these plugins sit directly around ``dlq``, and
between two neighbours of a chain no other plugin acts. So the judge sees each success, and each failure that is not
tried again, in the very order in which the limit has to count them. It knows contexts and answers, and no number of the
plugins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping
from typing import Any

from kafka import TopicPartition

from kafka_parallel import Halt, RecordContext, Retry, Skip, hookimpl
from kafka_parallel.testing.simulation.calls import Call, Place, place_of
from kafka_parallel.testing.simulation.plan import Plan

# The mark of a halt at the limit: it quotes the setting.
LIMITS = ("(max_consecutive=", "(max_ratio=")

Attempt = tuple[Place, int, int]


class LimitJudge:
    """Counts beside ``dlq`` the outcomes of one start of the application; to be registered behind it and all that
    decide, so that it is asked last.

    A failed attempt counts as failed from then on, whatever its handler does after its deadline; but only a failure
    that is not tried again counts as a dead letter.

    :param limit: the settings of the limit.
    :ivar halted_at: when the limit first stopped this start, in seconds of the world.
    """

    def __init__(self, limit: Mapping[str, Any]) -> None:
        self._limit = limit
        self._are_dead: dict[TopicPartition, list[bool]] = defaultdict(list)
        self._failed: set[Attempt] = set()
        self._exceeds: dict[Attempt, bool] = {}
        self.halted_at: float | None = None

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Count a success."""
        result = yield
        if _attempt(context) not in self._failed and context.counts:
            self._are_dead[place_of(context.raw)[0]].append(False)
        return result

    @hookimpl(trylast=True)
    def on_error(self, context: RecordContext) -> None:
        """Count a failure that is not tried again: its dead letter is next, or the limit."""
        self._are_dead[place_of(context.raw)[0]].append(True)
        self._exceeds[_attempt(context)] = self._is_exceeded(self._are_dead[place_of(context.raw)[0]])

    def _is_exceeded(self, are_dead: list[bool]) -> bool:
        in_a_row, window = self._limit["max_consecutive"], self._limit["window"]
        if in_a_row is not None and len(are_dead) > in_a_row and all(are_dead[-in_a_row - 1 :]):
            return True
        ratio, recent = self._limit["max_ratio"], are_dead[-window:]
        return ratio is not None and len(recent) == window and sum(recent) > ratio * window

    def failed(self, context: RecordContext) -> None:
        """Note that an attempt failed, before any verdict."""
        self._failed.add(_attempt(context))

    def decided(self, context: RecordContext, answer: object, now: float) -> str | None:
        """Note the final verdict about it; return the problem with that, if there is one."""
        exceeds = self._exceeds.pop(_attempt(context), None)
        is_limit = isinstance(answer, Halt) and any(limit in answer.reason for limit in LIMITS)
        if exceeds is None or exceeds == is_limit:
            self.halted_at = now if is_limit and self.halted_at is None else self.halted_at
            return None
        if not isinstance(answer, Skip) and not is_limit:
            return None  # its dead letter could not be written
        place = place_of(context.raw)
        seen = "".join("F" if is_dead else "." for is_dead in self._are_dead[place[0]])
        return f"{place} was answered with {answer}, but its partition went {seen} with {dict(self._limit)}"


class RetryShare:
    """Counts how many retries of one start of the application run at once.

    A retry is a record that comes again because its own failure was answered with one, under the same assignment. A
    record that comes again behind it in a batch, or under a later assignment, runs like any other. A handler past its
    deadline does not count: its attempt has ended, and only its worker has not. That shows in contexts; so nothing is
    told apart where no wrapper of ``on_record`` sees them, and in batches from which records are kept out.
    """

    def __init__(self, plan: Plan) -> None:
        self._is_told_apart = plan.batch is None or not (plan.kept_out or plan.is_unreadable)
        share = 1.0 if plan.backoff is None else plan.backoff["max_share"]
        self._timeout = float("inf") if plan.timeout_ms is None else plan.timeout_ms / 1000
        self.most = max(1, int(plan.options["workers"] * share))
        self._told: dict[Place, tuple[int, int]] = {}
        self._entering: dict[Place, bool] = {}
        self._calls: dict[Place, Call] = {}

    def decided(self, context: RecordContext, answer: object) -> None:
        """Note the verdict about an attempt that failed."""
        if isinstance(answer, Retry):
            self._told[place_of(context.raw)] = context.assignment_id, context.attempt

    def enters(self, context: RecordContext) -> None:
        """Note that an attempt begins."""
        place = place_of(context.raw)
        is_retry = self._told.get(place) == (context.assignment_id, context.attempt - 1)
        call = self._calls.get(place)
        self._entering[place] = self._is_told_apart and is_retry and call is not None and call.comes_first(place)

    def begins(self, call: Call) -> None:
        """Note that a handler is called, after all its records have entered."""
        places = [place_of(record) for record in call.records]
        call.retries = sum(self._entering.pop(place, False) for place in places)
        self._calls.update(dict.fromkeys(places, call))

    def running(self, calls: Mapping[Call, None], now: float) -> int:
        """The number of retries among *calls* at *now*: no verdict tells of a deadline after a partition has left."""
        late = [call for call in calls if call.is_late or (call.gone and call.lasted(now) > self._timeout)]
        return sum(call.retries for call in calls) - sum(call.retries for call in late)


def _attempt(context: RecordContext) -> Attempt:
    return place_of(context.raw), context.assignment_id, context.attempt

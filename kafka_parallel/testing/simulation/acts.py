"""The behaviour of handlers, of any kind: how long they take, and whether they fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn, Protocol
from weakref import WeakValueDictionary

from kafka import TopicPartition

from kafka_parallel import BatchFailed
from kafka_parallel.errors import FATAL
from kafka_parallel.testing.simulation.calls import Call, Lane, place_of
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.current_record import check_current, has_current_record
from kafka_parallel.testing.simulation.limits import RetryShare
from kafka_parallel.testing.simulation.plan import TOPIC, Plan
from kafka_parallel.testing.simulation.user_code import BY_NAME
from kafka_parallel.testing.simulation.world import World

# The seconds within which a handler must hear that its result is no longer wanted.
PROMPTLY = 0.5
FOREVER = float("inf")
FORGED = b"forged"
# The header of a record of a retry topic that says where it was read.
PLACE = "simulated-place"
# The most handlers of a run that never return.
MOST_ENDLESS = 3


class NoLuckError(ValueError):
    """The error that a handler raises.

    :ivar call: which call of it.
    """

    def __init__(self, call: Call) -> None:
        super().__init__("no luck")
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        """Be sent: the error that arrives is of the same call."""
        _calls[id(self.call)] = self.call
        return _no_luck, (id(self.call),)


# Calls whose errors were sent; the checker keeps each as long as its run lasts.
_calls: WeakValueDictionary[int, Call] = WeakValueDictionary()


def _no_luck(number: int) -> NoLuckError:
    return NoLuckError(_calls[number])


class Owner(Protocol):
    """The consumer of an instance."""

    def owns(self, partition: TopicPartition) -> bool:
        """Tell whether *partition* is its own."""


class Acts:
    """The handlers of one instance.

    :param name: the instance.
    :param consumer: its consumer.
    :param failing: how likely a handler fails, from 0 to 1.
    :ivar ends: how often each partition has left.
    """

    def __init__(self, world: World, plan: Plan, checker: Checker, name: str, consumer: Owner, failing: float) -> None:
        self.plan = plan
        self.share = RetryShare(plan)
        self._has_current_record = has_current_record(plan)
        self._failing = failing
        self._world = world
        self._checker = checker
        self._name = name
        self._consumer = consumer
        self.meddle: Callable[[], None] = lambda: None
        self._running: dict[Call, None] = {}
        self._waiting: dict[Call, float] = {}
        self._left: dict[Call, set[TopicPartition]] = {}
        self._is_prompt = not plan.hostile
        self._all_busy_until = 0.0
        self._stops_at = FOREVER
        self._lane_busy_until: dict[Lane, float] = {}
        self.ends: Counter[TopicPartition] = Counter()

    def begin(self, records: Sequence[Any], *, is_prompt: bool = True) -> Call:
        """Begin; return the call, which knows how many seconds it takes.

        :param is_prompt: whether it was checked just now that the records are still wanted.
        """
        world, plan = self._world, self.plan
        records = [self._where_it_was_read(record) for record in records]
        self._check_current(records)
        call = self._checker.called(self._name, records, world.now)
        self._running[call] = None
        if plan.batch is not None and plan.is_punctual:
            self._note_wait(call, plan.batch["max_wait_ms"] / 1000)
        self._checker.bounds.runs(self._name, len(self._running), plan.most_running)
        self.share.begins(call)
        if call.retries:
            self._checker.bounds.retries(self._name, self.share.running(self._running, world.now), self.share.most)
        if plan.batch is not None:
            self._checker.bounds.batched(records, plan.batch)
        for record in records:
            self._note_start(call, record, is_prompt=is_prompt)
        numbers = " ".join(f"{record.partition}@{record.offset} {record.key}" for record in records)
        world.note(f"{self._name} begins {numbers}")
        call.seconds = self._draw_seconds()
        self.meddle()
        return call

    def _where_it_was_read(self, record: Any) -> Any:
        """Return the record with the place that counts for commits, after a look at the one that its handler sees."""
        found = dict(record.headers).get(PLACE)
        if found is None:
            return record
        self._checker.copies.seen(record)
        topic, partition, offset = found.decode().split()
        return record._replace(topic=topic, partition=int(partition), offset=int(offset))

    def _check_current(self, records: Sequence[Any]) -> None:
        if self._has_current_record:
            check_current(self._checker, records, is_batch=self.plan.batch is not None)

    def _note_wait(self, call: Call, longest: float) -> None:
        """Tell the checker how long records waited for company: not for a worker, and not for others of their lane."""
        for record in call.records:
            ready = [lane for lane in call.lanes if lane[0] == place_of(record)[0]]
            since = max([self._all_busy_until, *(self._lane_busy_until.get(lane, 0.0) for lane in ready)])
            self._checker.bounds.waited(self._name, record, self._world.now, since, longest, self._stops_at)

    def _note_free(self, call: Call) -> None:
        """Note the workers and lanes that are free from now on."""
        if len(self._running) == self.plan.options["workers"]:
            self._all_busy_until = self._world.now
        self._lane_busy_until.update(dict.fromkeys(call.lanes, self._world.now))
        self._running.pop(call)

    def _note_start(self, call: Call, record: Any, *, is_prompt: bool) -> None:
        plan, partition = self.plan, place_of(record)[0]
        if record.topic not in {TOPIC, *plan.retry_topic_names}:
            self.violate(f"handles {record.topic} @{record.offset}, which is the business of another group")
        is_owner = self._consumer.owns(partition) and self._checker.tenures.is_latest(self._name, partition)
        if record.topic != TOPIC and record.value not in {FORGED, FORGED.decode()}:
            self._checker.copies.due(record, self._world.wall())
        self._checker.started(
            call,
            record,
            is_owner=is_owner,
            is_prompt=is_prompt and not plan.hostile,
            is_exact=plan.batch is not None and self._is_prompt,
        )
        if plan.pace is not None and self._is_prompt and plan.is_paced:  # else something lets starts come together
            self._checker.bounds.paced(self._name, record, self._world.now, **plan.pace)

    def _draw_seconds(self) -> float:
        chance, plan = self._world.random, self.plan
        is_slow = chance.random() < plan.slow
        seconds = chance.choice([1.0, 8.0] if is_slow else [0.0, 0.001, 0.01, 0.05])
        if plan.timeout_ms is not None and chance.random() < plan.overdue:
            is_endless = self._may_hang and chance.random() < 0.3
            seconds = FOREVER if is_endless else 2 * plan.timeout_ms / 1000 + 1.0
            self._checker.endless += is_endless
        return seconds

    @property
    def _may_hang(self) -> bool:
        """Tell whether one more handler may never return: there have to be workers and room left for all other records.

        Not where a wrapper may sleep beyond the deadline: then the handler begins after its record has failed.
        """
        if not self.plan.is_roomy or self.plan.hostile:
            return False
        hanging = sum(call.seconds == FOREVER for call in self._running)
        return self._checker.endless < MOST_ENDLESS and hanging < self.plan.options["workers"]

    def end(self, call: Call) -> Any:
        """End, well or not; return the handler's value.

        :raises BaseException: if it fails.
        """
        unwanted_since = self._waiting.pop(call, FOREVER)
        if self._is_prompt and self._world.now - unwanted_since > PROMPTLY:
            self._checker.neglected(self._name, call.records)
        self._note_free(call)
        self._check_current(call.records)
        chance, plan = self._world.random, self.plan
        failed = [at for at, _ in enumerate(call.records) if chance.random() < self._failing]
        if failed and plan.batch is not None and chance.random() < 0.2:
            failed = [*range(len(call.records))]
        places = {at: place_of(call.records[at]) for at in failed}
        self._world.note(f"{self._name} {'fails' if failed else 'ends'} {_numbers(call, failed)}")
        self._checker.ended(call, places.values(), self._world.now)
        if len(failed) == len(call.records) and plan.odd_place == "handler" and plan.oddity:
            return BY_NAME[plan.oddity].act([*call.records], None)
        if failed:
            error = NoLuckError(call)
            raise error if len(failed) == len(call.records) else BatchFailed(dict.fromkeys(failed, error))
        if plan.hostile and chance.random() < plan.hostile / 10:
            raise chance.choice(FATAL)
        return None

    def gave_up(self, call: Call) -> None:
        """End undone: it was cancelled, or its process has died."""
        self._note_free(call)
        call.is_undone = True
        self._world.note(f"{self._name} gave up {_numbers(call)}")
        self._checker.ended(call, map(place_of, call.records), self._world.now)

    def violate(self, what: str) -> NoReturn:
        """Note that something is wrong with the calls of handlers."""
        self._checker.violate(f"{self._name} {what}")

    def reported(self, call: Call) -> None:
        """Note that the report arrives of a call that ended in another process."""
        self._checker.reported(call)

    # Handlers that can be cancelled

    def waits(self, call: Call) -> None:
        """Note that the handler waits, and would hear of a cancellation."""
        self._waiting[call] = FOREVER
        self._left[call] = set()

    def unwanted(self, partitions: Collection[TopicPartition]) -> None:
        """Note that records of *partitions* are no longer wanted: other calls must hear of it promptly."""
        self.ends.update(partitions)
        for call in self._waiting:
            self._left[call].update(partitions)
            if all(place_of(record)[0] in self._left[call] for record in call.records):
                self._waiting[call] = min(self._waiting[call], self._world.now)

    def cancelled(self, call: Call, manner: str) -> None:
        """Note that it was cancelled, and in which *manner* it answers."""
        self._waiting.pop(call, None)
        call.is_undone = True
        self._world.note(f"{self._name} is cancelled at {_numbers(call)} and {manner}")

    def left(self) -> None:
        """Note that run() has returned: no handler is wanted any more."""
        self._checker.tenures.gave_up(self._name, self._checker.watched)
        if self._waiting and self._is_prompt:
            self._checker.neglected(self._name, [record for call in self._waiting for record in call.records])
        if self.plan.is_heard and not self.plan.hostile:
            # A coroutine may fail with a cancellation, and one whose result is no longer wanted then is not told.
            self._checker.has_told(self._name, failed_too="asyncio" not in self.plan.executor)

    def stop(self) -> None:
        """Note that the process was asked to stop: nothing waits for company any more."""
        self._stops_at = min(self._stops_at, self._world.now)

    def freeze(self) -> None:
        """Note that the process stands still for a time: nothing is prompt any more."""
        self._is_prompt = False

    # Handlers that never return

    def blocked(self) -> dict[Lane, int]:
        """The lanes with a handler that never returns and is not waited for, each with its first offset there."""
        endless = [call for call in self._running if call.seconds == FOREVER]
        kept = [lane for call in endless for lane in self._checker.kept(call).items()]
        return {lane: first for lane, first in kept if self._consumer.owns(lane[0])}


def _numbers(call: Call, failed: Collection[int] = ()) -> str:
    return " ".join(
        f"{record.partition}@{record.offset}{'!' if at in failed and len(call.records) > 1 else ''}"
        for at, record in enumerate(call.records)
    )

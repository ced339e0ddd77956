"""Takes the records of a poll in as tasks, or gives them back to be fetched again.

Given back are records that are not due yet (a record of a delayed topic, and all behind it) or have no room: records
may be larger than any before, or their offsets farther from the last commit than ``max_uncommitted`` lets them be. The
client jumps back to the first of them, so that it comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.task import Task
from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.loop.key_identities import PLAIN, Identities
from kafka_parallel._shapes_of_work import function_in
from kafka_parallel._showing import kind_of
from kafka_parallel._unfinished import work_in
from kafka_parallel.errors import FATAL, ConfigurationError
from kafka_parallel.logs import RecordInfo

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.loop.assign_answers import AssignAnswers
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler

log = area_logger("poll")


# see docs/decisions/0052-core-compares-no-keys.md
# see docs/decisions/0063-deserialise-in-the-worker.md
class Intake:
    """Takes in records; used by the thread of run() alone.

    :param assign_answers: is told when records have come, for some answers of plugins may not be believed then.
    :param ordering: from a raw record to its ordering key.
    :param delayed: the topics whose records may have to wait.
    :param delay_ms: how long a record of these has to wait at a time since the Unix epoch; all in milliseconds.
    """

    def __init__(
        self,
        client: Client,
        scheduler: LockedScheduler[TopicPartition],
        clock: Clock,
        assign_answers: AssignAnswers,
        *,
        ordering: Callable[[Any], Hashable | None] | None,
        delayed: Collection[str],
        delay_ms: Callable[[Any, float], float],
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock
        self._assign_answers = assign_answers
        self._ordering = ordering
        self._delayed = delayed
        self._delay_ms = delay_ms
        self._waits: dict[TopicPartition, tuple[int, float]] = {}
        self._identities = Identities()

    def accept(self, fetched: Mapping[TopicPartition, Sequence[Any]], bytes_left: int, fetched_at: float) -> None:
        """Take in the records that are due and fit into *bytes_left*, the last one excepted."""
        due = self._due(fetched) if self._delayed else fetched
        tasks = {partition: self._tasks(records, fetched_at) for partition, records in due.items()}
        epochs = {partition: _leader_epochs(records) for partition, records in due.items()}
        fitting, sought = self._fitting(tasks, bytes_left), self._client.partitions.user_seeks.take_begun()
        kept_out = self._scheduler.feed(fitting, epochs, sought, self._log_ends())
        if self._assign_answers.is_pending:
            self._assign_answers.tell_forgotten()
        for partition, offset in kept_out.items():
            self._refetch(partition, offset)

    def _log_ends(self) -> dict[TopicPartition, int]:
        """The known ends of logs at their last fetch, while answers of plugins depend on them."""
        if not self._assign_answers.is_pending:
            return {}
        found = self._client.partitions.fetched_ends().items()
        return {partition: end.offset for partition, end in found if end.offset is not None}

    def _refetch(self, partition: TopicPartition, offset: int) -> None:
        """Let *partition* be fetched again from *offset* on."""
        self._client.fetch_again(partition, offset)
        self._scheduler.defer(partition, 0.0)  # it may have been held for a later record that is not due

    def _tasks(self, records: Sequence[Any], fetched_at: float) -> list[Task]:
        """Make a task of each record. This runs once per record on the thread that fetches: it is kept flat."""
        ordering, identity_of, kind, new = self._ordering, self._identities.of, NoneType, Task.__new__
        tasks: list[Task] = []
        for record in records:
            key, error = None, None
            if ordering is not None:
                try:
                    key = ordering(record)
                    if key.__class__ is not kind:  # nearly always that of the record before
                        kind = require_key(key)
                    if type(key) not in PLAIN:
                        key = identity_of(key)
                except FATAL:
                    raise
                except BaseException as raised:  # the record failed: on_error decides
                    if not is_of_the_key(raised):
                        raise
                    key, error = None, raised
            key_size, value_size = record.serialized_key_size, record.serialized_value_size
            size = (key_size if key_size > 0 else 0) + (value_size if value_size > 0 else 0)
            if record.headers:
                size += record.serialized_header_size
            task = new(Task)  # as Task(...) makes it, without a call for each: twice as fast
            task.record = record
            task.offset = record.offset
            task.key = key
            task.size = size
            task.queued_at = fetched_at
            task.seq = 0
            task.attempt = 1
            task.first_failed_at_ms = task.failing_since = task.failed_by = task.lane = None
            task.error = error
            tasks.append(task)
        return tasks

    def _fitting(
        self, tasks: Mapping[TopicPartition, list[Task]], bytes_left: int
    ) -> Mapping[TopicPartition, list[Task]]:
        """Take the tasks that have room: records may be larger than all before, which set the size of the poll."""
        if sum(task.size for found in tasks.values() for task in found) <= bytes_left:
            return tasks
        fitting = {}
        for partition, found in tasks.items():
            fitting[partition] = found
            for index, task in enumerate(found):
                if bytes_left <= 0:
                    self._refetch(partition, task.offset)
                    fitting[partition] = found[:index]
                    break
                bytes_left -= task.size
        return fitting

    def _due(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> dict[TopicPartition, Sequence[Any]]:
        """Take the records that are due; hold the partitions with one that is not, and fetch it again when it is."""
        due = {}
        for partition, records in fetched.items():
            taken = records if partition.topic not in self._delayed else self._due_of(partition, records)
            if taken:
                due[partition] = taken
        return due

    def _due_of(self, partition: TopicPartition, records: Sequence[Any]) -> Sequence[Any]:
        now, wall = self._clock.monotonic(), self._clock.wall()
        for index, record in enumerate(records):
            offset, until = self._waits.get(partition, (None, 0.0))
            if offset != record.offset:  # else it has begun to wait, maybe under an earlier assignment
                until = now + self._delay_of(record, wall)
            if until > now:
                self._waits[partition] = (record.offset, until)
                self._scheduler.defer(partition, until)
                self._client.fetch_again(partition, record.offset)
                return records[:index]
        return records

    def _delay_of(self, record: Any, wall: float) -> float:
        try:
            return _finite(self._delay_ms(record, wall * 1000)) / 1000
        except FATAL:
            raise
        except BaseException:
            log.exception("the delay of %s[%d]@%d cannot be computed: the record is processed at once",
                          record.topic, record.partition, record.offset,
                          extra=RecordInfo.of(record, self._client.group_id).fields())  # fmt: skip
            return 0.0


def _finite(delay_ms: Any) -> float:
    if not isfinite(delay_ms):
        raise ValueError(f"it is {delay_ms!r} ms")
    return float(delay_ms)


def require_key(key: Hashable) -> type:
    """Return the class of an ordering key.

    :raises ConfigurationError: the key is work that has yet to be done: each would be equal to itself alone; or it
        cannot be hashed.
    """
    found = work_in(key) or function_in(key)
    if found is not None:
        raise ConfigurationError(
            f"the ordering returned {found.name}, and such keys keep no order: return a plain value"
        )
    if type(key).__hash__ is None:
        raise ConfigurationError(f"the ordering function returned {kind_of(key)}: return something hashable")
    return type(key)


def is_of_the_key(error: BaseException) -> bool:
    """Tell whether the ordering, or its key, is the cause of *error*, not a signal handler in `require_key`.

    That runs no code of the user; see docs/decisions/0074-signal-handlers-may-raise.md.
    """
    trace = error.__traceback__
    own = None if trace is None or trace.tb_next is None else trace.tb_next.tb_frame.f_code
    return own is not require_key.__code__ or isinstance(error, ConfigurationError)


def _leader_epochs(records: Sequence[Any]) -> list[tuple[int, int]]:
    """From which offset on which leader epoch holds; nearly always one for all *records*."""
    if records[0].leader_epoch == records[-1].leader_epoch:
        records = records[:1]
    return [(record.offset, record.leader_epoch) for record in records if record.leader_epoch is not None]

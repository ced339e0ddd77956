"""The conditions that hold at every moment of a run, checked with records and the broker, and nothing of our code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.fake.log import Isolation
from kafka_parallel.testing.simulation.calls import EPSILON, Call, Lane, LaneOrder, Place, place_of
from kafka_parallel.testing.simulation.starts import Starts
from kafka_parallel.testing.simulation.telling import Tellings
from kafka_parallel.testing.simulation.tenure import Tenures

# The seconds by which the start of a batch may be late.
PUNCTUALLY = 0.25
# Within how many seconds a request to stop must be noticed.
PROMPTLY = 1.0
# Not the number of any assignment.
UNKNOWN = -1


class Violation(AssertionError):  # noqa: N818 - what it is
    """A promise was broken."""


class Checker:
    """Watches fetches, handlers and commits.

    :param lane_of: the ordering key of a record; ``None`` = it needs no order.
    :param most_buffered: how many records one instance may hold.
    :param most_bytes: how many bytes of keys, values and headers, and one record more.
    :param most_uncommitted: how many records of a partition may have begun above the committed offset.
    :ivar endless: how many handlers never return.
    :ivar has_news: whether something was committed since `is_complete` was asked.
    :param source: the topic to which that applies; retry topics are read from their beginning.
    :param reset: where a group without a committed offset begins: "earliest", or "latest": see ``starts.py``.
    :param isolation: which records consumers get.
    :ivar starts: where that is.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        lane_of: Callable[[Any], Hashable | None],
        most_buffered: float,
        reset: str,
        source: str = "t",
        most_bytes: float = float("inf"),
        most_uncommitted: float = float("inf"),
        isolation: Isolation = "read_uncommitted",
        starts: Starts | None = None,
    ) -> None:
        self._cluster = cluster
        self._lane_of = lane_of
        self._most_buffered = most_buffered
        self._most_bytes = most_bytes
        self._most_uncommitted = most_uncommitted
        self._sizes: dict[Place, int] = {}
        self._reset = reset
        self._isolation: Isolation = isolation
        self.starts = starts or Starts(is_prompt=False)
        self._source = source
        self._orders: dict[tuple[str, Lane], LaneOrder] = {}
        self._calls: dict[tuple[str, Place], list[Call]] = defaultdict(list)
        self._answered: dict[tuple[str, Lane], list[int]] = defaultdict(list)
        self._tellings: dict[tuple[str, Place], Tellings] = defaultdict(Tellings)
        self._untold_answers: dict[tuple[str, Place], int] = defaultdict(int)
        self._periods: dict[tuple[str, TopicPartition], int] = {}
        self._held: dict[str, set[Place]] = defaultdict(set)
        self._committed: dict[TopicPartition, int] = {}
        self._fetched: dict[tuple[str, TopicPartition], int] = {}
        self._fetched_at: dict[tuple[str, Place], float] = {}
        self._copies: dict[tuple[int, int], int] = defaultdict(int)
        self._finished_by: dict[str, set[Place]] = defaultdict(set)
        self._excused: dict[Place, int] = defaultdict(int)
        self._failures: dict[Place, dict[str, int]] = defaultdict(dict)
        self._begun: dict[Hashable, list[float]] = defaultdict(list)
        self.done: dict[Place, int] = {}
        self.tenures = Tenures()
        self.endless = 0
        self.violation: Violation | None = None
        self.has_news = True
        cluster.on_commit = self._commit
        cluster.on_reset = self._was_reset

    def violate(self, what: str) -> NoReturn:
        """Note the first violation, for the run of the world: code under test may catch an error raised here."""
        self.violation = self.violation or Violation(what)
        raise self.violation

    # Acts of instances

    def assigned(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *instance* got *partitions*: it may see records again."""
        self.tenures.assigned(instance, partitions)
        self.starts.falls(instance)
        for partition in partitions:
            self._periods[instance, partition] = self._periods.get((instance, partition), 0) + 1
        self._held[instance] = {place for place in self._held[instance] if place[0] not in partitions}
        for who, lane in [key for key in self._answered if key[0] == instance and key[1][0] in partitions]:
            del self._answered[who, lane]  # the answered records may come again

    def fetched(
        self,
        instance: str,
        batch: Mapping[TopicPartition, Iterable[Any]],
        owned: Collection[TopicPartition],
        now: float = 0.0,
    ) -> None:
        """Note that *instance*, which owns *owned*, got records *now*."""
        for partition, records in batch.items():
            self._fetched.setdefault((instance, partition), next(iter(records)).offset)
            self._fetched_at.update({(instance, (partition, record.offset)): now for record in records})
            self._sizes.update({(partition, record.offset): _size(record) for record in records})
        held = {place for place in self._held[instance] if place[0] in owned}
        held |= {(partition, record.offset) for partition, records in batch.items() for record in records}
        self._held[instance] = held

    def fetches(self, instance: str) -> None:
        """Note that *instance* asks for more: the records before are taken now, or given back."""
        if (count := len(self._held[instance])) > self._most_buffered:
            self.violate(f"{instance} holds {count} records, more than {self._most_buffered}")
        sizes = [self._sizes[place] for place in self._held[instance]]
        if sum(sizes) > self._most_bytes + max(sizes, default=0):
            self.violate(f"{instance} holds {sum(sizes)} bytes, by more than a record more than {self._most_bytes}")

    def sought(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* gave back the records of *partition* from *offset* on."""
        self._held[instance] = {place for place in self._held[instance] if place[0] != partition or place[1] < offset}

    def refused(self, instance: str) -> None:
        """Note that *instance* may not commit: it gives all up that it holds, whatever it is on its way to."""
        self._held.pop(instance, None)

    # Acts of handlers

    def called(self, instance: str, records: Sequence[Any], now: float = 0.0) -> Call:
        """Note that a handler of *instance* is about to get *records*, *now*; return the call."""
        call = Call(instance, records, self._lane_of, now)
        call.periods = self._periods_of(call)
        self.tenures.began(call)
        for lane in call.lanes:
            call.answered(lane, self._answered.pop((instance, lane), ()))
        return call

    def started(self, call: Call, record: Any, *, is_owner: bool, is_prompt: bool, is_exact: bool = False) -> None:
        """Note that *call* began with *record* among others, in this order.

        :param is_owner: the group considers the partition this instance's.
        :param is_prompt: nothing can have slept between the decision to run it and its handler. If something did, its
            assignment may be history by now, and a later one may have gone back.
        :param is_exact: nothing but a failed record, and the records behind it, is ever handled twice.
        """
        place, instance = place_of(record), call.instance
        partition = place[0]
        self.starts.decide(partition, self._fetched[instance, partition])
        self._calls[instance, place].append(call)
        if is_prompt and is_owner and record.offset < self._committed.get(partition, 0):
            self.violate(f"{partition} @{record.offset} began although {self._committed[partition]} was committed")
        if (count := self._uncommitted(partition, record.offset)) > self._most_uncommitted:
            self.violate(f"{partition} @{record.offset} began: a kill would repeat {count} records")
        lane = self._lane_of(record)
        if lane is None:
            return
        period, key = self._periods.get((instance, partition), 0), (instance, (partition, lane))
        order = self._orders.get(key)
        if order is not None and order.call not in {None, call} and not order.call.has_ended:
            self.violate(f"{partition} @{record.offset} began while another call of its lane still ran")
        if order is None or order.period != period or not is_prompt:
            is_known = is_prompt or period <= 1  # else it may have been taken under an earlier assignment
            order = self._orders[key] = LaneOrder(period if is_known else UNKNOWN)
        if wrong := order.begin(call, (partition, lane), record.offset, is_exact=is_exact):
            self.violate(f"{partition} @{record.offset} {wrong}")

    def paced(
        self,
        instance: str,
        record: Any,
        now: float,
        *,
        records_per_second: float | None,
        per_key_per_second: float | None,
        burst: int,
    ) -> None:
        """Note that a handler began *now*: within no time may more have begun than the rates allow."""
        partition, lane = TopicPartition(record.topic, record.partition), self._lane_of(record)
        rates: dict[Hashable, float | None] = {(instance,): records_per_second}
        if lane is not None:
            rates[instance, partition, lane] = per_key_per_second
        for place, rate in rates.items():
            begun = self._begun[place]
            begun.append(now)
            for count, since in enumerate(reversed(begun), 1):
                if rate is not None and count > burst + rate * (now - since) + 1e-6:
                    self.violate(f"{count} records of {place} began in {now - since:.3f} s, at a rate of {rate}")

    def runs(self, instance: str, handlers: int, most: int) -> None:
        """Note how many handlers of *instance* run at once."""
        if handlers > most:
            self.violate(f"{instance} runs {handlers} handlers at once, more than {most}")

    def retries(self, instance: str, running: int, most: int) -> None:
        """Note how many retries of *instance* run at once."""
        if running > most:
            self.violate(f"{instance} runs {running} retries at once, more than {most}")

    def batched(self, records: Sequence[Any], batch: Mapping[str, Any]) -> None:
        """Note that a handler got *records* together, which *batch* must allow."""
        lanes = {(record.partition, self._lane_of(record)) for record in records}
        together = {"key": len(lanes), "partition": len({partition for partition, _ in lanes}), "mixed": 1}[batch["of"]]
        if together > 1 or not 0 < len(records) <= batch["max_records"]:
            self.violate(f"{len(records)} records of {lanes} are a batch, in spite of {batch}")
        size = sum(map(_size, records))
        if len(records) > 1 and size > batch["max_bytes"]:
            self.violate(f"{len(records)} records of {size} bytes are a batch, in spite of {batch}")

    def waited(self, instance: str, record: Any, now: float, since: float, longest: float, stops_at: float) -> None:
        """Note that a record is in a batch *now*; since *since* it waits for nothing but company, until *stops_at*."""
        due = min(self._fetched_at[instance, place_of(record)] + longest, stops_at + PROMPTLY)
        late = now - max(since, due)
        if late > PUNCTUALLY:
            self.violate(f"{place_of(record)} waited {late:.3f} s longer for company than it may")

    def attempted(self, instance: str, record: Any, attempt: int) -> None:
        """Note that *instance* makes its *attempt* at a record: it must be one more than have failed there.

        Only until the partition comes back: an attempt may end after the record was taken again, and that end changes
        nothing.
        """
        partition = TopicPartition(record.topic, record.partition)
        failures = self._failures[partition, record.offset].get(instance, 0)
        if attempt != failures + 1 and self._periods.get((instance, partition), 0) <= 1:
            self.violate(f"{partition} @{record.offset} began as attempt {attempt}, but {failures} have failed")

    def failed(self, instance: str, record: Any) -> None:
        """Note that an attempt of *instance* at a record has failed."""
        failures = self._failures[TopicPartition(record.topic, record.partition), record.offset]
        failures[instance] = failures.get(instance, 0) + 1

    def answered(self, instance: str, record: Any) -> None:
        """Note that a wrapper answered for *record*: the records before it decide whether it comes again."""
        self._untold_answers[instance, place_of(record)] += 1
        failures = dict(self._failures[place_of(record)])
        self.finish(instance, *place_of(record))
        self._failures[place_of(record)] = failures
        self._answered[instance, (place_of(record)[0], self._lane_of(record))].append(record.offset)

    def ended(self, call: Call, failed: Iterable[Place], now: float = 0.0) -> None:
        """Note that *call* ended *now*, and for which of its records in vain."""
        self.tenures.ended(call)
        call.end(failed, now)
        self._take_done(call)

    def begun(self, instance: str, record: Any) -> int:
        """Tell how often *instance* has begun to handle *record*."""
        return len(self._calls[instance, place_of(record)])

    def left(self, instance: str, record: Any, begun: int) -> None:
        """Note that a wrapper saw the handler of *record* return: one has ended, or is late, after the *begun* ones."""
        calls = self._calls[instance, place_of(record)][begun:]
        if not any(call.has_ended or call.is_late for call in calls):
            self.violate(f"{place_of(record)} was left by its wrappers while its handler ran")

    def told(
        self,
        instance: str,
        record: Any,
        seconds: float,
        error: BaseException | None,
        *,
        is_exact: bool,
        is_made_up: bool,
    ) -> None:
        """Note that a plugin was told of an attempt, which took *seconds* and raised *error*.

        :param is_exact: nothing but the handler takes time or raises, so both must be the handler's.
        :param is_made_up: it may come from a plugin instead of a handler.
        """
        if is_made_up:
            return
        place = place_of(record)
        calls = self._calls.get((instance, place), [])
        fitting = [call for call in calls if call.fits(place, seconds, error, is_exact=is_exact)]
        fitting = [call for call in fitting if not call.has_ended or call.is_late or place[0] not in call.gone]
        if self._tellings[instance, place].tell(fitting):
            return
        self._untold_answers[instance, place] -= 1
        if self._untold_answers[instance, place] < 0:
            self.violate(f"{instance} told of an attempt at {place} of {seconds:.3f} s ({error!r}) that was never made")

    def has_told(self, instance: str, *, failed_too: bool) -> None:
        """Note that run() has returned: plugins of *instance* were told of all that had ended."""
        for (who, place), calls in self._calls.items():
            wanted = [call for call in calls if who == instance and call.has_to_be_told(place, failed_too=failed_too)]
            if self._tellings[who, place].missing(wanted):
                self.violate(f"{instance} did not tell of its attempt at {place}")

    def overdue(self, instance: str, record: Any, now: float, timeout: float) -> None:
        """Note that *record* fails *now* because its handler takes longer than *timeout*."""
        place = place_of(record)
        calls = self._calls.get((instance, place), [])
        late = [call for call in calls if call.lasted(now) > timeout - EPSILON and place not in call.overdue]
        for call in sorted(late, key=lambda call: call.is_overdue(now))[-1:]:
            call.overdue.add(place)
            if call.is_late:
                continue
            call.is_late = True
            for done, failures in [*call.finished.items()]:
                if failures is not None:  # it has just ended, after another verdict
                    self.done[done] -= 1
                    self._failures[done][instance] = self._failures[done].get(instance, 0) + failures
                    del call.finished[done]
            self.done = {done: count for done, count in self.done.items() if count}

    def decided(self, instance: str, record: Any, *, is_skip: bool) -> None:
        """Note the verdict about a record that failed in *instance*, here or before it came to a handler."""
        place = place_of(record)
        if is_skip:
            self.finish(instance, *place)
        for call in self._calls.get((instance, place), [])[-1:]:
            call.decide(place, is_skip=is_skip)
            self._take_done(call)

    def _take_done(self, call: Call) -> None:
        for place in call.done():
            if place not in call.finished:
                call.finished[place] = self._failures[place].get(call.instance, 0)
                self._finish(call.instance, place)

    def finish(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* finished a record without a handler."""
        place = partition, offset
        for call in self._calls.get((instance, place), [])[-1:]:
            call.finished.setdefault(place, None)
        for (who, lane), order in self._orders.items():
            if who == instance and lane[0] == partition:
                order.finish(place)
        self._finish(instance, place)

    def _finish(self, instance: str, place: Place) -> None:
        """Count it; *instance* forgets its earlier attempts."""
        for held in self._held.values():
            held.discard(place)
        self.done[place] = self.done.get(place, 0) + 1
        self._finished_by[instance].add(place)
        self._failures[place].pop(instance, None)

    def seen(self, record: Any) -> None:
        """Note that a handler got *record* of a retry topic: it must look as it did where it was first read."""
        headers = dict(record.headers)
        place = headers.get("kafka_original-partition"), headers.get("kafka_original-offset")
        wanted = (-1, -1) if None in place else tuple(int.from_bytes(number or b"", "big") for number in place)
        if (record.topic, record.partition, record.offset) != (self._source, *wanted):
            self.violate(f"a handler saw {place_of(record)}, but that record was first read at {wanted}")

    def due(self, record: Any, now: float) -> None:
        """Note that a handler of a record of a retry topic begins *now*, in seconds since the Unix epoch."""
        due_ms = int.from_bytes(dict(record.headers)["retry_topic-backoff-timestamp"], "big")
        if now * 1000 < due_ms - 1:
            self.violate(f"{record.topic} @{record.offset} began {due_ms - now * 1000:.0f} ms before it was due")

    def wrote(self, place: tuple[int, int], value: bytes | None, *, is_whole: bool) -> None:
        """Note that the broker acknowledged a copy of the record that was first read at *place*, with its *value*.

        :param is_whole: the copy does not say that it is one without the value.
        """
        self._copies[place] += 1
        log = self._cluster.logs[TopicPartition(self._source, place[0])]
        for record in log.read(place[1], 1):
            if is_whole and record.offset == place[1] and record.value != value:
                self.violate(f"the copy of {place} has the value {value!r}, but the record {record.value!r}")

    def handed_on(self, place: tuple[int, int]) -> None:
        """Note that the record first read at *place* was skipped because a copy of it was written."""
        self._copies[place] -= 1
        if self._copies[place] < 0:
            self.violate(f"{place} counts as finished, but no copy of it was acknowledged")

    def neglected(self, instance: str, records: Collection[Any]) -> None:
        """Note that handlers of *instance* were not told that their *records* are no longer wanted."""
        places = [*map(place_of, records)]
        self.violate(f"{instance} did not cancel the handlers of {places}, which are no longer wanted")

    def kept(self, call: Call) -> dict[Lane, int]:
        """The lanes that *call* holds although it is not waited for, each with the first offset that cannot be handled.

        It missed its deadline; or an assignment of it has ended, and the next one may have begun at any offset.
        """
        if self._periods_of(call) != call.periods:
            return dict.fromkeys(call.lanes, 0)
        return call.lanes if call.is_late else {}

    def _periods_of(self, call: Call) -> dict[TopicPartition, int]:
        """The number of the current assignment of each of its partitions."""
        return {partition: self._periods.get((call.instance, partition), 0) for partition in call.partitions}

    def acted_late(self, call: Call) -> None:
        """Note that a *call* was heard that had missed its deadline."""
        self.violate(f"the failure of {[*map(place_of, call.records)]} counted although it came after the deadline")

    def decides(self, instance: str, record: Any, call: Call | None) -> None:
        """Note that *instance* asks for a verdict: not if the record's partition had left before.

        :param call: in which it failed, if that is known.
        """
        partition = place_of(record)[0]
        if self.tenures.is_over(instance, partition) or (call is not None and partition in call.gone):
            self.violate(f"{instance} asked about {place_of(record)}, whose attempt ended after its partition left")

    def counted(self, instance: str, record: Any) -> None:
        """Note that *instance* says of an attempt that has just ended that it counts."""
        if self.tenures.is_over(instance, place_of(record)[0]):
            self.violate(f"{instance} counts an attempt at {place_of(record)}, whose partition had left")

    def cannot_commit(self, instance: str) -> None:
        """Note that *instance* will never commit its finished but uncommitted records: each of them may be repeated."""
        for place in self._finished_by.pop(instance, ()):
            self._excused[place] += place[1] >= self._committed.get(place[0], 0)

    def killed(self, instance: str) -> None:
        """Note that *instance* is gone, and all that ran in it."""
        self.starts.falls(instance)
        self._orders = {key: order for key, order in self._orders.items() if key[0] != instance}
        self._held.pop(instance, None)

    def _commit(self, _: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        for partition, committed in offsets.items():
            before = self._committed.get(partition, 0)
            self.starts.decide(partition, committed.offset)
            log = self._cluster.logs[partition]
            if committed.offset < before:
                self.violate(f"{partition}: the commit went back from {before} to {committed.offset}")
            if committed.offset > log.end:
                self.violate(f"{partition}: {committed.offset} was committed, beyond the end {log.end}")
            for record in self._read(partition, max(before, self._begin(partition))):
                if record.offset >= committed.offset:
                    break
                if (partition, record.offset) not in self.done:
                    self.violate(f"{partition}: {committed.offset} was committed, but @{record.offset} is not done")
            self._committed[partition] = committed.offset
        self.has_news = True

    def _was_reset(self, partition: TopicPartition, offset: int) -> None:
        self.starts.reset(partition, offset)
        self.has_news = True

    def _uncommitted(self, partition: TopicPartition, offset: int) -> int:
        """The number of records up to *offset* that would come again if no commit followed."""
        start = max(self._committed.get(partition, 0), self._begin(partition))
        return sum(record.offset <= offset for record in self._read(partition, start))

    def confirmed(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* takes *offset* for stored."""
        if self._committed.get(partition, 0) < offset:
            self.violate(f"{instance} takes {offset} of {partition} for committed, which no broker has stored")

    def _begin(self, partition: TopicPartition) -> int:
        """The first offset that has to be handled; the end of the log while that is not decided.

        With "latest" it is decided by the first commit or the first handler. An instance that dies between a fetch and
        either has done nothing yet, and the next start begins at a later end.
        """
        log = self._cluster.logs[partition]
        may_skip = self._reset == "latest" and partition.topic == self._source
        if not may_skip:
            return max(log.start, self.starts.skipped(partition))
        start = self.starts.get(partition)
        return log.end if start is None else start

    def _read(self, partition: TopicPartition, offset: int, limit: int | None = None) -> list[Any]:
        """The records of *partition* from *offset* on that a consumer gets."""
        log = self._cluster.logs[partition]
        return log.read(offset, len(log.records) if limit is None else limit, self._isolation)

    @property
    def watched(self) -> Collection[TopicPartition]:
        """All partitions of the cluster."""
        return self._cluster.logs.keys()

    # The rest

    def is_complete(self, partitions: Iterable[TopicPartition]) -> bool:
        """Tell whether every record of *partitions* is done, and all committed that can be read."""
        self.has_news = False
        ends = {partition: self._cluster.logs[partition].readable_end(self._isolation) for partition in partitions}
        return all(
            self._committed.get(partition, 0) >= end for partition, end in ends.items() if end > self._begin(partition)
        )

    def is_blocked(self, partitions: Iterable[TopicPartition], blocked: Mapping[Lane, int]) -> bool:
        """Tell whether everything of *partitions* is committed up to the first record that cannot be handled.

        :param blocked: lanes in which nothing can be handled from some offset on.
        """
        return all(self._is_blocked(partition, blocked) for partition in partitions)

    def _is_blocked(self, partition: TopicPartition, blocked: Mapping[Lane, int]) -> bool:
        log = self._cluster.logs[partition]
        start = max(self._committed.get(partition, 0), self._begin(partition))
        first = next(iter(self._read(partition, start, 1)), None)
        if first is None:
            return True
        is_gone = any(offset < log.start for lane, offset in blocked.items() if lane[0] == partition)
        return is_gone or bool(first.offset >= blocked.get((partition, self._lane_of(first)), log.end))

    def state(self) -> str:
        """The uncommitted offsets, for people."""
        ends = {partition: log.end for partition, log in self._cluster.logs.items()}
        return ", ".join(f"{p.topic}[{p.partition}] {self._committed.get(p, 0)} of {end}" for p, end in ends.items())

    @property
    def repeats(self) -> int:
        """The number of times that records were finished beyond their first."""
        return sum(count - 1 for count in self.done.values())

    @property
    def needless_repeats(self) -> list[Place]:
        """The records that were finished more often than those who could not commit them explain."""
        return [place for place, count in self.done.items() if count - 1 > self._excused.get(place, 0)]


def _size(record: Any) -> int:
    """The bytes of its key, value and headers."""
    sizes = (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
    return sum(max(0, size) for size in sizes)

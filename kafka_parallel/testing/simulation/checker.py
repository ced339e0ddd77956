"""The conditions that hold at every moment of a run, checked with records and the broker, and nothing of our code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any, NoReturn

from kafka import TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.fake.log import Isolation
from kafka_parallel.testing.simulation.calls import EPSILON, Call, Lane, LaneOrder, Place, place_of
from kafka_parallel.testing.simulation.committed import CommittedOffsets
from kafka_parallel.testing.simulation.copies import Copies
from kafka_parallel.testing.simulation.handler_bounds import HandlerBounds
from kafka_parallel.testing.simulation.holdings import Holdings
from kafka_parallel.testing.simulation.jumps import Jumps
from kafka_parallel.testing.simulation.starts import Starts
from kafka_parallel.testing.simulation.telling import Tellings
from kafka_parallel.testing.simulation.tenure import Tenures

# Not the number of any assignment.
UNKNOWN = -1


class Violation(AssertionError):  # noqa: N818 - what it is
    """A promise was broken."""


class Checker:
    """Watches fetches, handlers and commits.

    :param lane_of: the ordering key of a record; ``None`` = it needs no order.
    :param most_buffered: how many records one instance may hold.
    :param reset: where a group without a committed offset begins: "earliest", or "latest": see ``starts.py``.
    :param source: the topic to which that applies; retry topics are read from their beginning.
    :param most_bytes: how many bytes of keys, values and headers one instance may hold, and one record more.
    :param most_uncommitted: how many records of a partition may have begun above the committed offset.
    :param isolation: which records consumers get.
    :param starts: where the group begins.
    :ivar holdings, bounds, copies, committed, wanted, tenures: each judges a part of it.
    :ivar endless: how many handlers never return.
    :ivar done: the records that are done, each with how often.
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
        self._most_uncommitted = most_uncommitted
        self._orders: dict[tuple[str, Lane], LaneOrder] = {}
        self._calls: dict[tuple[str, Place], list[Call]] = defaultdict(list)
        self._answered: dict[tuple[str, Lane], list[int]] = defaultdict(list)
        self._tellings: dict[tuple[str, Place], Tellings] = defaultdict(Tellings)
        self._untold_answers: dict[tuple[str, Place], int] = defaultdict(int)
        self._periods: dict[tuple[str, TopicPartition], int] = {}
        self._finished_by: dict[str, set[Place]] = defaultdict(set)
        self._excused: dict[Place, int] = defaultdict(int)
        self._failures: dict[Place, dict[str, int]] = defaultdict(dict)
        self.done: dict[Place, int] = {}
        self.starts = starts or Starts(is_prompt=False)
        self.tenures = Tenures()
        self.jumps = Jumps()
        self.holdings = Holdings(most_buffered, most_bytes, self.violate)
        self.bounds = HandlerBounds(lane_of, self.holdings, self.violate)
        self.copies = Copies(cluster, source, self.violate)
        self.committed = CommittedOffsets(
            cluster, source, self.starts, isolation, self.done, self.violate, self.jumps, is_latest=reset == "latest"
        )
        self.wanted = self.committed.wanted
        self.holdings.finishes_on_arrival = self.committed.told.is_known
        self.endless = 0
        self.violation: Violation | None = None
        self.interrupted: set[str] = set()

    def violate(self, what: str) -> NoReturn:
        """Note the first violation, for the run of the world: code under test may catch an error raised here."""
        self.violation = self.violation or Violation(what)
        raise self.violation

    # Acts of instances

    def assigned(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *instance* got *partitions*: it may see records again."""
        self.tenures.assigned(instance, partitions)
        self.committed.told.assigned(instance, partitions)
        self.wanted.ends(instance, partitions)
        self.starts.falls(instance)
        for partition in partitions:
            self._periods[instance, partition] = self._periods.get((instance, partition), 0) + 1
        self.holdings.assigned(instance, partitions)
        for who, lane in [key for key in self._answered if key[0] == instance and key[1][0] in partitions]:
            del self._answered[who, lane]  # the answered records may come again

    def gave_up(self, instance: str, partitions: Collection[TopicPartition], drain: float) -> None:
        """Note that *instance* gives up *partitions*: records that run there longer than a *drain* lasts come again."""
        self.tenures.gave_up(instance, partitions)
        now = self._cluster.clock.monotonic()
        for (who, place), calls in self._calls.items():
            if who == instance and place[0] in partitions and calls:
                self._excused[place] += not calls[-1].has_ended and calls[-1].lasted(now) >= drain

    def seeks(self, instance: str, partition: TopicPartition, position: int, target: int) -> None:
        """Note that the application of *instance* is about to jump in *partition* from *position* to *target*."""
        self.jumps.note(instance, partition, position, target)
        self._excuse(instance, partition, min(position, target))
        self.committed.told.jumped(instance, partition)
        self.wanted.jumps(instance, partition, target, self._cluster.clock.monotonic())
        self.committed.has_news = True
        if target >= position:
            return
        for who, lane in [key for key in self._answered if key[0] == instance and key[1][0] == partition]:
            del self._answered[who, lane]

    def moved(self, partition: TopicPartition, offset: int) -> None:
        """Note that another program stores *offset* as the commit of *partition*: records from there on come again."""
        log = self._cluster.logs[partition]
        for record in log.read(offset, len(log.records)):
            self._excused[partition, record.offset] += 1
        self.committed.moved(partition, offset)

    def _excuse(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Let records from *offset* on come again, and those that a map tells, which a jump has dropped: they may have
        been fetched, and not taken in."""
        log, is_known = self._cluster.logs[partition], self.committed.told.is_known
        for record in log.read(0, len(log.records)):
            self._excused[partition, record.offset] += record.offset >= offset or is_known(
                instance, (partition, record.offset)
            )

    def bounds_of(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset of *partition* that there is, and the end of its log."""
        log = self._cluster.logs[partition]
        return log.start, log.end

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
        self.wanted.begins(instance, place)
        self.starts.decide(partition, self.holdings.first_offset(instance, partition))
        self._calls[instance, place].append(call)
        committed = self.committed.offset(partition)
        comes_again = self.jumps.comes_again(instance, partition, record.offset)
        if is_prompt and is_owner and record.offset < committed and not comes_again:
            self.violate(f"{partition} @{record.offset} began although {committed} was committed")
        is_late = comes_again and not is_prompt  # it may have been handed out before the jump
        count = self.committed.uncommitted(partition, record.offset)
        if count > self._most_uncommitted and not is_late:
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
        jumps = self.jumps.back(instance, partition)
        if wrong := order.begin(call, (partition, lane), record.offset, is_exact=is_exact, jumps=jumps):
            self.violate(f"{partition} @{record.offset} {wrong}")

    def attempted(self, instance: str, record: Any, attempt: int) -> None:
        """Note that *instance* makes its *attempt* at a record: it must be one more than have failed there.

        Only until the partition comes back: an attempt may end after the record was taken again, and that end changes
        nothing.
        """
        partition = TopicPartition(record.topic, record.partition)
        failures = self._failures[partition, record.offset].get(instance, 0)
        is_first = self._periods.get((instance, partition), 0) <= 1 and not self.jumps.count(instance, partition)
        if attempt != failures + 1 and is_first:
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
        if not call.is_on_its_way:
            self.tenures.ended(call)
        call.end(failed, now)
        self._take_done(call)

    def reported(self, call: Call) -> None:
        """Note that the instance gets to know how *call* ended, which another process ran for it."""
        call.is_on_its_way = False
        self.tenures.ended(call)

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
            if self.jumps.comes_again(who, *place):
                continue  # an attempt that it has given up is not told
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
            for done in [done for done, count in self.done.items() if not count]:
                del self.done[done]

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
        self.holdings.finished(place)
        self.wanted.begins(instance, place)
        self.done[place] = self.done.get(place, 0) + 1
        self._finished_by[instance].add(place)
        self._failures[place].pop(instance, None)

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
        """The number of the current assignment of each of its partitions, and of the jumps in it."""
        instance = call.instance
        return {
            partition: self._periods.get((instance, partition), 0) + self.jumps.count(instance, partition)
            for partition in call.partitions
        }

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
        """Note that *instance* will never commit its finished records: those that no commit tells may be repeated."""
        for place in self._finished_by.pop(instance, ()):
            is_above = place[1] >= self.committed.offset(place[0])
            is_remembered = self.committed.told.is_told(place) and not self.jumps.total  # a jump drops the map
            self._excused[place] += is_above and not is_remembered

    def killed(self, instance: str) -> None:
        """Note that *instance* is gone, and all that ran in it."""
        self.starts.falls(instance)
        self._orders = {key: order for key, order in self._orders.items() if key[0] != instance}
        self.holdings.dropped(instance)

    @property
    def watched(self) -> Collection[TopicPartition]:
        """All partitions of the cluster."""
        return self._cluster.logs.keys()

    @property
    def repeats(self) -> int:
        """The number of times that records were finished beyond their first."""
        return sum(count - 1 for count in self.done.values())

    @property
    def needless_repeats(self) -> list[Place]:
        """The records that were finished more often than those who could not commit them explain."""
        return [place for place, count in self.done.items() if count - 1 > self._excused.get(place, 0)]

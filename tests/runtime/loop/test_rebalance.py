"""Partitions come and leave within one limit of time, with a rebalance callback or without."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import NodeNotReadyError

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.client.membership import GroupGeneration
from kafka_parallel._runtime.loop.committer import CommitResult
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel._runtime.loop.rebalance import COMMIT_TIMEOUT, SLICE, Rebalance
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.errors import CommitFailed
from kafka_parallel.testing.fake.clock import ManualClock
from tests.runtime.app import PARTITION

ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)


class Watching(Rebalance):
    """Writes down which callbacks it would have wished for.

    :param has: the partitions that the client shows.
    :param ours: those that the run holds.
    """

    def __init__(self, has, ours, *, is_joining=False):
        self.heard = []
        self.client = SimpleNamespace(assignment=lambda: frozenset(has), is_joining=is_joining)
        queue = SimpleNamespace(ask=lambda _: frozenset(ours))
        names = ("hooks", "delayed", "drain_timeout", "session_timeout", "leave_by", "is_abandoned")
        super().__init__(self.client, queue, None, None, None, None, set(), **dict.fromkeys(names))

    def assigned(self, partitions):
        self.heard.append(("assigned", set(partitions)))

    def revoked(self, partitions):
        self.heard.append(("revoked", set(partitions)))


def test_what_the_client_has_and_has_not_any_more_is_noticed():
    rebalance = Watching(has=[ONE], ours=[ZERO])

    rebalance.watch_assignment()

    assert rebalance.heard == [("revoked", {ZERO}), ("assigned", {ONE})]
    assert rebalance.may_differ


def test_nothing_is_noticed_where_both_are_the_same():
    rebalance = Watching(has=[ONE], ours=[ONE])
    rebalance.may_differ = True

    rebalance.watch_assignment()

    assert rebalance.heard == []
    assert not rebalance.may_differ


def test_what_the_client_shows_while_it_joins_may_be_another_members_by_now():
    rebalance = Watching(has=[ONE], ours=[], is_joining=True)
    rebalance.may_differ = True

    rebalance.watch_assignment()
    while_it_joined = list(rebalance.heard)
    rebalance.client.is_joining = False
    rebalance.watch_assignment()

    assert while_it_joined == []
    assert rebalance.heard == [("assigned", {ONE})]


def test_all_partitions_of_a_rebalance_share_one_limit_for_asking_where_they_go_on():
    """The kind: a wait with a limit, as many times as there are partitions, inside of one callback."""

    class Meanwhile:
        """A clock, a queue that only lets time pass, and a client without a coordinator."""

        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def wait_until(self, _, timeout: float) -> bool:
            self.now += timeout
            return False

        def positions(self, partitions):
            return dict.fromkeys(partitions, 7)

        def committed(self, _, timeout: float) -> int:
            self.now += timeout
            raise NodeNotReadyError("no coordinator")

        membership = None

        @property
        def joint_commits(self):
            return self

        def of(self, _, timeout: float) -> None:
            self.now += timeout

        def seek(self, partition, offset: int) -> None:
            pass

    it, partitions = Meanwhile(), [PARTITION._replace(partition=number) for number in range(60)]
    rebalance = Rebalance(
        it, it, None, None, it, None, set(), hooks=None, delayed=(),
        drain_timeout=1.0, session_timeout=1.0, leave_by=lambda: float("inf"), is_abandoned=lambda: False,
    )  # fmt: skip
    rebalance._resume_at = dict.fromkeys(partitions, 3)

    assert rebalance._go_on(frozenset(partitions)) == dict.fromkeys(partitions, 3)
    assert it.now <= COMMIT_TIMEOUT + 0.1


# Act by act, with the real scheduler


class Hooks:
    """Notes what plugins hear of, and answers for them."""

    def __init__(self, acts):
        self._acts = acts
        self.answer, self.error = {}, None

    readers_of_committed = frozenset()

    def on_assign(self, partitions, _committed):
        if self.error is not None:
            raise self.error
        self._acts.append(("on_assign", set(partitions)))
        return [("plugin", self.answer)]

    def on_revoke(self, partitions, *, lost):
        self._acts.append(("on_revoke", set(partitions), lost))


class Committer:
    """Answers commits with *answers*, one after the other, then that they are done; an error is raised."""

    def __init__(self, acts):
        self._acts, self.answers, self.lost = acts, [], frozenset()

    def commit(self, reason, timeout, partitions):
        self._acts.append(("commit", reason, set(partitions)))
        answer = self.answers.pop(0) if self.answers else CommitResult.DONE
        if isinstance(answer, Exception):
            raise answer
        return answer


class Client:
    """A client with positions and committed offsets; an error instead of an offset is raised."""

    is_joining = False
    has_group_assignment = True
    group_id = "g"
    membership = None

    def __init__(self, acts):
        self._acts, self.kept, self.stored = acts, {}, {}
        self.joint_commits = SimpleNamespace(of=self._commits, drop_late_answers=lambda: self.asked.clear())
        self.asked = []

    def positions(self, partitions):
        return {partition: self.kept[partition] for partition in partitions if partition in self.kept}

    def _commits(self, partitions, _):
        self.asked.append(set(partitions))
        found = {partition: offset for partition in partitions if (offset := self.stored.get(partition)) is not None}
        if any(isinstance(offset, Exception) for offset in found.values()):
            return None
        return {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in found.items()}

    def committed(self, partition, timeout):
        self.asked.append(partition)
        offset = self.stored.get(partition)
        if isinstance(offset, Exception):
            raise offset
        return offset

    def seek(self, partition, offset):
        self._acts.append(("seek", partition, offset))

    def seek_to_beginning(self, partition):
        self._acts.append(("seek to the beginning", partition))

    def resume(self, partitions):
        self._acts.append(("resume", *partitions))


class World:
    """A rebalance with a scheduler on a clock that moves only while it waits.

    :ivar acts: what was done and told, in order.
    """

    def __init__(self, *, delayed=(), is_transactional=False):
        self.acts, self.clock = [], ManualClock()
        self.shutdown = Shutdown(1.0, self.clock.monotonic)
        self.scheduler = LockedScheduler(
            BufferLimits(100, 10**9, 100), commits=CommitRules(), attempt=lambda _: None, clock=self.clock
        )
        self.client, self.committer, self.hooks = Client(self.acts), Committer(self.acts), Hooks(self.acts)
        stuck = SimpleNamespace(check=lambda: self.meanwhile(), longest_gap=lambda _: 0.0)
        positions = SimpleNamespace(report_in_callback=lambda _: None)
        self.rebalance = Rebalance(
            self.client, self.scheduler, self.committer, stuck, self.clock, positions, set(), hooks=self.hooks,
            delayed=delayed, drain_timeout=3.0, session_timeout=10.0, leave_by=lambda: self.shutdown.leave_by,
            is_abandoned=lambda: self.shutdown.is_abandoned, is_transactional=is_transactional,
        )  # fmt: skip

    def meanwhile(self):
        """Happens again and again while running records are waited for."""

    @property
    def ours(self):
        return self.scheduler.ask(lambda scheduler: scheduler.assigned)

    def assign(self, *partitions):
        self.rebalance.assigned(frozenset(partitions))

    def feed(self, partition, *offsets):
        self.scheduler.learn_positions({partition: offsets[0]})
        record = SimpleNamespace()
        self.scheduler.feed({partition: [Task(record, offset, None, 1, 0.0) for offset in offsets]}, {})

    def take(self):
        chunk = self.scheduler.next_chunk_nowait(1)
        return chunk, next(iter(chunk))

    def acts_of(self, act, *partitions):
        self.acts.clear()
        act(frozenset(partitions))
        return self.acts


def test_partitions_begin_once():
    world = World()
    world.assign(ZERO)

    assert world.acts_of(world.rebalance.assigned, ZERO, ONE) == [("on_assign", {ONE})]
    assert world.ours == {ZERO, ONE}


def test_partitions_leave_when_their_finished_records_are_committed():
    world = World()
    world.assign(ZERO, ONE)

    assert world.acts_of(world.rebalance.revoked, ZERO) == [
        ("commit", "revoke", {ZERO}), ("resume",), ("on_revoke", {ZERO}, False)
    ]  # fmt: skip
    assert world.ours == {ONE}, "the other one is not disturbed"


def test_partitions_that_are_not_ours_leave_without_a_word():
    world = World()

    assert world.acts_of(world.rebalance.revoked, ZERO) == []
    assert world.acts_of(world.rebalance.lost, ZERO) == []


def test_running_records_get_the_time_that_was_set_and_no_more(caplog):
    world = World()
    world.assign(ZERO)
    world.feed(ZERO, 0, 1)
    world.take()

    world.rebalance.revoked(frozenset([ZERO]))

    assert world.clock.now == pytest.approx(3.0)
    assert "1 records of t[0] were still running when the partition was revoked" in caplog.text


def running_while(meanwhile):
    """Let a partition leave whose record never finishes, while *meanwhile* happens; return the time that it took."""
    world = World()
    world.assign(ZERO)
    world.feed(ZERO, 0)
    world.take()
    world.meanwhile = lambda: meanwhile(world)
    world.rebalance.revoked(frozenset([ZERO]))
    return world.clock.now


def test_a_stop_that_is_requested_meanwhile_bounds_the_wait_from_its_request():
    def stop_after_a_second(world):
        if world.clock.now >= 1.0:
            world.shutdown.request()

    assert running_while(stop_after_a_second) == pytest.approx(2.0, abs=2 * SLICE)


def test_a_stop_that_grants_more_than_a_revoke_changes_nothing():
    assert running_while(lambda world: world.shutdown.request(100.0)) == pytest.approx(3.0)


def test_a_stop_that_has_used_up_its_time_waits_for_nothing_in_a_rebalance():
    world = World()
    world.assign(ZERO)
    world.feed(ZERO, 0)
    world.take()
    world.shutdown.request(0.0)

    assert world.acts_of(world.rebalance.revoked, ZERO)[0] == ("commit", "revoke", {ZERO})
    assert world.clock.now == 0.0


def test_nothing_is_waited_for_once_the_work_is_abandoned():
    world = World()
    world.assign(ZERO)
    world.feed(ZERO, 0)
    world.take()
    world.shutdown.is_abandoned = True

    world.rebalance.revoked(frozenset([ZERO]))

    assert world.clock.now == 0.0


def test_lost_partitions_are_not_committed():
    world = World()
    world.assign(ZERO)

    assert world.acts_of(world.rebalance.lost, ZERO) == [("resume",), ("on_revoke", {ZERO}, True)]
    assert world.ours == frozenset()
    assert not world.rebalance.may_differ, "the client knows it too"


def test_a_revoke_whose_commit_is_refused_is_a_loss():
    world = World()
    world.assign(ZERO, ONE)
    world.committer.answers, world.committer.lost = [CommitResult.LOST], frozenset([ONE])

    assert world.acts_of(world.rebalance.revoked, ZERO)[-1] == ("on_revoke", {ZERO, ONE}, True)
    assert world.rebalance.may_differ, "the client may show them for some time"


def test_a_commit_that_may_succeed_is_tried_again_before_a_partition_leaves():
    world = World()
    world.assign(ZERO)
    world.committer.answers = [CommitResult.RETRY, CommitResult.RETRY]

    acts = world.acts_of(world.rebalance.revoked, ZERO)

    assert acts.count(("commit", "revoke", {ZERO})) == 3
    assert acts[-1] == ("on_revoke", {ZERO}, False)


def test_a_commit_that_never_succeeds_holds_a_rebalance_up_for_seconds_only():
    world = World()
    world.assign(ZERO)
    world.committer.answers = [CommitResult.RETRY] * 1000

    world.rebalance.revoked(frozenset([ZERO]))

    assert world.clock.now == pytest.approx(COMMIT_TIMEOUT)
    assert world.ours == frozenset()


def test_all_that_was_held_is_lost_if_the_client_joined_anew():
    world = World()
    world.assign(ZERO, ONE)

    world.rebalance.joined_anew()

    assert world.ours == frozenset()
    assert world.rebalance.may_differ


# Errors: kafka-python would only log them


def test_an_error_while_partitions_come_is_raised_by_the_loop_once(caplog):
    world, error = World(), ValueError("on purpose")
    world.hooks.error = error

    world.assign(ZERO)

    with pytest.raises(ValueError, match="on purpose"):
        world.rebalance.raise_failure()
    world.rebalance.raise_failure()
    assert "taking t[0] failed" in caplog.text


def test_an_error_while_partitions_leave_ends_their_assignments_all_the_same():
    world = World()
    world.assign(ZERO)
    world.committer.answers = [ValueError("on purpose")]

    assert world.acts_of(world.rebalance.revoked, ZERO)[-1] == ("on_revoke", {ZERO}, True)
    assert world.ours == frozenset()
    with pytest.raises(ValueError, match="on purpose"):
        world.rebalance.raise_failure()


def test_of_two_errors_the_first_is_raised_and_both_are_logged(caplog):
    world = World()
    for number in range(2):
        world.hooks.error = ValueError(f"error {number}")
        world.assign(ZERO)

    with pytest.raises(ValueError, match="error 0"):
        world.rebalance.raise_failure()
    assert caplog.text.count("taking t[0] failed") == 2


# Where a partition that comes back goes on


def dropped_at(world, *, position, stored):
    """Let a partition leave with records 3 and 4 dropped, and come back."""
    world.assign(ZERO)
    world.feed(ZERO, 3, 4)
    world.rebalance.lost(frozenset([ZERO]))
    world.client.kept, world.client.stored = {ZERO: position}, {ZERO: stored}
    world.acts.clear()
    world.assign(ZERO)
    return [act for act in world.acts if act[0] == "seek"]


def test_a_position_that_was_kept_is_taken_back_to_the_first_dropped_record():
    assert dropped_at(World(), position=5, stored=None) == [("seek", ZERO, 3)]


def test_records_that_others_have_committed_meanwhile_are_not_fetched_again():
    assert dropped_at(World(), position=5, stored=4) == [("seek", ZERO, 4)]


def test_all_partitions_that_come_back_are_asked_for_by_one_question():
    world, both = World(), frozenset([ZERO, ONE])
    world.assign(ZERO, ONE)
    world.feed(ZERO, 3)
    world.feed(ONE, 3)
    world.rebalance.lost(both)
    world.client.kept, world.client.stored = dict.fromkeys(both, 5), {ONE: 4}
    world.acts.clear()

    world.assign(ZERO, ONE)

    assert world.client.asked == [both]
    assert {act for act in world.acts if act[0] == "seek"} == {("seek", ZERO, 3), ("seek", ONE, 4)}


@pytest.mark.parametrize(("is_transactional", "asked"), [(False, []), (True, [{ZERO}])])
def test_nothing_is_asked_of_a_partition_that_comes_straight_back(is_transactional, asked):
    """With transactions the last commit may be stored although its answer was an error."""
    world = World(is_transactional=is_transactional)
    world.client.membership = SimpleNamespace(eager_generation=GroupGeneration("m", 5))
    world.client.assignment = lambda: frozenset([ZERO])
    world.assign(ZERO)
    world.feed(ZERO, 3)
    world.shutdown.request(0.0)
    world.rebalance.revoked(frozenset([ZERO]))
    world.client.kept, world.client.stored = {ZERO: 5}, {ZERO: 3}
    world.client.membership.eager_generation = GroupGeneration("m", 6)
    world.acts.clear()

    world.assign(ZERO)

    assert world.client.asked == asked
    assert [act for act in world.acts if act[0] == "seek"] == [("seek", ZERO, 3)]


def test_a_client_that_forgot_its_position_reads_the_committed_offset_by_itself():
    world = World()
    world.assign(ZERO)
    world.feed(ZERO, 3)
    world.rebalance.lost(frozenset([ZERO]))
    world.acts.clear()

    world.assign(ZERO)

    assert world.acts == [("on_assign", {ZERO})]


def test_an_unknown_committed_offset_is_told(caplog):
    assert dropped_at(World(), position=5, stored=ValueError("no authorisation")) == [("seek", ZERO, 3)]
    assert "the committed offset of t[0] is not known" in caplog.text


def come_back_half_finished(world, stored=None):
    """Let a partition leave whose record 3 is finished and not committed, and come back."""
    world.assign(ZERO)
    world.feed(ZERO, 3, 4)
    chunk = world.scheduler.next_chunk_nowait(1)
    for task in chunk:
        chunk.settle(task, None)
    world.scheduler.finish(chunk)
    world.rebalance.lost(frozenset([ZERO]))
    world.client.kept, world.client.stored = {ZERO: 5}, {ZERO: stored}
    world.acts.clear()
    world.assign(ZERO)
    return [act for act in world.acts if act[0] == "seek"]


@pytest.mark.parametrize(("is_transactional", "offset"), [(False, 4), (True, 3)])
def test_with_transactions_what_is_not_committed_is_handled_again(is_transactional, offset):
    """The results of a finished record are gone with the assignment."""
    world = World(is_transactional=is_transactional)

    assert come_back_half_finished(world) == [("seek", ZERO, offset)]


def test_with_transactions_an_unknown_committed_offset_ends_the_run():
    world = World(is_transactional=True)

    assert come_back_half_finished(world, stored=ValueError("no authorisation")) == []
    with pytest.raises(CommitFailed, match=r"the committed offset of t\[0\] is not known"):
        world.rebalance.raise_failure()


# Delayed topics


@pytest.mark.parametrize(("stored", "act"), [(None, ("seek to the beginning", ZERO)), (7, ("seek", ZERO, 7))])
def test_a_delayed_topic_goes_on_where_it_is_committed_or_at_its_beginning(stored, act):
    world = World(delayed={"t"})
    world.client.stored = {ZERO: stored}
    world.assign(ZERO)
    assert world.rebalance.unsettled == {ZERO}
    world.acts.clear()

    world.rebalance.locate_delayed_topics()

    assert world.acts == [act]
    assert world.rebalance.unsettled == set()


def test_all_delayed_topics_are_asked_for_by_one_question():
    world = World(delayed={"t"})
    world.client.stored = {ZERO: 7}
    world.assign(ZERO, ONE)
    world.acts.clear()

    world.rebalance.locate_delayed_topics()
    world.rebalance.locate_delayed_topics()

    assert world.client.asked == [{ZERO, ONE}]
    assert world.acts == [("seek", ZERO, 7), ("seek to the beginning", ONE)]


def test_a_delayed_topic_is_located_although_another_cannot_be():
    world = World(delayed={"t"})
    world.client.stored = {ZERO: 7, ONE: NodeNotReadyError("no coordinator")}
    world.assign(ZERO, ONE)

    world.rebalance.locate_delayed_topics()

    assert world.rebalance.unsettled == {ONE}


def test_a_delayed_topic_is_not_read_until_its_committed_offset_is_known():
    world = World(delayed={"t"})
    world.client.stored = {ZERO: NodeNotReadyError("no coordinator")}
    world.assign(ZERO)

    world.rebalance.locate_delayed_topics()

    assert world.rebalance.unsettled == {ZERO}


def test_a_committed_offset_that_can_never_be_had_ends_the_run():
    world = World(delayed={"t"})
    world.client.stored = {ZERO: ValueError("no authorisation")}
    world.assign(ZERO)

    with pytest.raises(ValueError, match="no authorisation"):
        world.rebalance.locate_delayed_topics()


# Records that plugins know to be done


def test_records_that_a_plugin_knows_to_be_done_are_not_handled():
    world = World()
    world.hooks.answer = {ZERO: [0]}
    world.assign(ZERO)

    world.feed(ZERO, 0, 1)

    assert world.take()[1].offset == 1


def test_an_answer_that_means_nothing_is_told_and_ignored(caplog):
    world = World()
    world.hooks.answer = {ONE: [0]}

    world.assign(ZERO)

    assert "on_assign of plugin 'plugin' answered" in caplog.text
    assert world.ours == {ZERO}

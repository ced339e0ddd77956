"""The rounds of the loop's thread, act by act, on a clock that moves only while it waits."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.errors import NodeNotReadyError

from kafka_parallel import ConfigurationError, MemberFenced
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.loop.committer import CommitResult
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel._runtime.loop.poll_loop import KEEP_ALIVE, LONGEST_POLL, Loop
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.testing.fake.clock import ManualClock

OURS, FOREIGN = TopicPartition("t", 0), TopicPartition("t", 1)


class Client:
    """Answers polls with *fetched*, one after the other, then with nothing.

    :param acts: notes the calls, those of the other parts too.
    """

    group_id = "g"
    config = {"max_poll_records": 7, "max_poll_interval_ms": 300_000}  # noqa: RUF012 - nothing changes it
    failure = None
    has_group_assignment = True

    def __init__(self, acts, fetched):
        self._acts, self._fetched = acts, list(fetched)

    def poll(self, timeout, most, *, in_slices=False):
        self._acts.append(("poll", timeout, most))
        fetched = self._fetched.pop(0) if self._fetched else {}
        if isinstance(fetched, BaseException):
            raise fetched
        return fetched

    def fetch_again(self, partition, offset):
        self._acts.append(("fetch again", partition, offset))

    def pause(self, partitions):
        self._acts.append(("pause", set(partitions)))

    def resume(self, partitions):
        self._acts.append(("resume", set(partitions)))

    def assignment(self):
        return frozenset([OURS])


class Committer:
    """Notes what is committed, and answers with *answers*, one after the other, then that it is done."""

    is_on_its_way = False
    lost = frozenset([OURS])
    plugin_failures = 0

    def __init__(self, acts, answers=()):
        self._acts, self._answers = acts, list(answers)

    def _answer(self):
        return self._answers.pop(0) if self._answers else CommitResult.DONE

    def take_answer(self):
        return None

    def wait(self, longest):
        return None

    def look_within(self, now):
        return float("inf")

    def send(self, timeout):
        self._acts.append(("commit",))
        return self._answer()

    def send_snapshot(self, starts, timeout):
        self._acts.append(("commit of the start", starts.offsets[OURS][0]))
        return self._answer()

    def commit(self, reason, timeout):
        self._acts.append(("commit", reason))
        return self._answer()


class Noting:
    """Notes the calls of methods by these *names*, and has no answer; all others are not noted."""

    def __init__(self, acts, *names, **attributes):
        self._acts, self._names = acts, names
        vars(self).update(attributes)

    def __getattr__(self, name):
        return lambda *arguments: self._acts.append((name, *arguments)) if name in self._names else None


class World:
    """A loop whose one partition begins at offset 0.

    :ivar acts: what it did, in order.
    """

    def __init__(self, *fetched, answers=(), limits=(100, 10**9, 100), starts=False, idle_timeout=float("inf")):
        self.acts, self.clock = [], ManualClock()
        self.shutdown = Shutdown(10.0, self.clock.monotonic)
        self.scheduler = LockedScheduler(
            BufferLimits(*limits),
            commits=CommitRules(interval=1000.0, stores_starts=starts),
            attempt=lambda _: None,
            clock=self.clock,
        )
        self.scheduler.assign([OURS], {}, {})
        if not starts:
            self.scheduler.learn_positions({OURS: 0})
        self.client = Client(self.acts, fetched)
        self.committer = Committer(self.acts, answers)
        self.rebalance = Noting(self.acts, "lost", "lost_unsaid", unsettled=set(), may_differ=False)
        self.intake = SimpleNamespace(accept=self.accept)
        self.loop = Loop(
            self.client,
            self.scheduler,
            self.intake,
            Noting(self.acts, "go_back", of_unbegun=dict, learn=self.scheduler.learn_positions),
            Noting(self.acts),
            self.committer,
            self.rebalance,
            Noting(self.acts, at_work=list),
            self.shutdown,
            self.clock,
            hooks=Noting(self.acts, "on_backpressure"),
            idle_timeout=idle_timeout,
        )

    def accept(self, taken, bytes_left, now):
        """Take *taken* in, as the intake does."""
        for partition, records in taken.items():
            self.acts.append(("take", [record.offset for record in records]))
            tasks = [Task(record, record.offset, None, 1, now) for record in records]
            self.scheduler.feed({partition: tasks}, {})

    def step(self):
        """Do a round; return its acts."""
        self.acts.clear()
        self.loop.step()
        return self.acts

    def handle_all(self):
        while (chunk := self.scheduler.next_chunk_nowait(100)) is not None:
            for task in chunk:
                self.scheduler.run(chunk, task)
            self.scheduler.finish(chunk)


def records(*offsets):
    return [SimpleNamespace(offset=offset) for offset in offsets]


# Fetching


def test_the_records_of_a_poll_are_taken_in():
    assert World({OURS: records(0, 1)}).step() == [("poll", LONGEST_POLL, 7), ("take", [0, 1])]


def test_no_more_is_fetched_than_has_room():
    assert World(limits=(5, 10**9, 100)).step() == [("poll", LONGEST_POLL, 5)]


def test_a_poll_without_room_only_keeps_the_member_alive():
    world = World({OURS: records(0, 1)}, {OURS: records(2)}, limits=(2, 10**9, 100))
    world.step()

    assert world.step()[-2:] == [("poll", 0, 1), ("fetch again", OURS, 2)], "the record is fetched again"

    assert world.clock.now == KEEP_ALIVE


def test_a_full_partition_is_paused_and_resumed_and_plugins_hear_of_it():
    world = World({OURS: records(*range(7))}, limits=(100, 10**9, 7))
    world.step()

    paused = world.step()
    assert paused[0] == ("pause", {OURS})
    assert [set(act[1].paused) for act in paused if act[0] == "on_backpressure"] == [{OURS}]
    world.handle_all()
    world.scheduler.confirm_commit(world.scheduler.snapshot())

    assert ("resume", {OURS}) in world.step()


def test_soon_after_a_pause_the_loop_waits_in_the_poll_again_where_records_of_others_find_it():
    world = World({OURS: records(*range(7))}, limits=(100, 10**9, 7))
    world.scheduler.assign([FOREIGN], {}, {})
    world.step()

    while (act := world.step()[-1]) == ("poll", 0, 4):
        assert world.clock.now <= 0.002, "a record of the other partition is as late as this"

    assert (act[0], act[1] > 0) == ("poll", True)


def test_records_of_a_partition_that_is_not_ours_are_given_back_a_little_later():
    world = World({OURS: records(1), FOREIGN: records(5, 6)})

    assert world.step()[1:] == [("fetch again", FOREIGN, 5), ("take", [1])]

    assert world.clock.now == LONGEST_POLL, "time passes before they come again"


def test_records_wait_until_it_is_known_where_their_topic_goes_on():
    world = World({OURS: records(0)})
    world.rebalance.unsettled.add(OURS)

    assert world.step() == [("poll", LONGEST_POLL, 7)]


# Errors of poll()


def test_a_poll_that_may_succeed_later_is_tried_again(caplog):
    world = World(NodeNotReadyError("no broker"), {OURS: records(0)})

    assert world.step() == [("poll", LONGEST_POLL, 7), ("go_back",)]

    assert "poll() failed and is tried again" in caplog.text
    assert world.clock.now == LONGEST_POLL
    assert world.step()[-1] == ("take", [0])


def test_an_error_for_good_ends_the_run_when_the_taken_records_are_finished():
    world = World({OURS: records(0)}, ValueError("no authorisation"))
    world.step()
    world.handle_all()

    with pytest.raises(ValueError, match="no authorisation"):
        world.step()

    assert [act[0] for act in world.acts] == ["poll"], "it is never called again"


def test_records_that_do_not_finish_do_not_hold_such_an_end_up_for_ever():
    world = World({OURS: records(0)}, ValueError("no authorisation"))
    world.step()

    with pytest.raises(ValueError, match="no authorisation"):
        world.step()

    assert world.clock.now == pytest.approx(150.0), "half of max_poll_interval_ms"


def test_an_error_of_user_code_in_poll_is_raised_instead_of_the_next_poll():
    world = World()
    world.client.failure = ConfigurationError("a deserialiser raised")

    with pytest.raises(ConfigurationError, match="a deserialiser raised"):
        world.step()

    assert world.acts == []


def test_a_fenced_member_loses_all_and_never_polls_again():
    world = World(MemberFenced("g", "static-1"))

    with pytest.raises(MemberFenced):
        world.step()

    assert world.acts[-1] == ("lost", frozenset([OURS]))
    world.acts.clear()
    world.loop.drain_and_commit()
    assert "poll" not in {act[0] for act in world.acts}


# Commits


def test_a_commit_that_was_asked_for_is_sent_once():
    world = World()
    world.loop.ask_for_commit()

    assert world.step()[0] == ("commit",)
    assert ("commit",) not in world.step()


def test_partitions_that_a_commit_shows_to_be_lost_are_given_up():
    world = World(answers=[CommitResult.LOST])
    world.loop.ask_for_commit()

    assert world.step()[:2] == [("commit",), ("lost_unsaid", frozenset([OURS]))]


def test_the_start_is_committed_before_anything_is_handled():
    world = World({OURS: records(5)}, starts=True)

    assert world.step()[1:] == [("commit of the start", 5), ("take", [5])]


@pytest.mark.parametrize("answer", [CommitResult.RETRY, None])
def test_records_whose_start_is_not_stored_come_again(answer):
    world = World({OURS: records(5)}, answers=[answer], starts=True)

    assert world.step()[1:] == [("commit of the start", 5), ("fetch again", OURS, 5)]


# The reasons to leave


def test_a_request_to_stop_is_a_reason():
    world = World()
    assert not world.loop.is_over

    world.shutdown.request(requested_by="SIGTERM")

    assert world.loop.over_by == "SIGTERM"


def test_a_failure_is_a_reason():
    world = World()
    world.scheduler.fail(ValueError())

    assert world.loop.over_by == "a broken executor"


def test_silence_is_a_reason_once_it_has_lasted_long_enough():
    world = World({}, {OURS: records(0)}, idle_timeout=3.0)
    world.clock.advance(2.9)
    assert not world.loop.is_over
    world.step()
    world.step()  # a record: the time begins anew
    world.handle_all()
    world.step()

    world.clock.advance(2.9)
    world.step()
    assert not world.loop.is_over
    world.clock.advance(0.2)
    world.step()
    assert world.loop.over_by == "consumer_timeout_ms=3000 without a record"


def test_time_in_which_nothing_was_polled_is_no_silence():
    """The machine was busy or asleep, and records may be there."""
    world = World({OURS: records(0)}, idle_timeout=3.0)
    world.clock.advance(5.0)
    assert not world.loop.is_over

    world.step()  # a record: the time begins anew
    world.handle_all()
    world.clock.advance(5.0)

    assert not world.loop.is_over


def test_the_time_without_a_record_begins_when_the_workers_are_ready():
    world = World(idle_timeout=3.0)
    world.clock.advance(5.0)

    world.loop.start_idle_timer()

    assert not world.loop.is_over


# The way out


def test_on_the_way_out_nothing_is_fetched_and_the_finished_records_are_committed():
    world = World({OURS: records(0)})
    world.step()
    world.handle_all()
    world.acts.clear()

    assert world.loop.drain_and_commit() == (0, 0)

    assert world.acts == [("pause", {OURS}), ("commit", "stop")]
    assert world.scheduler.ask(lambda scheduler: scheduler.assigned) == frozenset()


def test_running_records_get_their_time_and_the_member_stays_alive():
    world = World({OURS: records(0, 1)})
    world.step()
    chunk = world.scheduler.next_chunk_nowait(1)
    assert next(iter(chunk)).offset == 0
    began = world.clock.now

    assert world.loop.drain_and_commit() == (1, 0), "the second is not begun any more"

    assert world.clock.now - began == pytest.approx(10.0, abs=0.1)
    assert ("poll", 0.0, 1) in world.acts


def test_the_time_of_running_records_counts_from_the_request():
    world = World({OURS: records(0)})
    world.step()
    world.scheduler.next_chunk_nowait(1)
    world.shutdown.request()
    world.clock.advance(9.0)  # a rebalance, say
    began = world.clock.now

    world.loop.drain_and_commit()

    assert world.clock.now - began == pytest.approx(1.0, abs=0.1)


def test_the_last_commit_is_tried_again_for_some_seconds(caplog):
    world = World(answers=[CommitResult.RETRY] * 3)

    world.loop.drain_and_commit()

    assert world.acts.count(("commit", "stop")) == 4
    assert "the last commit failed" not in caplog.text


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_last_commit_that_never_succeeds_is_an_error_where_records_were_finished(caplog, is_finished):
    world = World({OURS: records(0)}, answers=[CommitResult.RETRY] * 1000)
    world.step()
    if is_finished:
        world.handle_all()
    else:
        world.scheduler.next_chunk_nowait(1)
        world.shutdown.request(0.0)
    world.client.poll = lambda timeout, most: world.clock.advance(timeout) or {}

    with caplog.at_level(logging.ERROR):
        world.loop.drain_and_commit()

    assert ("the last commit failed" in caplog.text) is is_finished
    assert world.clock.now == pytest.approx(10.0, abs=0.2)


def test_attempts_at_the_last_commit_share_its_time():
    """Kind: a bound that each of several attempts gets anew; a stop took twice as long as it says."""
    world = World({OURS: records(0)})
    world.step()
    world.handle_all()
    world.client.poll = lambda timeout, most: world.clock.advance(timeout) or {}
    world.committer.commit = lambda reason, timeout: world.clock.advance(min(9.0, timeout)) or CommitResult.RETRY

    world.loop.drain_and_commit()

    assert world.clock.now <= 11.1


def test_a_last_commit_that_only_renews_is_not_waited_for():
    """Kind: an idle consumer whose broker is gone spent ten seconds of its stop on offsets that are committed."""
    world = World(answers=[CommitResult.RETRY] * 1000)
    world.scheduler.confirm_commit(world.scheduler.snapshot())
    world.client.poll = lambda timeout, most: world.clock.advance(timeout) or {}

    world.loop.drain_and_commit()

    assert world.clock.now == pytest.approx(1.0, abs=0.2)


def test_partitions_lost_at_the_end_do_not_keep_others_from_being_committed():
    world = World(answers=[CommitResult.LOST])

    world.loop.drain_and_commit()

    assert [act for act in world.acts if act[0] != "pause"] == [
        ("commit", "stop"), ("lost", frozenset([OURS])), ("commit", "stop")
    ]  # fmt: skip

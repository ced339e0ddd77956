"""A commit does not stop the loop: one is on its way at a time, and only its own answer counts for it."""

from __future__ import annotations

import pytest
from kafka.errors import CommitFailedError, KafkaConnectionError, KafkaTimeoutError

from kafka_parallel import CommitFailed, hookimpl
from kafka_parallel._plugins.hooks import Hooks
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel._runtime.loop.committer import CommitResult, Committer
from tests.runtime.app import PARTITION, App

LIMIT = 10.0
OTHER = PARTITION._replace(partition=1)


class Held:
    """An assignment, as far as a commit knows one."""

    def __init__(self):
        self.is_ours = True


class Snapshot:
    def __init__(self, offsets):
        self.offsets = {partition: (offset, -1) for partition, offset in offsets.items()}
        self.finished_above = {}


class Queue:
    """The part of the queue that a committer asks."""

    def __init__(self, clock):
        self.assignments = {PARTITION: Held(), OTHER: Held()}
        self.finished = {PARTITION: 5, OTHER: 7}
        self.confirmed = {}
        self.on_wait = lambda: None
        self._clock = clock

    def ask(self, question):
        return question(self)

    @property
    def live_assignments(self):
        return dict(self.assignments)

    def snapshot(self, partitions=None, renews=False):
        chosen = self.finished if partitions is None else dict.fromkeys(partitions)
        return Snapshot({p: self.finished[p] for p in chosen if self.confirmed.get(p) != self.finished[p]})

    def confirm_commit(self, snapshot):
        self.confirmed.update({partition: offset for partition, (offset, _) in snapshot.offsets.items()})

    def wait_until(self, _, timeout):
        self.on_wait()
        self._clock.now += timeout


class Client:
    """Keeps sent commits, and lets the test answer."""

    group_id = "g"
    has_group_assignment = True
    membership = None

    def __init__(self):
        self.sent = []
        self.answers = []
        self.error = None

    def commit_async(self, offsets, answered):
        self.sent.append({partition: chosen.offset for partition, chosen in offsets.items()})
        self.answers.append(answered)

    def commit(self, offsets, timeout):
        self.sent.append({partition: chosen.offset for partition, chosen in offsets.items()})
        if self.error is not None:
            raise self.error

    def take_answers_in(self):
        pass


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


class Wrapper:
    """Tells the view of a wrapper of on_commit."""

    def __init__(self):
        self.seen = []

    @hookimpl(wrapper=True)
    def on_commit(self, offsets, context):
        self.seen.append(f"{context.reason} {sorted(chosen.offset for chosen in offsets.values())}")
        try:
            yield
        except Exception as error:
            self.seen.append(type(error).__name__)
            raise
        self.seen.append("stored")


class Setting:
    def __init__(self, *plugins):
        self.client, self.clock = Client(), Clock()
        self.queue = Queue(self.clock)
        hooks = Hooks(Plugins(list(plugins), {NO_AUTOLOAD_VARIABLE: "1"}), None)
        self.committer = Committer(self.client, self.queue, self.clock, hooks)


@pytest.fixture
def wrapper():
    return Wrapper()


@pytest.fixture
def setting(wrapper):
    return Setting(wrapper)


def test_what_was_sent_is_committed_with_its_answer_and_not_before(setting, wrapper):
    assert setting.committer.send(LIMIT) is None
    assert setting.committer.take_answer() is None
    setting.queue.finished[PARTITION] = 6
    assert (setting.queue.confirmed, wrapper.seen) == ({}, ["interval [5, 7]"])

    setting.client.answers[0](None)

    assert setting.committer.take_answer() is CommitResult.DONE
    assert setting.queue.confirmed == {PARTITION: 5, OTHER: 7}
    assert wrapper.seen == ["interval [5, 7]", "stored"]
    assert not setting.committer.is_on_its_way


def test_the_answer_of_a_commit_that_took_too_long_counts_for_no_other(setting, wrapper):
    setting.committer.send(LIMIT)
    setting.clock.now = LIMIT
    assert setting.committer.take_answer() is CommitResult.RETRY
    setting.queue.finished[PARTITION] = 6
    setting.committer.send(LIMIT)

    setting.client.answers[0](None)

    assert setting.committer.take_answer() is None
    assert setting.queue.confirmed == {}
    assert wrapper.seen == ["interval [5, 7]", "KafkaTimeoutError", "interval [6, 7]"]
    setting.client.answers[1](KafkaConnectionError())
    assert setting.committer.take_answer() is CommitResult.RETRY
    assert setting.committer.failures == 2


def test_the_first_answer_counts(setting):
    setting.committer.send(LIMIT)

    setting.client.answers[0](None)
    setting.client.answers[0](CommitFailedError())

    assert setting.committer.take_answer() is CommitResult.DONE


def test_a_commit_before_a_revoke_waits_for_the_one_on_its_way(setting, wrapper):
    setting.committer.send(LIMIT)
    setting.queue.finished[PARTITION] = 6
    setting.queue.on_wait = lambda: setting.client.answers[0](None)

    assert setting.committer.commit("revoke", LIMIT, [PARTITION]) is CommitResult.DONE

    assert wrapper.seen == ["interval [5, 7]", "stored", "revoke [6]", "stored"]
    assert setting.queue.confirmed == {PARTITION: 6, OTHER: 7}


def test_a_commit_before_a_revoke_does_without_an_answer_that_does_not_come(setting, wrapper):
    setting.committer.send(LIMIT)

    assert setting.committer.commit("revoke", 5.0, [PARTITION]) is CommitResult.DONE
    setting.client.answers[0](None)

    assert setting.clock.now < 5.0
    assert wrapper.seen == ["interval [5, 7]", "KafkaTimeoutError", "revoke [5]", "stored"]
    assert setting.queue.confirmed == {PARTITION: 5}
    assert setting.committer.take_answer() is None


def test_a_late_refusal_is_only_about_what_was_held_when_it_was_sent(setting):
    setting.committer.send(LIMIT)
    setting.queue.assignments[OTHER].is_ours = False
    setting.queue.assignments[OTHER] = Held()  # joined again meanwhile

    setting.client.answers[0](CommitFailedError())

    assert setting.committer.take_answer() is CommitResult.LOST
    assert setting.committer.lost == {PARTITION}


@pytest.mark.parametrize("error", [KafkaTimeoutError(), None])
def test_a_client_that_raises_instead_of_sending_has_answered(setting, error):
    def refuse(offsets, answered):
        raise error or ValueError("on purpose")

    setting.client.commit_async = refuse

    assert setting.committer.send(LIMIT) is None
    if error is None:
        with pytest.raises(Exception, match=r"refused to commit|no answer of the group coordinator"):
            setting.committer.take_answer()
    else:
        assert setting.committer.take_answer() is CommitResult.RETRY
    assert not setting.committer.is_on_its_way


class Storing:
    @hookimpl
    def on_commit(self, offsets, context):
        return True


@pytest.mark.parametrize("waits", [True, False])
def test_a_plugin_may_keep_the_offsets_itself(waits):
    setting = Setting(Storing())

    answer = setting.committer.commit("stop", LIMIT) if waits else setting.committer.send(LIMIT)

    assert answer is CommitResult.DONE
    assert setting.client.sent == []
    assert setting.queue.confirmed == {PARTITION: 5, OTHER: 7}


class Answering:
    @hookimpl
    def on_commit(self, offsets, context):
        return "done"


class Changing:
    @hookimpl(wrapper=True)
    def on_commit(self, offsets, context):
        offsets[PARTITION] = offsets[PARTITION]._replace(offset=99)
        return (yield)


class Swallowing:
    @hookimpl(wrapper=True)
    def on_commit(self, offsets, context):
        try:
            return (yield)
        except Exception:
            return None


@pytest.mark.parametrize("plugin", [Answering(), Changing()])
@pytest.mark.parametrize("waits", [True, False])
def test_a_plugin_cannot_make_a_commit_of_its_own(plugin, waits, caplog):
    setting = Setting(Swallowing(), plugin)

    answer = setting.committer.commit("stop", LIMIT) if waits else setting.committer.send(LIMIT)
    answer = answer or setting.committer.take_answer()

    assert answer is CommitResult.RETRY
    assert setting.client.sent == []
    assert setting.queue.confirmed == {}
    assert "a plugin failed in on_commit; nothing was committed" in caplog.text


def test_a_wrapper_that_swallows_the_error_does_not_make_it_committed():
    setting = Setting(Swallowing())
    setting.committer.send(LIMIT)

    setting.client.answers[0](KafkaConnectionError())

    assert setting.committer.take_answer() is CommitResult.RETRY
    assert setting.queue.confirmed == {}


def test_an_answer_is_looked_for_soon_and_then_less_often(setting):
    assert setting.committer.look_within(0.0) == float("inf")
    setting.committer.send(LIMIT)

    waits = [setting.committer.look_within(now) for now in (0.0, 0.004, 0.1, 4.0)]

    assert waits == [0.001, 0.001, 0.025, 1.0]


def test_the_loss_of_the_partitions_is_told_although_its_commit_was_only_waited_for(setting):
    """The kind: an answer that is taken in and thrown away."""
    setting.committer.send(LIMIT)
    setting.queue.on_wait = lambda: setting.client.answers[0](CommitFailedError())

    assert setting.committer.commit("revoke", LIMIT, [PARTITION]) is CommitResult.LOST
    assert setting.committer.lost == {PARTITION, OTHER}
    assert len(setting.client.sent) == 1, "nothing is sent of partitions that others have"


class Failing:
    """Fails whenever a commit is tried."""

    def __init__(self):
        self.tries = []

    @hookimpl
    def on_commit(self, context):
        self.tries.append(context.reason)
        raise RuntimeError("no disk left")


def test_the_traceback_of_a_plugin_that_goes_on_failing_is_logged_once(caplog):
    setting = Setting(Failing())

    for _ in range(4):
        assert setting.committer.send(LIMIT) is CommitResult.RETRY

    assert caplog.text.count("Traceback") == 1
    assert "4 times now (RuntimeError('no disk left')); nothing was committed, the offsets stay due" in caplog.text


def test_a_plugin_that_fails_is_asked_less_and_less_often():
    """However urgent commits are: full spans and the stop both make one due at once."""
    plugin, app = Failing(), App(200)
    consumer = {"auto_commit_interval_ms": 60_000, "auto_offset_reset": "earliest", "consumer_timeout_ms": 1500}

    app.parallel(consumer, max_uncommitted=20, plugins=[plugin]).run(lambda _: None)

    assert 2 <= len(plugin.tries) <= 14, "100 ms, doubling: 4 times in 1.5 s, and 6 in the 5 s of the stop"


class Answering:
    """Commits by itself, or raises what it is given."""

    def __init__(self, *errors):
        self.errors = [*errors]
        self.memberships = []

    @hookimpl
    def on_commit(self, context):
        ask = context.group_metadata
        self.memberships.append(ask if ask is None else ask())
        if self.errors:
            raise self.errors.pop(0)
        return True


def test_a_plugin_that_commits_by_itself_may_be_refused_for_good():
    setting = Setting(Answering(CommitFailed("refused")))

    with pytest.raises(CommitFailed, match="refused"):
        setting.committer.send(LIMIT)
    assert setting.committer.send(LIMIT) is CommitResult.DONE


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (CommitFailedError("out of date"), CommitResult.LOST),
        (KafkaConnectionError("gone"), CommitResult.RETRY),
        (ValueError("its own"), CommitResult.RETRY),
    ],
)
def test_an_error_of_a_plugin_that_commits_by_itself_is_followed_as_an_answer(error, result):
    setting = Setting(Answering(error))

    assert setting.committer.send(LIMIT) is result
    assert setting.queue.confirmed == {}
    assert (setting.committer.lost == {PARTITION, OTHER}) is (result is CommitResult.LOST)


def test_a_plugin_may_ask_for_the_membership_that_a_commit_is_made_under():
    storing, asked = Answering(), []
    setting = Setting(storing)

    class Member:
        has_metadata = True

        def metadata(self, *, is_leaving):
            asked.append(is_leaving)
            return "m-1"

    setting.client.membership = Member()
    setting.committer.send(LIMIT)
    setting.queue.confirmed.clear()
    setting.committer.commit("revoke", LIMIT, [PARTITION])

    assert storing.memberships == ["m-1", "m-1"]
    assert asked == [False, True]


def test_without_a_membership_there_is_nothing_to_ask():
    storing = Answering()
    Setting(storing).committer.send(LIMIT)

    assert storing.memberships == [None]

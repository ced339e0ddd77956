"""A program and a plugin ask about a run while it goes on."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from kafka_parallel import Batch, ParallelConsumer, Settings, StateError, Statistics, hookimpl
from kafka_parallel._runtime.loop.run_facts import RunFacts
from kafka_parallel.facts import PartitionProgress
from kafka_parallel.testing import FakeConsumer
from tests.runtime.app import PARTITION, TOPIC, App
from tests.runtime.loop.test_run_state import PATIENCE, until


class Held:
    """An app whose handler stays in the record at offset *at* until it is let go."""

    def __init__(self, records=6, at=2, **options):
        self.app, self.begun, self.go_on, self._at = App(records), threading.Event(), threading.Event(), at
        self.options = {"ordering": "unordered", "consumer": {"consumer_timeout_ms": float("inf")}, **options}

    def handle(self, record):
        if record.offset == self._at:
            self.begun.set()
            assert self.go_on.wait(PATIENCE)  # held here

    async def handle_async(self, record):
        if record.offset == self._at:
            self.begun.set()
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)  # held there

    def __enter__(self):
        self.parallel = self.app.parallel(**self.options)
        self.parallel.start(*self.run)
        assert self.begun.wait(PATIENCE)
        return self.parallel

    @property
    def run(self):
        """The handler, and how records are put together for it."""
        return (self.handle,)

    def __exit__(self, *_):
        self.go_on.set()
        self.parallel.stop()
        assert self.parallel.join(PATIENCE * 1000)


class HeldCoroutine(Held):
    @property
    def run(self):
        return (self.handle_async,)


class HeldBatch(Held):
    @property
    def run(self):
        return lambda records: self.handle(records[0]), Batch(max_records=3)


def progress(parallel):
    return parallel.progress().get(PARTITION, PartitionProgress())


def test_before_a_run_there_is_nothing_to_ask():
    parallel = App().parallel()

    with pytest.raises(StateError, match="progress"):
        parallel.progress()
    with pytest.raises(StateError, match="running"):
        parallel.running()


def test_a_stuck_head_with_all_above_it_done_is_one_record_left():
    with Held() as parallel:
        until("the others", lambda: parallel.statistics().processed == 5)
        until("the commit", lambda: progress(parallel).committed == 2)
        seen = progress(parallel)

    assert (seen.position, seen.log_end, seen.unfinished, seen.span) == (6, 6, 1, 4)
    assert (seen.lag, seen.committed_lag) == (1, 4)
    assert seen.head_offset == 2
    assert seen.paused_by == ()


def test_the_age_of_the_head_is_that_of_its_record():
    held = Held()
    with held as parallel:
        until("the records before it", lambda: progress(parallel).head_offset == 2)
        seen = progress(parallel)

    assert seen.head_timestamp_ms == held.app.cluster.log(PARTITION).records[2].timestamp


def test_a_record_without_a_timestamp_has_no_age():
    """Kafka says -1 where a producer of before 0.10 has set none."""
    held = Held()
    log = held.app.cluster.log(PARTITION)
    log.records[2] = log.records[2]._replace(timestamp=-1)
    with held as parallel:
        until("the records before it", lambda: progress(parallel).head_offset == 2)
        seen = progress(parallel)

    assert (seen.head_offset, seen.head_timestamp_ms) == (2, None)


def test_at_rest_nothing_is_left_behind_the_marker_of_a_transaction():
    app = App(2)
    log = app.cluster.log(PARTITION)
    log.begin_transaction()
    app.cluster.append(TOPIC, b"2", partition=0)
    log.end_transaction(commits=True)
    parallel = app.parallel(consumer={"consumer_timeout_ms": float("inf")})
    parallel.start(lambda _: None)

    until("the end", lambda: progress(parallel).position == 4)
    until("the commit", lambda: progress(parallel).committed == 4)
    seen = progress(parallel)
    parallel.stop()

    assert parallel.join(PATIENCE * 1000)
    assert (seen.log_end, seen.lag, seen.committed_lag, seen.head_offset) == (4, 0, 0, None)


def test_a_pause_of_the_user_is_told():
    held = Held()
    with held as parallel:
        parallel._client._consumer.pause(PARTITION)
        assert progress(parallel).paused_by == ("user",)


def test_the_record_that_runs_is_told_with_its_thread_and_its_line():
    with Held() as parallel:
        until("the others", lambda: parallel.statistics().processed == 5)
        [found] = parallel.running(places=True)
        [unplaced] = parallel.running()
        assert parallel.statistics().longest_running_ms >= found.running_ms

    assert (found.topic, found.partition, found.offset, found.key) == (TOPIC, 0, 2, b"key")
    assert (found.attempt, found.batch_size) == (1, 1)
    assert found.worker.startswith("kafka-parallel-")
    assert found.place == f"{__file__}:{line_of('held here')}"
    assert unplaced.place is None
    assert "key" not in repr(found)


def test_a_coroutine_is_told_with_its_task_and_its_line():
    with HeldCoroutine() as parallel:
        until("the others", lambda: parallel.statistics().processed == 5)
        [found] = parallel.running(places=True)

    assert found.offset == 2
    assert found.worker.startswith("Task-")
    assert found.place == f"{__file__}:{line_of('held there')}"


def test_a_batch_is_told_by_its_first_record():
    with HeldBatch(at=0) as parallel:
        [found] = parallel.running(places=True)

    assert (found.offset, found.batch_size) == (0, 3)
    assert found.partitions == {PARTITION}
    assert found.place == f"{__file__}:{line_of('held here')}"


def line_of(text):
    with open(__file__) as source:
        return next(number for number, line in enumerate(source, 1) if line.rstrip().endswith(f"# {text}"))


class Asks:
    """A plugin that asks in each hook."""

    def __init__(self):
        self.seen = {}

    def ask(self, hook, settings):
        facts = settings.facts
        self.seen[hook] = (facts.state, facts.error, facts.statistics(), dict(facts.progress()), list(facts.running()))

    @hookimpl
    def provide_decoder(self, settings):
        self.ask("provide_decoder", settings)

    @hookimpl
    def on_start(self, settings):
        self.ask("on_start", settings)

    @hookimpl
    def on_assign(self, partitions, settings):
        self.ask("on_assign", settings)

    @hookimpl
    def on_handled(self, handled, settings):
        self.ask("on_handled", settings)

    @hookimpl
    def on_revoke(self, partitions, settings, lost):
        self.ask("on_revoke", settings)

    @hookimpl
    def on_stop(self, settings, error):
        self.ask("on_stop", settings)


def test_a_plugin_may_ask_in_each_hook_and_after_the_end():
    asks, app = Asks(), App(3)
    app.run(plugins=[asks])

    assert asks.seen.keys() == {"provide_decoder", "on_start", "on_assign", "on_handled", "on_stop"}
    assert asks.seen["provide_decoder"] == ("new", None, Statistics(), {}, [])
    assert asks.seen["on_start"][0] == "starting"
    assert asks.seen["on_start"][2].since_poll_ms is None
    assert asks.seen["on_handled"][3][PARTITION].position == 3
    state, _, statistics, last, running = asks.seen["on_stop"]
    assert (state, statistics.processed, last, running) == ("stopping", 3, {}, [])


def test_settings_made_by_hand_know_nothing():
    settings = Settings(workers=1, group_id=None, topics=frozenset(), pattern=None)
    facts = settings.facts
    assert settings == replace(settings, facts=RunFacts()), "facts are no setting"

    assert (facts.state, facts.error, facts.statistics()) == ("new", None, Statistics())
    assert (dict(facts.progress()), list(facts.running())) == ({}, [])


def test_facts_of_a_run_that_is_not_put_together_yet_know_nothing():
    facts = RunFacts()

    assert (facts.state, facts.error, facts.statistics()) == ("new", None, Statistics())
    assert (dict(facts.progress()), list(facts.running(places=True))) == ({}, [])


class Breaks:
    @hookimpl
    def on_assign(self, partitions):
        raise ValueError("on purpose")


def test_statistics_count_rebalances_workers_polls_and_broken_hooks():
    held = Held(plugins=[Breaks()])
    with held as parallel:
        until("a poll", lambda: parallel.statistics().since_poll_ms is not None)
        seen = parallel.statistics()
    after = parallel.statistics()

    assert seen.rebalances == {"assigned": 1, "revoked": 0, "lost": 0}
    assert seen.workers == 2
    [(plugin, hook)] = seen.plugin_errors
    assert (hook, seen.plugin_errors[plugin, hook]) == ("on_assign", 1)
    assert "Breaks" in plugin
    assert seen.longest_running_ms > 0
    assert after.longest_running_ms == 0


# The group


class Facts:
    """A plugin that keeps the facts."""

    @hookimpl
    def on_start(self, settings):
        self.found = settings.facts


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
@pytest.mark.parametrize("members_before", [0, 1])
def test_it_has_joined_after_the_first_rebalance_with_partitions_or_without(habits, members_before):
    app, plugin, is_over = App(1), Facts(), threading.Event()
    owners = [app.consumer(habits=habits) for _ in range(members_before)]

    def poll_until_over():
        while not is_over.wait(0.01):
            for owner in owners:
                owner.poll(10)

    polling = threading.Thread(target=poll_until_over)
    polling.start()
    parallel = app.parallel({"consumer_timeout_ms": float("inf"), "habits": habits}, plugins=[plugin])
    parallel.start(lambda _: None)
    try:
        until("joined", lambda: plugin.found.has_joined)
    finally:
        is_over.set()
        polling.join()
        parallel.stop()
        assert parallel.join(PATIENCE * 1000)
        for owner in owners:
            owner.close()


def test_partitions_chosen_by_hand_count_as_joined():
    plugin, app = Facts(), App(1)
    consumer = FakeConsumer(cluster=app.cluster, consumer_timeout_ms=100)
    consumer.assign([PARTITION])

    ParallelConsumer(consumer, plugins=[plugin], install_signal_handlers=False).run(lambda _: None)

    assert plugin.found.has_joined


def test_a_start_that_is_not_finished_has_not_joined():
    seen = []

    class Looks:
        @hookimpl
        def on_start(self, settings):
            seen.append((settings.facts.has_joined, settings.facts.is_rebalancing, settings.facts.is_stopping))

    assert App(1).run(plugins=[Looks()]) is None
    assert seen == [(False, False, False)]


def test_a_rebalance_that_waits_for_a_handler_is_seen():
    held, plugin = Held(1, 0, plugins=[Facts()], revoke_timeout_ms=PATIENCE * 1000), None
    plugin = held.options["plugins"][0]
    with held:
        assert not plugin.found.is_rebalancing
        second = held.app.consumer()
        joining = threading.Thread(target=lambda: second.poll(1000))
        joining.start()
        until("it waits", lambda: plugin.found.is_rebalancing)
        held.go_on.set()
        joining.join()
        until("it is over", lambda: not plugin.found.is_rebalancing)
        second.close()


def test_a_stop_is_seen_before_the_loop_has_noticed_it():
    go_on, plugin, inside = threading.Event(), Facts(), threading.Event()

    class Blocks:
        @hookimpl
        def on_commit(self):
            inside.set()
            go_on.wait(PATIENCE)

    parallel = App(1).parallel({"consumer_timeout_ms": float("inf")}, plugins=[plugin, Blocks()])
    parallel.start(lambda _: None)
    assert inside.wait(PATIENCE)
    assert not plugin.found.is_stopping
    parallel.stop()
    assert plugin.found.is_stopping
    assert parallel.state == "running"
    go_on.set()
    assert parallel.join(PATIENCE * 1000)
    assert plugin.found.is_stopping

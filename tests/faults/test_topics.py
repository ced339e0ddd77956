"""Topics and offsets are changed by an admin while records are being processed."""

from __future__ import annotations

import time
from contextlib import nullcontext

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions
from kafka.errors import CommitFailedError

from kafka_parallel.testing.history import History, Produced, judge, read
from tests.faults.conftest import conclude, rounds
from tests.integration.kafka_app import IDLE_MS, KEYS, Worker, committed, ends, has_begun, has_grown, produce, wait_for

pytestmark = pytest.mark.broker


def test_partitions_that_are_added_are_read(kafka_broker, topic, tmp_path, report):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 4000, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic

    with Worker(
        bootstrap, produced.topic, group, history.path, sleep_ms=8, idle_ms=10_000, metadata_max_age_ms=1000
    ) as worker:
        wait_for(has_begun(history), "the worker to work")
        raise_partitions(bootstrap, produced.topic, 4)
        time.sleep(2)
        more = produce(bootstrap, produced.topic, 4000, keys=KEYS)
        assert worker.wait(120) == 0

    keys = {p: {**produced.keys.get(p, {}), **more.keys.get(p, {})} for p in {*produced.keys, *more.keys}}
    everything = Produced(produced.topic, keys)
    verdict = conclude(report, bootstrap, group, everything, read(history.path), 1)
    assert len(keys) == 4
    assert verdict.repeated == 0


def raise_partitions(bootstrap, name, total):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_partitions({name: NewPartitions(total)})
    admin.close()


def test_a_topic_that_is_deleted_does_not_stop_the_others(kafka_broker, topic, tmp_path, report):
    bootstrap = kafka_broker.bootstrap_servers
    doomed, stays = topic(1), topic(1)
    produce(bootstrap, doomed, 20_000)
    produced = produce(bootstrap, stays, 4000, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + stays
    options = {"topics_pattern": f"^({doomed}|{stays})$", "metadata_max_age_ms": 1000}

    with Worker(bootstrap, stays, group, history.path, sleep_ms=8, idle_ms=10_000, **options) as worker:
        wait_for(has_begun(history), "the worker to work")
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        admin.delete_topics([doomed])
        admin.close()
        more = produce(bootstrap, stays, 2000, keys=KEYS)
        assert worker.wait(120) in {0, 1}  # committing for a topic that is gone may be refused: then it says so
    with Worker(bootstrap, stays, group, history.path, sleep_ms=1, until_committed=1) as last:
        assert last.wait() == 0

    everything = Produced(stays, {0: {**produced.keys[0], **more.keys[0]}})
    conclude(report, bootstrap, group, everything, read(history.path), 1)


def reset(bootstrap, group, name, offset):
    """Set the committed offset of partition 0, as an administrator does."""
    admin = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    admin.assign([TopicPartition(name, 0)])
    try:
        admin.commit({TopicPartition(name, 0): OffsetAndMetadata(offset, "", -1)})
    finally:
        admin.close()


@pytest.mark.parametrize("assigns", [0, 1], ids=["subscribed", "assigned by hand"])
def test_offsets_that_somebody_resets_while_it_runs_change_nothing(kafka_broker, topic, tmp_path, report, assigns):
    bootstrap, resets = kafka_broker.bootstrap_servers, rounds(3, 20)
    produced = produce(bootstrap, topic(1), 3000 + 3000 * resets, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic

    with Worker(
        bootstrap, produced.topic, group, history.path, sleep_ms=16, idle_ms=IDLE_MS, assigns=assigns
    ) as worker:
        for _ in range(resets):
            wait_for(has_grown(history, by=1001), "the worker to work")
            # Kafka itself refuses it to strangers while the group has members.
            with nullcontext() if assigns else pytest.raises(CommitFailedError):
                reset(bootstrap, group, produced.topic, 3)
        assert worker.wait(120) == 0

    verdict = conclude(report, bootstrap, group, produced, read(history.path), resets)
    assert verdict.repeated == 0


def test_offsets_that_somebody_resets_count_from_the_next_start_on(kafka_broker, topic, tmp_path, report):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 4000, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=1, until_committed=1) as first:
        assert first.wait() == 0
    verdict = judge(read(history.path), produced)
    assert (verdict.is_good, verdict.repeated) == (True, 0)

    reset(bootstrap, group, produced.topic, 3000)
    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=1, until_committed=1) as second:
        assert second.wait() == 0

    verdict = judge(read(history.path), produced)
    report(verdict, 1)
    assert verdict.repeated == 1000
    assert (verdict.lost, verdict.overlapping) == ([], [])
    assert committed(bootstrap, group, produced) == ends(produced)

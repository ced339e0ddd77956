"""``check`` and ``doctor`` find each planted mistake by a line of its own, and are silent about healthy consumers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import pytest
from kafka.admin import ResourceType

from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from tests.integration.kafka_app import PATIENT_CLIENT
from tests.integration.older_brokers import AUTHORIZER
from tests.integration.preflight_world import HANDLERS, OTHERS, PARTITIONS, ROOMY_BYTES, USUAL_BYTES, World

pytestmark = pytest.mark.broker
# A user without rights is refused where a topic has rules; without any, all may do everything.
CONFIG = {
    "auto.create.topics.enable": "false",
    "authorizer.class.name": AUTHORIZER,
    "allow.everyone.if.no.acl.found": "true",
}
CHECK, DOCTOR = "check", "doctor"
SEEN = ("DESCRIBE", "DESCRIBE_CONFIGS")


class Mistake(NamedTuple):
    """A mistake, and the one line that must be about it."""

    command: str
    level: str
    subject: str
    hint: str
    plant: Callable[[World], object]


def consumer(**settings):
    return lambda world: world.tables["consumer"].update(settings)


def parallel(**settings):
    return lambda world: world.tables["parallel"].update(settings)


def plugin(name, **settings):
    return lambda world: world.tables["plugins"].append({"name": name, **settings})


def handler(name):
    return lambda world: world.tables[""].update(handler=f"{HANDLERS}:{name}")


def installed(**facts):
    def plant(world):
        world.installed = dataclasses.replace(world.installed, **facts)

    return plant


def grace(seconds):
    return lambda world: world.environment.update(TERMINATION_GRACE=seconds)


def both(*plants):
    return lambda world: [plant(world) for plant in plants]


def retry_topics(delay_ms, **config):
    """A consumer with one retry topic, or with none if there is no *config*."""

    def plant(world):
        world.tables["parallel"]["ordering"] = "unordered"
        world.tables["plugins"].insert(0, {"name": "retry-topics", "delays_ms": [delay_ms]})
        if config:
            world.other(f"{world.topic}-{world.group}-retry-0", **config)

    return plant


def members(count):
    def plant(world):
        for _ in range(count):
            world.join(world.topic)

    return plant


def down(world):
    world.tables["consumer"].update(dict.fromkeys(PATIENT_CLIENT, 2_000), bootstrap_servers="127.0.0.1:1")


def arguments(*given):
    return lambda world: world.arguments.extend(given)


MISTAKES = {
    # The topics that are read
    "no source topic": Mistake(
        CHECK, "fail", "topic {topic}", "does not exist, and the cluster creates none", lambda world: world.no_source()
    ),
    "no topic named": Mistake(CHECK, "fail", "topics", "give --topic", lambda world: world.tables[""].pop("topics")),
    "source may not be read": Mistake(
        CHECK, "fail", "topic {topic}", "allow READ", lambda world: world.allow_only(world.topic, *SEEN)
    ),
    "source may not be seen": Mistake(
        CHECK, "fail", "topic {topic}", "may not be seen (TopicAuthorizationFailedError)",
        lambda world: world.allow_only(world.topic, "CREATE"),
    ),
    "a codec is missing": Mistake(
        CHECK, "fail", "topic {topic}", "pip install kafka-python[zstd]",
        both(lambda world: world.source(compression_type="zstd"), installed(codecs=frozenset({"lz4"}))),
    ),
    # Dead letters
    "no dead-letter topic": Mistake(
        CHECK, "fail", "dlq topic {topic}-dead", "the start is refused; create it", lambda world: world.no_dlq_topic()
    ),
    "dead-letter topic takes less than the source": Mistake(
        CHECK, "fail", "dlq topic {topic}-dead", f"set it to {ROOMY_BYTES}",
        lambda world: world.dlq_topic(max_message_bytes=100_000),
    ),
    "dead-letter topic has no room for headers": Mistake(
        CHECK, "warn", "dlq topic {topic}-dead", f"set it to {ROOMY_BYTES}",
        lambda world: world.dlq_topic(max_message_bytes=USUAL_BYTES),
    ),
    "dead-letter topic has fewer partitions": Mistake(
        CHECK, "warn", "dlq topic {topic}-dead", "give it 4", lambda world: world.dlq_topic(partitions=1)
    ),
    "dead-letter topic is compacted": Mistake(
        CHECK, "fail", "dlq topic {topic}-dead", "set cleanup.policy=delete",
        lambda world: world.dlq_topic(cleanup_policy="compact"),
    ),
    "dead-letter topic may not be written": Mistake(
        CHECK, "fail", "dlq topic {topic}-dead", "allow WRITE", lambda world: world.allow_only(world.dlq, *SEEN)
    ),
    "settings of the dead-letter topic may not be seen": Mistake(
        CHECK, "warn", "dlq topic {topic}-dead", "its settings are not known",
        lambda world: world.allow_only(world.dlq, "DESCRIBE", "WRITE"),
    ),
    "dead-letter topic is the source": Mistake(
        CHECK, "fail", "plugins", "which this consumer reads itself",
        lambda world: world.tables["plugins"][0].update(topic=world.topic),
    ),
    "dead-letter topic refuses all writes": Mistake(
        CHECK, "fail", "dlq topic {topic}-dead", "min.insync.replicas=2, and it has 1 replicas",
        lambda world: world.dlq_topic(min_insync_replicas=2),
    ),
    # Retry topics and output
    "no retry topic": Mistake(
        CHECK, "fail", "retry-topics topic {topic}-g-{topic}-retry-0", "create it", retry_topics(1_000)
    ),
    "retry topic forgets before records are due": Mistake(
        CHECK, "fail", "retry-topics topic {topic}-g-{topic}-retry-0", "set retention.ms to 7.2e+06",
        retry_topics(3_600_000, retention_ms=60_000),
    ),
    "no output topic": Mistake(CHECK, "fail", "output topic preflight-output", "create it", handler("telling")),
    # The group
    "wrong assignor beside other members": Mistake(
        CHECK, "fail", "group {group}", "add range to partition_assignment_strategy",
        lambda world: world.join(world.topic, assignor=OTHERS["range"]),
    ),
    "id of a static member that runs": Mistake(
        CHECK, "warn", "group {group}", "give each instance an id of its own",
        both(consumer(group_instance_id="pod-0"), lambda world: world.join(world.topic, group_instance_id="pod-0")),
    ),
    "group of another service": Mistake(
        CHECK, "warn", "group {group}", "give it a group of its own",
        both(lambda world: world.other(f"{world.topic}-x"), lambda world: world.join(f"{world.topic}-x")),
    ),
    "more members than partitions": Mistake(
        CHECK, "warn", "group {group}", "one more is idle",
        both(lambda world: world.source(partitions=1), lambda world: world.dlq_topic(partitions=1), members(1)),
    ),
    "group may not be read": Mistake(
        CHECK, "fail", "group {group}", "allow READ of the group",
        both(members(1), lambda world: world.allow_only(world.group, "DESCRIBE", kind=ResourceType.GROUP)),
    ),
    "group may not be seen": Mistake(
        CHECK, "fail", "group {group}", "allow READ and DESCRIBE of the group",
        lambda world: world.allow_only(world.group, "ALTER_CONFIGS", kind=ResourceType.GROUP),
    ),
    "session shorter than the cluster allows": Mistake(
        CHECK, "fail", "session_timeout_ms", "group.min.session.timeout.ms=500",
        consumer(session_timeout_ms=400, heartbeat_interval_ms=100),
    ),
    # This Python
    "kafka-python that gets stuck": Mistake(
        CHECK, "fail", "kafka-python", "pip install 'kafka-python>=3.0.9'", installed(client="3.0.8")
    ),
    "kafka-python-ng beside kafka-python": Mistake(
        CHECK, "fail", "kafka-python-ng", "pip uninstall", installed(fork="2.2.3", imported="2.2.3")
    ),
    "kafka-python-ng under kafka-python": Mistake(
        CHECK, "warn", "kafka-python-ng", "pip uninstall", installed(fork="2.2.3")
    ),
    "no crc32c": Mistake(CHECK, "warn", "crc32c", "pip install crc32c", installed(has_crc32c=False)),
    "gevent has patched the process": Mistake(CHECK, "warn", "gevent", "not patched", installed(patched_by="gevent")),
    # Handler and plugins
    "handler that is not there": Mistake(CHECK, "fail", "handler", "did you mean 'handle'?", handler("handel")),
    "handler of two arguments": Mistake(CHECK, "fail", "handler", "cannot be called with one", handler("takes_two")),
    "async handler on threads": Mistake(
        CHECK, "fail", "plugins", "leave executor= out", both(handler("handle_async"), parallel(executor="thread-pool"))
    ),
    "plugin that is not there": Mistake(CHECK, "fail", "plugins", "did you mean 'retry'?", plugin("retri")),
    "setting that a plugin does not have": Mistake(
        CHECK, "fail", "plugins", "did you mean 'max_attempts'?", plugin("retry", max_attempt=3)
    ),
    "retry topics with an order": Mistake(
        DOCTOR, "fail", "plugins", "needs ordering='unordered'", plugin("retry-topics")
    ),
    "two orderings": Mistake(
        DOCTOR, "fail", "plugins", "only one may", both(plugin("key-ordered"), plugin("partition-queue"))
    ),
    "transactions longer than the group waits": Mistake(
        DOCTOR, "fail", "plugins", "lower the one or raise the other",
        plugin("exactly-once", transaction_timeout_ms=200_000),
    ),
    "two plugins on one port": Mistake(
        DOCTOR, "fail", "plugins", "another port", both(plugin("health", port=9100), plugin("prometheus", port=9100))
    ),
    "a limit below the rate": Mistake(
        DOCTOR, "warn", "plugins", "raise records_per_second",
        both(plugin("rate-limit", records_per_second=10), arguments("--rate", "50")),
    ),
    # The broker
    "no broker": Mistake(CHECK, "fail", "broker 127.0.0.1:1", "check the address", down),
    # Times
    "grace shorter than the drain": Mistake(
        DOCTOR, "fail", "stop_timeout_ms", "raise the grace period above 40 s", grace("15")
    ),
    "grace shorter than drain and commits": Mistake(
        DOCTOR, "warn", "stop_timeout_ms", "need 40 s: raise the grace period", grace("30s")
    ),
    "drain as long as the group waits": Mistake(
        CHECK, "fail", "revoke_timeout_ms", "raise max_poll_interval_ms", consumer(max_poll_interval_ms=15_000)
    ),
    "no time for the commit after the drain": Mistake(
        DOCTOR, "warn", "revoke_timeout_ms", "max_poll_interval_ms above 20000", consumer(max_poll_interval_ms=18_000)
    ),
    "handler longer than the drain": Mistake(
        DOCTOR, "warn", "revoke_timeout_ms", "raise revoke_timeout_ms to 18000", parallel(handler_timeout_ms=18_000)
    ),
    "handler longer than the stop": Mistake(
        DOCTOR, "warn", "stop_timeout_ms", "raise stop_timeout_ms to 25000",
        both(parallel(revoke_timeout_ms=60_000), arguments("--handler-ms", "25000")),
    ),
    "late heartbeats": Mistake(
        DOCTOR, "warn", "heartbeat_interval_ms", "set heartbeat_interval_ms to 15000 or less",
        consumer(session_timeout_ms=45_000, heartbeat_interval_ms=20_000),
    ),
    "short session": Mistake(
        DOCTOR, "warn", "session_timeout_ms", "set 45000",
        consumer(session_timeout_ms=6_000, heartbeat_interval_ms=2_000),
    ),
    "static member with a short session": Mistake(
        DOCTOR, "warn", "session_timeout_ms", "above the time of a restart",
        consumer(session_timeout_ms=12_000, group_instance_id="pod-0"),
    ),
    "slow reconnection": Mistake(
        DOCTOR, "warn", "reconnect_backoff_max_ms", "leave the setting out", consumer(reconnect_backoff_max_ms=20_000)
    ),
    "records before the first start are skipped": Mistake(
        DOCTOR, "warn", "auto_offset_reset", "set 'earliest'", consumer(auto_offset_reset="latest")
    ),
    "no group": Mistake(
        DOCTOR, "warn", "group_id", "set group_id", lambda world: world.tables["consumer"].pop("group_id")
    ),
    "rare commits": Mistake(
        DOCTOR, "warn", "auto_commit_interval_ms", "up to 60 s", consumer(auto_commit_interval_ms=60_000)
    ),
    # Sizes
    "fetches larger than the buffer": Mistake(
        DOCTOR, "warn", "fetch_max_bytes", "raise max_buffered_bytes", parallel(max_buffered_bytes=10_000_000)
    ),
    "polls smaller than the workers": Mistake(
        DOCTOR, "warn", "max_poll_records", "set it to 500", consumer(max_poll_records=2)
    ),
    "buffer smaller than the workers": Mistake(
        DOCTOR, "warn", "max_buffered_records", "leave it out", parallel(max_buffered_records=2)
    ),
    "hardly any uncommitted records": Mistake(
        DOCTOR, "warn", "max_uncommitted", "ten times the workers", parallel(max_uncommitted=2)
    ),
    "workers without partitions": Mistake(
        CHECK, "warn", "workers", f"set workers={PARTITIONS}", parallel(workers=32, ordering="partition")
    ),
    "processes without cores": Mistake(
        DOCTOR, "warn", "workers", "for handlers that compute", parallel(workers=400, executor="process-pool")
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded_broker():
    with broker_or_skip("jvm", CONFIG) as broker:
        yield broker


@pytest.fixture
def world(guarded_broker, request, monkeypatch, tmp_path):
    made = World(guarded_broker, topic_name("t"), monkeypatch, tmp_path)
    yield made
    made.close()


def complaints(found):
    return [line for line in found if line["level"] in {"warn", "fail"}]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found_by_its_own_line(world, name):
    mistake = MISTAKES[name]
    mistake.plant(world)

    found, code, output = world.findings(mistake.command)

    subject = mistake.subject.format(topic=world.topic, group=world.group)
    assert [(line["level"], line["subject"]) for line in complaints(found)] == [(mistake.level, subject)], output
    assert mistake.hint in complaints(found)[0]["text"]
    assert code == (3 if name == "no broker" else int(mistake.level == "fail"))


def test_there_are_enough_mistakes():
    assert len(MISTAKES) >= 25


# Consumers that are as they should be


def ordered_by_key(world):
    """Threads, dead letters, quick retries."""
    world.tables["plugins"] += [{"name": "retry"}, {"name": "health", "port": 8081}]


def unordered_with_retry_topics(world):
    """Failures wait in topics of their own."""
    retry_topics(60_000, retention_ms=600_000)(world)


def batches_of_partitions(world):
    """Lists of records, one at a time for each partition."""
    world.tables["parallel"]["ordering"] = "partition"
    world.tables["batch"]["max_records"] = 100


def processes(world):
    """Handlers that compute, beside another member."""
    world.tables["parallel"].update(executor="process-pool", workers=1, handler_timeout_ms=10_000)
    world.join(world.topic)


def static_coroutines(world):
    """An ``async def`` handler in a static member."""
    handler("handle_async")(world)
    world.tables["consumer"]["group_instance_id"] = "pod-0"
    world.join(world.topic, group_instance_id="pod-1")


HEALTHY = [ordered_by_key, unordered_with_retry_topics, batches_of_partitions, processes, static_coroutines]


@pytest.mark.parametrize("build", HEALTHY, ids=lambda build: build.__name__)
def test_a_healthy_consumer_hears_nothing(world, build):
    build(world)

    found, code, output = world.findings(CHECK)
    advice, doctors_code, _ = world.findings(DOCTOR)

    assert (complaints(found), code) == ([], 0), output
    assert (complaints(advice), doctors_code) == ([], 0)
    assert {f"topic {world.topic}", f"group {world.group}", f"dlq topic {world.dlq}"} <= {
        line["subject"] for line in found
    }


@pytest.mark.parametrize("command", [CHECK, DOCTOR])
def test_a_cooperative_group_with_the_default_heartbeat_is_told_the_setting(world, command):
    del world.tables["consumer"]["heartbeat_interval_ms"]

    found, code, _ = world.findings(command)

    [text] = [line["text"] for line in found if line["subject"] == "heartbeat_interval_ms"]
    assert "set heartbeat_interval_ms=300" in text
    assert code == 0


def built_by_a_factory(world):
    """Everything is the user's own code."""
    servers = world.tables["consumer"]["bootstrap_servers"]
    world.environment.update(
        PREFLIGHT_TOPIC=world.topic, PREFLIGHT_SERVERS=servers, PREFLIGHT_GROUP=world.group, PREFLIGHT_DLQ=world.dlq
    )
    world.tables = {"": {"handler": f"{HANDLERS}:build"}}


def test_the_consumer_of_a_factory_is_looked_at(world):
    built_by_a_factory(world)

    found, code, output = world.findings(CHECK)

    assert (complaints(found), code) == ([], 0), output
    subjects = {line["subject"] for line in found}
    assert {f"topic {world.topic}", f"group {world.group}", f"dlq topic {world.dlq}"} <= subjects
    assert world.findings(DOCTOR)[1] == 0


def test_a_mistake_in_a_factory_is_found(world):
    world.no_dlq_topic()
    built_by_a_factory(world)

    found, code, _ = world.findings(CHECK)

    assert [(line["level"], line["subject"]) for line in complaints(found)] == [("fail", f"dlq topic {world.dlq}")]
    assert code == 1


def test_a_factory_that_finds_no_broker_is_told_so(world):
    built_by_a_factory(world)
    world.environment["PREFLIGHT_SERVERS"] = "127.0.0.1:1"
    world.environment["PREFLIGHT_PATIENCE_MS"] = "500"

    found, code, output = world.findings(CHECK)

    assert (found, code) == ([], 3)
    assert f"{HANDLERS}:build could not connect" in output


def test_nothing_is_created_or_joined(world, guarded_broker):
    from kafka import KafkaConsumer

    world.no_dlq_topic()
    world.findings(CHECK)
    world.findings(CHECK)

    reader = KafkaConsumer(bootstrap_servers=guarded_broker.bootstrap_servers)
    assert world.dlq not in reader.topics()
    reader.close()
    found, _, _ = world.findings(CHECK)
    [state] = [line["text"] for line in found if line["subject"] == f"group {world.group}"]
    assert state.startswith(("is new", "no members"))

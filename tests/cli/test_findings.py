"""Facts in, findings out: the judgements of ``check`` and ``doctor`` that no cluster at hand can bring about."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from kafka_parallel._options import Options
from kafka_parallel._runtime.client.process_guards import unstable_ends
from kafka_parallel.cli import command
from kafka_parallel.cli.check import cluster_findings
from kafka_parallel.cli.doctor import grace_ms, looked_at, settings_findings
from kafka_parallel.cli.preflight.cluster_facts import ClusterFacts, GroupFacts, MemberFacts, TopicFacts
from kafka_parallel.cli.preflight.combination_findings import combination_findings
from kafka_parallel.cli.preflight.installation import PythonFacts, installation_findings, look, numbers
from kafka_parallel.cli.preflight.intended import Intended, with_plugins
from kafka_parallel.cli.preflight.time_findings import Circumstances, time_findings
from kafka_parallel.topic_needs import TopicNeed

RIGHTS = frozenset({"READ", "WRITE", "DESCRIBE"})
TOPIC = TopicFacts(partitions=6, operations=RIGHTS, config={"max.message.bytes": "1000", "retention.ms": "-1"})
GROUP = GroupFacts(operations=RIGHTS)
CLUSTER = ClusterFacts(servers="kafka:9092", brokers=3, config={}, topics={"orders": TOPIC}, group=GROUP)
INTENDED = Intended(topics=["orders"], given={"group_id": "billing"})
STABLE = replace(GROUP, state="Stable", protocol="consumer", assignor="range", kind="classic",
                 members=(MemberFacts(topics=frozenset({"orders"})),))  # fmt: skip


def complaints(intended, cluster):
    found = cluster_findings(intended, cluster, PythonFacts(client="3.0.12"))
    return [finding for finding in found if finding.level in {"warn", "fail"}]


def beside(**facts):
    return replace(CLUSTER, **facts)


def with_topic(**facts):
    return beside(topics={"orders": replace(TOPIC, **facts)})


def test_a_healthy_consumer_has_no_complaint():
    assert complaints(INTENDED, CLUSTER) == []
    assert complaints(INTENDED, beside(group=STABLE)) == []


@pytest.mark.parametrize(
    ("config", "level", "words"),
    [
        ({"auto.create.topics.enable": "true"}, "warn", "the cluster creates topics when they are asked for"),
        ({"auto.create.topics.enable": "false"}, "fail", "the cluster creates none"),
        ({}, "fail", "whether the cluster creates it is not known"),
        (None, "fail", "whether the cluster creates it is not known"),
    ],
)
def test_a_missing_topic_is_as_bad_as_the_cluster_creates_none(config, level, words):
    [found] = complaints(INTENDED, replace(with_topic(partitions=0), config=config))

    assert (found.level, found.subject) == (level, "topic orders")
    assert words in found.text


def test_a_right_that_is_not_told_is_no_ok():
    found = complaints(INTENDED, replace(with_topic(operations=None), group=replace(STABLE, operations=None)))

    assert [(each.level, each.subject) for each in found] == [("warn", "topic orders"), ("warn", "group billing")]
    assert all("is not known: the broker or the client is too old" in each.text for each in found)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"kind": "consumer"}, "group.protocol=consumer"),
        ({"kind": "share"}, "clients of another kind (share)"),
        ({"protocol": "connect"}, "clients of another kind (connect)"),
        ({"assignor": "sticky"}, "add sticky to partition_assignment_strategy"),
        ({"refusal": "GroupAuthorizationFailedError"}, "(GroupAuthorizationFailedError): allow READ and DESCRIBE"),
        ({"operations": frozenset()}, "allow READ of the group"),
    ],
)
def test_a_group_that_will_not_take_it_in(facts, words):
    [found] = complaints(INTENDED, beside(group=replace(STABLE, **facts)))

    assert (found.level, found.subject) == ("fail", "group billing")
    assert words in found.text


def test_members_that_read_a_retry_topic_are_no_other_service():
    need = TopicNeed(topic="orders-retry", source="orders", is_read=True)
    member = MemberFacts(topics=frozenset({"orders", "orders-retry"}))
    cluster = beside(group=replace(STABLE, members=(member,)), topics={"orders": TOPIC, "orders-retry": TOPIC})

    assert complaints(replace(INTENDED, needs=[("retry-topics", need)]), cluster) == []
    [found] = complaints(INTENDED, cluster)
    assert "has members that read orders-retry" in found.text


@pytest.mark.parametrize(("session", "bound"), [(5_000, "6000"), (2_000_000, "1800000")])
def test_a_session_that_the_cluster_refuses(session, bound):
    limits = {"group.min.session.timeout.ms": "6000", "group.max.session.timeout.ms": "1800000"}
    intended = replace(INTENDED, given={"group_id": "billing", "session_timeout_ms": session})

    [found] = complaints(intended, beside(config=limits))

    assert (found.level, found.subject) == ("fail", "session_timeout_ms")
    assert f"set it to {bound}" in found.text


def test_a_topic_that_keeps_records_for_ever_is_no_mistake():
    need = TopicNeed(topic="orders", kept_ms=1e9)

    assert complaints(replace(INTENDED, needs=[("retry-topics", need)]), CLUSTER) == []


@pytest.mark.parametrize(
    ("version", "levels"),
    [
        ("2.2.8", ["fail"]), ("2.2.9", ["ok"]), ("2.3.3", ["ok"]), ("3.0.0", ["fail"]), ("3.0.8", ["fail"]),
        ("3.0.9", ["ok"]), ("3.1.0rc1", ["ok"]), (None, ["warn"]),
    ],
)  # fmt: skip
def test_versions_of_the_client(version, levels):
    assert [finding.level for finding in installation_findings(PythonFacts(client=version))] == levels


def test_this_python_is_looked_at():
    found = look()

    assert numbers(found.client or "") >= (2, 2, 9)
    assert (found.fork, found.has_crc32c, found.patched_by) == (None, True, None)
    assert found.imported == found.client
    assert found.codecs == {"lz4", "snappy", "zstd"}


# The doctor


class Cooperative:
    name = "cooperative-sticky"


FITTING = """
[consumer]
group_id = "billing"
auto_offset_reset = "earliest"
heartbeat_interval_ms = 300
partition_assignment_strategy = ["tests.cli.test_findings:Cooperative"]
"""


@pytest.mark.parametrize(
    ("flags", "topics"), [((), "none, and none is needed here"), (("--topic", "orders"), "orders")]
)
def test_a_consumer_whose_settings_fit_gets_one_line_with_those(tmp_path, monkeypatch, flags, topics):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kafka-parallel.toml").write_text(FITTING)

    done = CliRunner().invoke(command(), ["doctor", "json:loads", "-p", "retry", *flags])

    assert done.output == (
        "ok    settings: times, buffers, workers and plugins fit together: group billing, "
        f"topics ({topics}), 16 workers, plugins (retry, log-context, key-ordered, thread-pool, fast-decoder), and 4 "
        "settings of the KafkaConsumer beside its defaults\n"
    )
    assert done.exit_code == 0


def test_a_pattern_is_named_in_the_place_of_topics():
    assert "topics (orders-.*)" in looked_at(Intended(pattern=re.compile("orders-.*"))).text


@pytest.mark.parametrize(
    ("isolation", "as_broker", "found"),
    [
        ("read_committed", True, ["kafka-python"]),
        ("read_committed", False, []),
        ("read_uncommitted", True, []),
        (None, True, []),
    ],
)
def test_ends_behind_open_transactions(isolation, as_broker, found):
    """The words are those that a run says."""
    hazard = unstable_ends("read_committed", as_broker=True)
    given = {"group_id": "g", "isolation_level": isolation}

    said = settings_findings(Intended(given=given), Circumstances(), PythonFacts(as_broker=as_broker))

    about = [finding for finding in said if finding.text == hazard.text]
    assert [(each.level, each.subject) for each in about] == [("warn", subject) for subject in found]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["range"], "CooperativeStickyAssignor of kafka.coordinator.assignors.cooperative_sticky"),
        (["cooperative-sticky", "range"], "leave the others out"),
    ],
)
def test_an_eager_assignor_is_told_as_advice(names, words):
    strategy = [type("Assignor", (), {"name": name}) for name in names]
    given = {"group_id": "g", "auto_offset_reset": "earliest", "partition_assignment_strategy": strategy}

    [found] = time_findings(Intended(given=given), Circumstances())

    assert (found.level, found.subject) == ("note", "partition_assignment_strategy")
    assert words in found.text


def of_heartbeats(*names, **settings):
    strategy = [type("Assignor", (), {"name": name}) for name in names]
    given = {"group_id": "g", "partition_assignment_strategy": strategy, **settings}
    found = time_findings(Intended(given=given), Circumstances())
    return [(each.level, each.text) for each in found if each.subject == "heartbeat_interval_ms"]


def test_a_cooperative_group_with_the_default_heartbeat_is_told_the_setting():
    [(level, text)] = of_heartbeats("cooperative-sticky")

    assert level == "note"
    assert text.startswith("3000 with cooperative-sticky")
    assert "stands still for up to 3 s; set heartbeat_interval_ms=300" in text


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (["cooperative-sticky"], {"heartbeat_interval_ms": 1_000}),
        (["cooperative-sticky"], {"group_id": None}),
        (["cooperative-sticky", "range"], {}),
        (["range"], {}),
    ],
)
def test_other_groups_hear_nothing_of_heartbeats(names, settings):
    assert of_heartbeats(*names, **settings) == []


@pytest.mark.parametrize(("plugins", "hint"), [([], "offset-map leaves fewer"), (["offset-map"], "those that run")])
def test_repeats_after_a_kill_are_counted(plugins, hint):
    intended, problems = with_plugins(
        Intended(given={"group_id": "g", "auto_commit_interval_ms": 2_000}, options=Options(plugins=plugins))
    )
    found = [each for each in time_findings(intended, Circumstances(rate=500)) if "repeats" in each.text]

    assert problems == []
    assert [each.level for each in found] == ["note"]
    assert found[0].text.startswith("a kill repeats about 1000 records: --rate 500 a second x 2000 ms")
    assert found[0].text.endswith(hint)


def test_a_consumer_that_stops_at_the_first_failure_is_told_so():
    bare, _ = with_plugins(Intended(given={"group_id": "g"}))
    safe, _ = with_plugins(Intended(given={"group_id": "g"}, options=Options(plugins=["retry"])))

    assert ["none decides about a record that fails" in each.text for each in combination_findings(bare)] == [True]
    assert list(combination_findings(safe)) == []


@pytest.mark.parametrize(("text", "found"), [("30", 30_000), ("45s", 45_000), ("0.5", 500), ("", None)])
def test_the_grace_of_the_platform(text, found):
    assert grace_ms({"TERMINATION_GRACE": text}) == found


def test_a_plugin_that_cannot_tell_its_topics_is_named():
    class Broken:
        def topic_needs(self, settings):
            raise KeyError(settings.group_id)

        from kafka_parallel import hookimpl

        @hookimpl
        def on_stop(self):
            pass

    _, [found] = with_plugins(Intended(given={"group_id": "g"}, options=Options(plugins=[Broken()])))

    assert (found.level, found.text) == ("fail", "plugin 'Broken' failed in topic_needs: KeyError('g')")

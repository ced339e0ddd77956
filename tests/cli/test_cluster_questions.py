"""The answers of kafka-python 2.x and 3.x become the same facts; what is not told is not known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import pytest
from kafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
)

from kafka_parallel.cli.preflight import cluster_questions
from kafka_parallel.cli.preflight.cluster_facts import MemberFacts
from kafka_parallel.cli.preflight.cluster_questions import ask_cluster

RIGHTS = ["READ", "DESCRIBE"]
MEMBER = {"client_id": "app", "client_host": "/10.0.0.1"}


def topic(name_of_name, replicas, **fields):
    return {
        "error_code": 0,
        name_of_name: "orders",
        "partitions": [{replicas: [1, 2, 3]}, {replicas: [1, 2]}],
        **fields,
    }


class Answers:
    """The parts that both lines have in common.

    :ivar error: is raised by questions about settings.
    """

    error = None

    def _may_ask(self):
        if self.error is not None:
            raise self.error


class Admin3(Answers):
    """The admin client of kafka-python 3.x, as it answers."""

    def describe_cluster(self):
        return {"brokers": [{"broker_id": 7}]}

    def describe_topics(self, names):
        return [topic("name", "replica_nodes", authorized_operations=RIGHTS), {"error_code": 29, "name": "secret"}]

    def describe_configs(self, resources, config_filter):
        self._may_ask()
        assert config_filter == "all"
        entries = {"max.message.bytes": {"value": "1000"}, "absent": {"value": None}}
        kind = resources[0].resource_type.name.lower()
        found = {"7": {"auto.create.topics.enable": {"value": "false"}}} if kind == "broker" else {"orders": entries}
        return {kind: found}

    def describe_groups(self, ids):
        member = {**MEMBER, "group_instance_id": "pod-0", "member_metadata": {"topics": ["orders"]}}
        found = {"group_state": "Stable", "protocol_type": "consumer", "protocol_data": "range", "members": [member]}
        return {ids[0]: {**found, "authorized_operations": RIGHTS, "error": None}}

    def list_groups(self):
        return [{"group_id": "g", "group_type": "classic"}]


class Resource(NamedTuple):
    error_code: int
    error_message: str
    resource_type: int
    resource_name: str
    config_entries: list


class Entry(NamedTuple):
    config_names: str
    config_value: str | None


class Response(NamedTuple):
    resources: list


class Subscription(NamedTuple):
    version: int
    subscription: list


class Member(NamedTuple):
    client_id: str
    client_host: str
    member_metadata: Subscription


class Group(NamedTuple):
    error_code: int
    state: str
    protocol_type: str
    protocol: str
    members: list
    authorized_operations: list | None


class Admin2(Answers):
    """That of 2.x."""

    def describe_cluster(self):
        return {"brokers": [{"node_id": 7}]}

    def describe_topics(self, names):
        return [topic("topic", "replicas"), {"error_code": 29, "topic": "secret", "partitions": []}]

    def describe_configs(self, resources):
        self._may_ask()
        entries = [Entry("max.message.bytes", "1000"), Entry("absent", None)]
        if resources[0].resource_type.name == "BROKER":
            entries = [Entry("auto.create.topics.enable", "false")]
        return [Response([Resource(0, "", 2, each.name, entries) for each in resources])]

    def describe_consumer_groups(self, ids):
        member = Member("app", "/10.0.0.1", Subscription(0, ["orders"]))
        return [Group(0, "Stable", "consumer", "range", [member], None)]


@pytest.mark.parametrize("admin", [Admin2(), Admin3()], ids=["2", "3"])
def test_both_lines_of_the_client_tell_the_same(admin):
    facts = ask_cluster(admin, "kafka:9092", ["orders", "secret", "absent"], "g")

    assert (facts.servers, facts.brokers, facts.creates_topics) == ("kafka:9092", 1, False)
    orders = facts.topics["orders"]
    assert (orders.partitions, orders.replicas, orders.number("max.message.bytes")) == (2, 2, 1000)
    assert (orders.number("absent"), orders.refusal) == (None, None)
    assert facts.topics["secret"].refusal == "TopicAuthorizationFailedError"
    assert (facts.topics["absent"].partitions, facts.topics["absent"].refusal) == (0, None)
    group = facts.group
    assert (group.state, group.protocol, group.assignor) == ("Stable", "consumer", "range")
    assert [(member.client_id, member.host, member.topics) for member in group.members] == [
        ("app", "10.0.0.1", frozenset({"orders"}))
    ]


def test_what_only_the_newer_line_tells_is_not_known_by_the_older_one():
    newer = ask_cluster(Admin3(), "", ["orders"], "g")
    older = ask_cluster(Admin2(), "", ["orders"], "g")

    assert newer.topics["orders"].operations == newer.group.operations == frozenset(RIGHTS)
    assert older.topics["orders"].operations is older.group.operations is None
    assert (newer.group.kind, older.group.kind) == ("classic", None)
    assert newer.group.members[0].instance_id == "pod-0"
    assert older.group.members == (MemberFacts(client_id="app", host="10.0.0.1", topics=frozenset({"orders"})),)


@pytest.mark.parametrize("kind", [Admin2, Admin3], ids=["2", "3"])
def test_settings_that_may_not_be_asked_for_are_not_known(kind):
    admin = kind()
    admin.error = ClusterAuthorizationFailedError()
    facts = ask_cluster(admin, "", ["orders"], None)

    assert (facts.creates_topics, facts.config, facts.topics["orders"].config, facts.group) == (None, None, None, None)

    admin.error = KafkaConnectionError()
    with pytest.raises(KafkaConnectionError):
        ask_cluster(admin, "", ["orders"], None)


@pytest.mark.parametrize(
    ("error", "refusal", "asked"),
    [
        (GroupAuthorizationFailedError(), "GroupAuthorizationFailedError", 1),
        (CoordinatorNotAvailableError(), "CoordinatorNotAvailableError", 20),
    ],
)
def test_a_group_that_cannot_be_seen(monkeypatch, error, refusal, asked):
    waits = []
    monkeypatch.setattr(cluster_questions, "sleep", waits.append)

    class Admin(Admin3):
        def describe_groups(self, ids):
            raise error

    facts = ask_cluster(Admin(), "", [], "g")

    assert facts.group.refusal == refusal
    assert len(waits) + 1 == asked


def test_a_group_without_a_past():
    class Admin(Admin3):
        def describe_groups(self, ids):
            found = dict.fromkeys(("group_state", "protocol_type", "protocol_data"), "")
            return {ids[0]: {**found, "members": [], "error": "[Error 69] GroupIdNotFoundError: Group g not found."}}

    facts = ask_cluster(Admin(), "", [], "g")

    assert (facts.group.refusal, facts.group.members) == (None, ())


@pytest.mark.parametrize("holder", ["_manager", "_client"])
def test_brokers_too_old_for_the_question_are_counted_by_the_metadata(holder):
    class Admin(Admin3):
        def describe_cluster(self):
            raise KeyError("endpoint_type")

    admin = Admin()
    brokers = [SimpleNamespace(node_id=7), SimpleNamespace(node_id=8)]
    setattr(admin, holder, SimpleNamespace(cluster=SimpleNamespace(brokers=lambda: brokers)))

    assert ask_cluster(admin, "", [], None).brokers == 2

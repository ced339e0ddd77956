"""A cluster with the topics of a healthy consumer, and its configuration as a file: tests plant mistakes in either."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from typing import Any

from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from kafka_parallel.cli import command
from kafka_parallel.cli.preflight.installation import look
from tests.integration.kafka_app import PATIENT_CLIENT, wait_for
from tests.joined_at_once import know_topics

HANDLERS = "tests.integration.preflight_handlers"
COOPERATIVE = "kafka.coordinator.assignors.cooperative_sticky:CooperativeStickyAssignor"
OTHERS = {
    "range": "kafka.coordinator.assignors.range:RangePartitionAssignor",
    "roundrobin": "kafka.coordinator.assignors.roundrobin:RoundRobinPartitionAssignor",
}
# Kafka's default for topics, and that with the room that a dead letter needs.
USUAL_BYTES, ROOMY_BYTES = 1_048_588, 1_060_588
PARTITIONS = 4


class World:
    """One healthy consumer and its topics on a real broker.

    :ivar topic, dlq, group: the names.
    :ivar tables: its configuration, as a TOML file has it.
    :ivar environment: the variables for the command.
    :ivar arguments: further ones for the command.
    :ivar installed: what this Python is said to be.
    """

    def __init__(self, broker, name, monkeypatch, directory):
        self.broker, self.topic, self.dlq, self.group = broker, name, f"{name}-dead", f"g-{name}"
        self.environment = {"TERMINATION_GRACE": "60"}
        self.arguments: list[str] = []
        self.installed = look()
        self.tables: dict[str, Any] = {
            "": {"handler": f"{HANDLERS}:handle", "topics": [name]},
            "consumer": {
                "bootstrap_servers": broker.bootstrap_servers,
                "group_id": self.group,
                "auto_offset_reset": "earliest",
                **PATIENT_CLIENT,
                "partition_assignment_strategy": [COOPERATIVE],
                "heartbeat_interval_ms": 300,
            },
            "parallel": {"workers": PARTITIONS},
            "batch": {},
            "plugins": [{"name": "dlq", "topic": self.dlq}],
        }
        self._dlq: dict[str, Any] | None = {"partitions": PARTITIONS, "max.message.bytes": ROOMY_BYTES}
        self._source: dict[str, Any] | None = {"partitions": PARTITIONS}
        self._members: list[KafkaConsumer] = []
        self._monkeypatch, self._directory = monkeypatch, directory
        self._others: dict[str, dict[str, Any]] = {}
        self._allowed: dict[str, list[str]] = {}

    # What a mistake may change

    def dlq_topic(self, **config):
        """Change the settings of the dead-letter topic; ``_`` stands for a dot."""
        self._dlq.update(_dotted(config))

    def no_dlq_topic(self):
        self._dlq = None

    def no_source(self):
        self._source = None

    def source(self, **config):
        self._source.update(_dotted(config))

    def other(self, name, **config):
        """Have a further topic."""
        self._others[name] = {"partitions": PARTITIONS, "max.message.bytes": ROOMY_BYTES, **_dotted(config)}

    def allow_only(self, name, *operations, kind=ResourceType.TOPIC):
        """Allow this user no more than *operations* with the topic *name*, or another *kind* of thing."""
        self._allowed[name] = kind, operations

    def join(self, *topics, assignor=COOPERATIVE, **config):
        """Let another member be in the group."""
        self._create()
        module, _, name = assignor.partition(":")
        strategy = getattr(__import__(module, fromlist=[name]), name)
        member = KafkaConsumer(
            *topics, bootstrap_servers=self.broker.bootstrap_servers, group_id=self.group,
            partition_assignment_strategy=[strategy], **config,
        )  # fmt: skip
        self._members.append(member)
        know_topics(member)
        for _ in range(600):
            member.poll(100)
            if member.assignment():
                return
        raise AssertionError("the other member got no partition")

    # The command

    def findings(self, *words):
        """Run the command; return its findings and its exit code."""
        self._create()
        path = self._directory / "kafka-parallel.toml"
        path.write_text("\n".join(_toml(self.tables)))
        self._monkeypatch.setattr("kafka_parallel.cli.check.look", lambda: self.installed)
        done = CliRunner().invoke(command(), [*words, "-c", str(path), "--json", *self.arguments], env=self.environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        lines = [line for line in done.stdout.splitlines() if line]
        return [json.loads(line) for line in lines], done.exit_code, done.output

    def close(self):
        for member in self._members:
            member.close()

    def _create(self):
        for name, config in {self.topic: self._source, self.dlq: self._dlq, **self._others}.items():
            if config is not None:
                settings = {key: str(value) for key, value in config.items() if key != "partitions"}
                self.broker.create_topic(name, config["partitions"], config=settings)
        self._source = self._dlq = None
        self._others.clear()
        self._allow()

    def _allow(self):
        if not self._allowed:
            return
        with closing(KafkaAdminClient(bootstrap_servers=self.broker.bootstrap_servers)) as admin:
            for name, (kind, operations) in self._allowed.items():
                pattern = ResourcePattern(kind, name)
                rules = [
                    ACL("User:ANONYMOUS", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)
                    for operation in operations
                ]
                admin.create_acls(rules)
                of_pattern = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)
                wait_for(partial(_holds, admin, of_pattern, len(rules)), "the rules to hold")
        self._allowed.clear()


def _holds(admin, of_pattern, count):
    return len(admin.describe_acls(of_pattern)[0]) >= count


def _dotted(config):
    return {name.replace("_", "."): value for name, value in config.items()}


def _toml(tables):
    """The lines of a file; JSON's texts, numbers and lists of them are TOML's."""
    for name, table in tables.items():
        listed = table if isinstance(table, list) else [table]
        for each in listed:
            if name:
                yield f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
            yield from (f"{key} = {json.dumps(value)}" for key, value in each.items())

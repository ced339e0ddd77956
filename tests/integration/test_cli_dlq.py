"""The command ``kafka-parallel dlq`` on a real broker: its output, its letters, its refusals."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys

import pytest
from kafka import KafkaProducer

from tests.integration.kafka_app import PATIENCE, PATIENT_CLIENT, consume, produce
from tests.integration.test_dlq import dead_letters
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker
COMMAND = [sys.executable, "-m", "kafka_parallel.cli", "dlq"]


def fail(record):
    raise ValueError(record.offset)


class Cluster:
    """A topic whose records have all become dead letters, and the command."""

    def __init__(self, broker, name, directory, config):
        self.bootstrap, self.name, self.dlq, self.directory = broker.bootstrap_servers, name, name + "-dlq", directory
        self._config = config

    def fail(self, count):
        def refuse(record):
            raise KeyError(record.offset) if record.offset % 3 else ValueError("no \x1b[31mamount")

        produced = produce(self.bootstrap, self.name, count)
        UntilCommitted(consume(self.bootstrap, self.name, "g-" + self.name), plugins=["dlq"]).run(refuse)
        return produced

    def start(self, *arguments):
        chooses = {"--bootstrap-servers", "--client-config"} & {*arguments}
        patience = () if chooses else ("--client-config", str(self._config))
        command = [*COMMAND, *arguments, *patience]
        return subprocess.Popen(
            command, cwd=self.directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap},
        )  # fmt: skip

    def run(self, *arguments, code=0):
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, errors
        return output if code == 0 else errors

    def replayed(self):
        """The places of the letters that were sent, each as often as it was."""
        records = dead_letters(self.bootstrap, self.name)
        marks = [dict(record.headers).get("kafka-parallel.replayed") for record in records]
        return sorted(tuple(map(int, mark.decode().split("/")[2:])) for mark in marks if mark)

    def letters(self):
        return [(record.partition, record.offset) for record in dead_letters(self.bootstrap, self.dlq)]


@pytest.fixture
def cluster(kafka_broker, topic, tmp_path, tmp_path_factory):
    name, config = topic(2), tmp_path_factory.mktemp("config") / "client.json"
    kafka_broker.create_topic(name + "-dlq", 2)
    config.write_text(json.dumps(PATIENT_CLIENT))
    return Cluster(kafka_broker, name, tmp_path, config)


def test_letters_are_listed_counted_and_shown(cluster):
    cluster.fail(30)

    listed = [json.loads(line) for line in cluster.run("ls", "--json").splitlines()]
    assert {"topic": cluster.dlq, "partitions": 2, "offsets": 30, "found_by": "name"} in listed
    assert cluster.name not in [row["topic"] for row in listed], "a topic of plain records is none of dead letters"
    assert cluster.dlq in cluster.run("ls", "--pattern", f"^{cluster.dlq}$")

    counts = json.loads(cluster.run("stats", cluster.dlq, "--json"))
    assert counts["total"] == 30
    assert sum(counts["exception"].values()) == 30
    assert set(counts["exception"]) == {"builtins.KeyError", "builtins.ValueError"}
    assert counts["topic"] == {cluster.name: 30}
    table = cluster.run("stats", cluster.dlq, "--by", "exception")
    assert "builtins.KeyError" in table
    assert "hour" not in table

    errors = counts["exception"]["builtins.ValueError"]
    shown = cluster.run("show", cluster.dlq, "--exception", "ValueError", "--limit", "99", "--stack-trace")
    assert shown.count(f"from:            {cluster.name}[") == errors
    assert "no \\x1b[31mamount" in shown
    assert "\x1b" not in shown, "data must not reach the terminal as commands"
    [letter] = [json.loads(line) for line in cluster.run("show", cluster.dlq, "--limit", "1", "--json").splitlines()]
    assert letter["says"]["topic"] == cluster.name
    assert letter["value"] == {"hex": b"x".hex(), "text": "x"}
    first = f"{letter['partition']}:{letter['offset']}"
    assert cluster.run("show", cluster.dlq, "--json", "--offset", first).count("\n") == 1
    assert cluster.run("show", cluster.dlq, "--json", "--until", "2020-01-01") == ""


def test_topics_with_names_of_their_own_are_listed_by_their_headers(kafka_broker, cluster, topic):
    retries, custom = topic(1), topic(2)
    produced = produce(cluster.bootstrap, cluster.name, 12)
    consumer = consume(cluster.bootstrap, cluster.name, "g-" + cluster.name)
    UntilCommitted(consumer, plugins=[("dlq", {"topic": custom})]).run(fail)
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap)
    producer.send(retries, b"v", headers=[("retry_topic-attempts", b"\0\0\0\1")]).get(timeout=PATIENCE)
    producer.close()

    listed = {row["topic"]: row for row in map(json.loads, cluster.run("ls", "--json").splitlines())}

    assert sum(len(keys) for keys in produced.keys.values()) == listed[custom]["offsets"] == 12
    assert listed[custom]["found_by"] == "headers"
    assert retries not in listed
    assert listed[cluster.dlq]["found_by"] == "name"
    assert custom not in cluster.run("ls", "--pattern", "-dlq$", "--json")


def test_show_says_how_many_more_there_are(cluster):
    cluster.fail(30)

    process = cluster.start("show", cluster.dlq, "--limit", "4", "--json", "--since", "1h")
    output, errors = process.communicate(timeout=PATIENCE)
    assert len(output.splitlines()) == 4
    assert "26 more: choose some of them, or raise --limit 4" in errors

    process = cluster.start("show", cluster.dlq, "--limit", "30")
    assert "more" not in process.communicate(timeout=PATIENCE)[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ls",),
        ("stats", "t-dlq"),
        ("show", "t-dlq"),
        ("replay", "t-dlq", "--to", "t", "--execute"),
        ("purge", "t-dlq", "--all", "--execute"),
    ],
)
def test_every_command_says_soon_that_no_broker_answers(cluster, arguments):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it listens, and says nothing
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        errors = cluster.run(*arguments, "--bootstrap-servers", address, code=3)

    assert f"no broker answered at {address} within 2 s" in errors
    assert list(cluster.directory.iterdir()) == []


def test_a_replay_is_a_dry_run_unless_told_otherwise_and_sends_the_very_records(cluster):
    produced = cluster.fail(30)
    before = {(r.partition, r.key, r.value) for r in dead_letters(cluster.bootstrap, cluster.name)}

    assert "nothing was sent" in cluster.run("replay", cluster.dlq, "--to", cluster.name)
    assert cluster.replayed() == []
    assert list(cluster.directory.iterdir()) == []

    assert "30 records were sent" in cluster.run("replay", cluster.dlq, "--to", cluster.name, "--execute")
    assert cluster.replayed() == cluster.letters()
    again = [r for r in dead_letters(cluster.bootstrap, cluster.name) if r.offset > max(produced.keys[r.partition])]
    assert {(r.partition, r.key, r.value) for r in again} == before
    assert {name for r in again for name, _ in r.headers} == {"kafka-parallel.replayed"}

    assert "0 records were sent" in cluster.run("replay", cluster.dlq, "--to", cluster.name, "--execute")
    assert cluster.replayed() == cluster.letters()


def test_a_replay_may_choose_and_keep_the_headers(cluster):
    cluster.fail(30)

    cluster.run("replay", cluster.dlq, "--to", cluster.name, "--exception", "KeyError", "--keep-headers", "--execute")

    sent = [r for r in dead_letters(cluster.bootstrap, cluster.name) if r.headers]
    assert 0 < len(sent) < 30
    assert {dict(r.headers)["kafka_dlt-exception-fqcn"] for r in sent} == {b"builtins.KeyError"}


def test_a_replay_keeps_to_its_rate(cluster):
    cluster.fail(30)

    cluster.run("replay", cluster.dlq, "--to", cluster.name, "--rate", "20", "--execute")

    sent = sorted(r.timestamp for r in dead_letters(cluster.bootstrap, cluster.name) if r.headers)
    assert len(sent) == 30
    for first, (earlier, later) in enumerate(zip(sent, sent[10:], strict=False)):
        assert later - earlier >= 10 * 50 - 2, first


def test_a_replay_that_is_killed_again_and_again_sends_nothing_twice(cluster):
    cluster.fail(300)
    chance = random.Random(6)
    kills, longest = 0, 1.0

    while True:
        process = cluster.start("replay", cluster.dlq, "--to", cluster.name, "--rate", "60", "--execute")
        try:
            process.communicate(timeout=longest + chance.random() * 2)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            longest *= 1.1  # on a busy machine one gets nowhere before it is killed
            continue
        assert process.returncode == 0
        break

    assert kills >= 2
    assert cluster.replayed() == cluster.letters()
    assert len(cluster.replayed()) == 300


def test_what_must_not_be_sent_is_refused_and_nothing_is(cluster):
    cluster.fail(5)
    forged = KafkaProducer(bootstrap_servers=cluster.bootstrap)
    forged.send(cluster.dlq, b"v", headers=[("__dlq.errors.topic", b"payroll")], partition=0).get(timeout=PATIENCE)
    forged.close()

    def refused(*arguments):
        return cluster.run("replay", cluster.dlq, *arguments, "--execute", code=2)

    assert "'payroll', which is not allowed by --to" in refused("--to", cluster.name)
    assert "dead-letter topic itself" in refused("--to", cluster.dlq)
    assert "there is no topic 'payroll'" in refused("--to", cluster.name, "--to", "payroll")
    assert "Missing option '--to'" in refused()
    book = cluster.directory / "book"
    book.write_text('{"bookmark_of": "other", "cluster": "c", "identity": "1"}\n')
    assert "belongs to topic 'other'" in refused("--to", cluster.name, "--bookmark", "book")
    assert "no-such/book cannot be opened" in refused("--to", cluster.name, "--bookmark", "no-such/book")
    assert "there is no topic 'no-such'" in cluster.run("stats", "no-such", code=2)
    for rate in ("0", "-1", "nan"):
        assert "--rate" in refused("--to", cluster.name, "--rate", rate)
    assert cluster.replayed() == []

    assert "5 records were sent" in cluster.run(
        "replay", cluster.dlq, "--to", cluster.name, "--topic", cluster.name, "--execute"
    )


def test_a_bookmark_of_an_earlier_topic_or_another_cluster_is_refused(cluster):
    cluster.fail(5)
    cluster.run("replay", cluster.dlq, "--to", cluster.name, "--offset", "0:0", "--bookmark", "book", "--execute")
    book = cluster.directory / "book"
    head, *rest = book.read_text().splitlines(keepends=True)

    def refused(text):
        book.write_text(text)
        arguments = ("replay", cluster.dlq, "--to", cluster.name, "--bookmark", "book")
        errors = cluster.run(*arguments, code=2)
        assert cluster.run(*arguments, "--execute", code=2) == errors
        assert book.read_text() == text
        return errors

    sent = len(cluster.replayed())
    later = f"{head}{json.dumps({'sent': [[1, 5000]]})}\n"
    assert f"knows of {cluster.dlq}[1]@5000, but the topic ends at" in refused(later)
    elsewhere = json.dumps({**json.loads(head), "cluster": "elsewhere"}) + "\n" + "".join(rest)
    assert "of cluster 'elsewhere', not to" in refused(elsewhere)
    assert len(cluster.replayed()) == sent


def test_what_is_no_dead_letter_is_not_purged(cluster):
    cluster.fail(5)

    for arguments in (("--all",), ("--all", "--execute"), ("--until", "2100-01-01", "--execute")):
        errors = cluster.run("purge", cluster.name, *arguments, code=2)
        assert f"@0 has no header that tells of a failure, so '{cluster.name}' may be no dead-letter topic" in errors
    assert len(dead_letters(cluster.bootstrap, cluster.name)) == 5

    assert "5 offsets were deleted" in cluster.run("purge", cluster.name, "--all", "--unchecked", "--execute")
    assert dead_letters(cluster.bootstrap, cluster.name) == []


def test_letters_are_purged_from_the_beginning(cluster):
    cluster.fail(30)

    assert "choose the letters to delete" in cluster.run("purge", cluster.dlq, code=2)
    assert "nothing was deleted" in cluster.run("purge", cluster.dlq, "--all")
    cluster.run("purge", cluster.dlq, "--until", "2020-01-01", "--execute")
    assert len(cluster.letters()) == 30
    assert "30 offsets were deleted" in cluster.run("purge", cluster.dlq, "--all", "--execute")
    assert json.loads(cluster.run("stats", cluster.dlq, "--json"))["total"] == 0


def test_no_broker_and_no_secret(cluster, tmp_path):
    settings = tmp_path / "client.json"
    settings.write_text(json.dumps({"sasl_plain_password": "hush"}))

    errors = cluster.run("ls", "--bootstrap-servers", "127.0.0.1:1", "--client-config", str(settings), code=3)

    assert "no broker answered at 127.0.0.1:1" in errors
    assert "hush" not in errors
    settings.write_text(json.dumps({"sasl_pasword": "hush"}))
    errors = cluster.run("ls", "--client-config", str(settings), code=2)
    assert "'sasl_pasword'" in errors
    assert "hush" not in errors

"""The command ``kafka-parallel run`` on a real broker: what it handles, commits and returns, and how it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition

from kafka_parallel.testing.history import Produced
from tests.integration.kafka_app import KEYS, PATIENCE, committed, ends, observer, produce, wait_for

pytestmark = pytest.mark.broker

COMMAND = Path(sys.executable).with_name("kafka-parallel")
# Each function notes what it is called with, as one line of a file that several processes may write.
APP = """
import logging, os, threading

def note(records):
    line = " ".join(f"{record.partition}/{record.offset}" for record in records)
    file = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\\n".encode())
    os.close(file)

def handle(record):
    note([record])

async def handle_async(record):
    note([record])

def handle_batch(records):
    note(records)

def fail(record):
    logging.getLogger("billing").warning("no amount")
    raise ValueError("no amount")

def hang(record):
    note([record])
    threading.Event().wait()

def wait(record):
    note([record])
    threading.Event().wait(0.5)
"""


class Shell:
    """The folder of an application, and the command in it.

    :ivar seen: the file of what its handlers were called with.
    """

    def __init__(self, bootstrap, topic, folder):
        self.bootstrap, self.topic, self.group, self.folder = bootstrap, topic, f"g-{topic}", folder
        self.seen = folder / "seen"
        (folder / "billing.py").write_text(APP)
        (folder / "kafka-parallel.toml").write_text(
            f'topics = ["{topic}"]\n[consumer]\nbootstrap_servers = "{bootstrap}"\ngroup_id = "{self.group}"\n'
            'auto_offset_reset = "earliest"\nsession_timeout_ms = 10000\nheartbeat_interval_ms = 1000\n'
            'metadata_max_age_ms = 5000\n[parallel]\nworkers = 8\n'
        )  # fmt: skip

    @contextmanager
    def started(self, *arguments, **environment):
        process = subprocess.Popen(
            [COMMAND, "run", *arguments], cwd=self.folder, text=True,
            stderr=subprocess.PIPE, env={**os.environ, "SEEN": str(self.seen), **environment},
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, *arguments, code=0, **environment):
        with self.started(*arguments, **environment) as process:
            return ended(process, code)

    def lines(self):
        return self.seen.read_text().splitlines() if self.seen.exists() else []

    def places(self):
        """The partition and offset of each handled record, in order of both."""
        found = [tuple(map(int, place.split("/"))) for line in self.lines() for place in line.split()]
        return sorted(found)


def ended(process, code):
    """Wait for the end of *process*; return its standard error."""
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, errors
    return errors


def places_of(produced):
    return sorted((partition, offset) for partition, keys in produced.keys.items() for offset in keys)


@pytest.fixture
def shell(kafka_broker, topic, tmp_path):
    return Shell(kafka_broker.bootstrap_servers, topic(4), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["billing:handle"], {}),
        (["billing:handle_async"], {}),
        (["billing:handle_batch", "--batch", "20"], {}),
        (["billing:handle", "--workers", "2"], {"KAFKA_PARALLEL__EXECUTOR": "process-pool"}),
    ],
)
def test_once_handles_all_commits_and_ends_and_the_next_time_finds_nothing(shell, arguments, environment):
    produced = produce(shell.bootstrap, shell.topic, 200, keys=KEYS[:10])

    shell.run(*arguments, "--once", **environment)

    assert shell.places() == places_of(produced)
    assert committed(shell.bootstrap, shell.group, produced) == ends(produced)
    if arguments == ["billing:handle"]:
        shell.run(*arguments, "--once")
        assert len(shell.places()) == 200


def test_once_ends_at_empty_logs_and_at_one_that_was_emptied(shell):
    produced = produce(shell.bootstrap, shell.topic, 40, keys=KEYS[:10])
    emptied = min(produced.keys)
    delete_below(shell.bootstrap, TopicPartition(shell.topic, emptied), ends(produced)[emptied])

    shell.run("billing:handle", "--once")

    assert shell.places() == [place for place in places_of(produced) if place[0] != emptied]


def delete_below(bootstrap, partition, offset):
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_records({partition: offset})
    admin.close()


@pytest.mark.skipif("transactional_id" not in KafkaProducer.DEFAULT_CONFIG, reason="2.2 has no transactions")
def test_once_passes_the_markers_of_transactions_at_the_end(shell):
    producer = KafkaProducer(bootstrap_servers=shell.bootstrap, transactional_id=shell.topic)
    producer.init_transactions()
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        for number in range(4):
            producer.send(shell.topic, b"x", partition=number)
        producer.flush()
        end()
    producer.close()

    shell.run("billing:handle", "--once", KAFKA_PARALLEL__CONSUMER__ISOLATION_LEVEL="read_committed")

    assert shell.places() == [(number, 0) for number in range(4)]


def test_members_share_a_run_to_the_end_and_one_without_partitions_ends_too(shell):
    produced = produce(shell.bootstrap, shell.topic, 2_000, keys=KEYS)

    with shell.started("billing:handle", "--once") as first, shell.started("billing:handle", "--once") as second:
        others = [shell.started("billing:handle", "--once") for _ in range(3)]
        entered = [other.__enter__() for other in others]
        for process in (first, second, *entered):
            ended(process, 0)
        for other in others:
            other.__exit__(None, None, None)

    assert set(shell.places()) == set(places_of(produced))
    assert committed(shell.bootstrap, shell.group, produced) == ends(produced)


def test_a_topic_that_is_not_there_is_refused(shell):
    errors = shell.run("billing:handle", "--once", "--topic", f"{shell.topic}-absent", code=2)

    assert f"there is no topic {shell.topic}-absent" in errors


def test_sigterm_lets_running_records_finish_and_commits_them(shell):
    produced = produce(shell.bootstrap, shell.topic, 500, keys=KEYS)

    with shell.started("billing:wait") as process:
        wait_for(lambda: len(shell.lines()) >= 8, "the handlers to begin")
        process.send_signal(signal.SIGTERM)
        ended(process, 0)

    found = committed(shell.bootstrap, shell.group, produced)
    assert sum(found.values()) == len(shell.places()) < 500


def test_a_second_sigterm_gives_running_records_up(shell):
    produced = produce(shell.bootstrap, shell.topic, 20, keys=KEYS)

    with shell.started("billing:hang") as process:
        wait_for(lambda: len(shell.lines()) >= 8, "the handlers to begin")
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: "stopping because of SIGTERM" in process.stderr.readline(), "the stop to begin")
        process.send_signal(signal.SIGTERM)
        ended(process, 75)

    assert sum(committed(shell.bootstrap, shell.group, produced).values()) == 0


def test_a_record_that_fails_ends_it_and_json_lines_name_the_record(shell):
    produced = Produced(shell.topic, {0: {0: None}})
    producer = KafkaProducer(bootstrap_servers=shell.bootstrap)
    producer.send(shell.topic, b"x", partition=0).get(timeout=PATIENCE)
    producer.close()

    errors = shell.run("billing:fail", "--log-format", "json", code=1)

    lines = [json.loads(line) for line in errors.splitlines()]
    (own,) = [line for line in lines if line["logger"] == "billing"]
    assert own["message"] == "no amount"
    assert (own["kafka_topic"], own["kafka_partition"], own["kafka_offset"]) == (shell.topic, 0, 0)
    (last,) = [line for line in lines if line["message"].startswith("the run has failed")]
    assert last["error"].endswith("ValueError: no amount")
    assert committed(shell.bootstrap, shell.group, produced) == {0: 0}


def test_a_plugin_of_a_flag_is_used(shell, kafka_broker):
    kafka_broker.create_topic(f"{shell.topic}-dlq", 4)
    produced = produce(shell.bootstrap, shell.topic, 10, keys=KEYS)

    shell.run("billing:fail", "--once", "-p", "dlq")

    assert committed(shell.bootstrap, shell.group, produced) == ends(produced)
    with observer(shell.bootstrap, "dlq") as consumer:
        letters = consumer.end_offsets([TopicPartition(f"{shell.topic}-dlq", number) for number in range(4)])
    assert sum(letters.values()) == 10

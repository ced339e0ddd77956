"""The service of the tutorial runs as the page says, through a stop, a kill and a restart; the page shows its code."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.integration.kafka_app import wait_for

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "examples" / "tutorial"
PAGE = ROOT / "docs" / "tutorial.md"
IDLE = ("--idle-ms", 6000)


class Service:
    """The programs of the tutorial, on one topic and one ledger."""

    def __init__(self, broker, topic, folder):
        self.broker, self.topic, self.ledger = broker, topic, folder / "ledger.db"

    def command(self, program, *arguments):
        given = ["--bootstrap-servers", self.broker.bootstrap_servers, "--topic", self.topic, *arguments]
        given += [] if program == "orders.py" else ["--ledger", self.ledger]
        return [sys.executable, str(PROGRAMS / program), *map(str, given)]

    def run(self, program, *arguments):
        done = subprocess.run(
            self.command(program, *arguments), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def started(self, *arguments):
        process = subprocess.Popen(self.command("billing.py", *arguments))
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def rows(self, query):
        if not self.ledger.exists():
            return []
        database = sqlite3.connect(self.ledger)
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError:  # the table is about to be made
            return []
        finally:
            database.close()

    @property
    def charged(self):
        return len(self.rows("SELECT number FROM charges"))

    @property
    def repeats(self):
        return sum(times - 1 for (times,) in self.rows("SELECT times FROM charges"))

    def numbers_by_customer(self):
        found = {}
        for customer, number in self.rows("SELECT customer, number FROM charges ORDER BY charged_at"):
            found.setdefault(customer, []).append(number)
        return found


def stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0


@pytest.fixture
def service(kafka_broker, topic, tmp_path):
    name = topic(3)
    kafka_broker.create_topic(f"{name}-dlq", 1)
    return Service(kafka_broker, name, tmp_path)


@pytest.mark.broker
def test_the_poll_loop_charges_every_order(service):
    service.run("orders.py", "--count", 50)

    assert "50 orders charged" in service.run("poll_loop.py")


@pytest.mark.broker
def test_a_stop_and_a_restart_repeat_nothing_and_keep_the_order(service):
    service.run("orders.py", "--count", 2000)

    with service.started("--outage", 0.02) as process:
        wait_for(lambda: service.charged >= 200, "some orders to be charged")
        stop(process)
    before = service.charged
    with service.started("--outage", 0.02) as process:
        wait_for(lambda: service.charged == 2000, "the other orders to be charged")
        stop(process)

    assert before < 2000
    assert service.repeats == 0
    assert all(numbers == sorted(numbers) for numbers in service.numbers_by_customer().values())


@pytest.mark.broker
def test_a_kill_repeats_a_bounded_number_and_charges_each_order_once(service):
    service.run("orders.py", "--count", 2000)

    with service.started() as process:
        wait_for(lambda: service.charged >= 200, "some orders to be charged")
        process.kill()
    with service.started() as process:
        wait_for(lambda: service.charged == 2000, "the other orders to be charged")
        stop(process)

    assert service.rows("SELECT sum(amount) FROM charges") == [(sum(number % 7 + 1 for number in range(2000)),)]
    assert service.repeats <= 3 * 500  # max_uncommitted, of each partition


@pytest.mark.broker
def test_orders_that_cannot_be_read_become_dead_letters(service):
    service.run("orders.py", "--broken", "--count", 5)
    service.run("orders.py", "--count", 100)

    assert "100 orders charged" in service.run("billing.py", *IDLE)

    reader = KafkaConsumer(bootstrap_servers=service.broker.bootstrap_servers)
    letters = TopicPartition(f"{service.topic}-dlq", 0)
    assert reader.end_offsets([letters]) == {letters: 5}
    reader.close()


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE))
def test_the_page_shows_the_code_that_runs(code):
    assert any(unindented(code) in unindented(program.read_text()) for program in PROGRAMS.glob("*.py"))


def unindented(code):
    return "\n".join(line.strip() for line in code.strip().splitlines())

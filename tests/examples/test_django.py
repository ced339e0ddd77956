"""The example project with Django: its command through a SIGTERM, a restart, a reload, and mistakes in its settings."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.examples.services import EXAMPLES, Service, Topic, check_restart_and_sigterm
from tests.integration.kafka_app import wait_for

PROJECT = EXAMPLES / "django"
# Seconds in which a process is restarted and handles a record, on a busy machine too.
AGAIN_S = 20.0


def rows(database):
    with sqlite3.connect(database, timeout=60) as connection:
        return connection.execute("select topic_partition, topic_offset from billing_invoice").fetchall()


def is_changed(orders, database, source):
    """Tell whether a record was billed twice its amount.

    The others may be done too soon, so each question produces one more. Django sees only changes that come after its
    first look at the files, and a busy machine handles records before that: the source is changed again and again.
    """
    orders.add(1)
    if time.time() - source.stat().st_mtime > AGAIN_S:
        source.touch()
    with sqlite3.connect(database, timeout=60) as connection:
        return bool(connection.execute("select 1 from billing_invoice where amount = 40").fetchall())


@pytest.fixture
def service(kafka_broker, topic, tmp_path):
    """The project with a database of its own, and a topic full of orders."""
    orders = Topic(kafka_broker.bootstrap_servers, topic(2), "django")
    environment = {**orders.environment, "DATABASE": str(tmp_path / "billing.db")}
    made = Service(["manage.py", "migrate"], environment, list, PROJECT)
    with made.running() as process:
        assert process.wait(120) == 0
    command = ["manage.py", "runconsumers", "billing"]
    return Service(command, environment, lambda: rows(tmp_path / "billing.db"), PROJECT), orders


@pytest.mark.broker
def test_the_command_through_a_sigterm_and_a_restart(service):
    check_restart_and_sigterm(*service)


@pytest.mark.broker
def test_a_change_of_the_source_restarts_it_in_good_order(service, tmp_path):
    billing, orders = service
    copy = tmp_path / "project"
    subprocess.run(["cp", "-r", str(PROJECT), str(copy)], check=True)
    reloaded = Service([*billing.command[1:], "--autoreload"], billing.environment, billing.done, copy)
    lines, database = tmp_path / "log", billing.environment["DATABASE"]

    with (
        lines.open("w") as log,
        subprocess.Popen(
            reloaded.command, cwd=copy, env={**reloaded.environment, "DJANGO_LOG": "1"}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            wait_for(lambda: len(reloaded.done()) >= 20, "the first effects")
            handlers = copy / "billing" / "handlers.py"
            handlers.write_text(handlers.read_text().replace("int(record.value)", "2 * int(record.value)"))
            wait_for(lambda: is_changed(orders, database, handlers), "an effect of the changed handler")
            wait_for(lambda: orders.places <= set(reloaded.done()), "the effects of all records")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    assert sorted(reloaded.done()) == sorted(orders.places), "a reload repeats nothing"


CORRECT = {"HANDLER": "billing.handlers.bill", "TOPICS": ["orders"], "CONSUMER": {"bootstrap_servers": "localhost:1"}}


@pytest.mark.parametrize(
    ("setting", "texts"),
    [
        (None, ["KAFKA_PARALLEL in the settings is None: it must name consumers"]),
        ({"biling": CORRECT}, ["KAFKA_PARALLEL has no consumer 'billing' (did you mean 'biling'?)"]),
        (
            {"billing": {**CORRECT, "HANDLER": "billing.handlers.bil", "TOPIC": "orders"}},
            [
                "KAFKA_PARALLEL['billing'] has the unknown key 'TOPIC' (did you mean 'TOPICS'?)",
                "KAFKA_PARALLEL['billing']['HANDLER'] is 'billing.handlers.bil', which cannot be imported",
            ],
        ),
        (
            {"billing": {"TOPICS": "orders"}},
            ["has no 'HANDLER'", "['TOPICS'] is 'orders': it must be a list or a tuple"],
        ),
        (
            {"billing": {**CORRECT, "CONSUMER": {"bootstrap_server": "x"}}},
            ["['CONSUMER'] has the unknown key 'bootstrap_server' (did you mean 'bootstrap_servers'?)"],
        ),
        ({"billing": {**CORRECT, "HANDLER": "billing.models.Invoice.nothing"}}, ["cannot be imported"]),
    ],
)
def test_mistakes_in_the_settings_are_named_at_the_start(tmp_path, setting, texts):
    (tmp_path / "wrong.py").write_text(f"from service.settings import *\nKAFKA_PARALLEL = {setting!r}\n")
    environment = {"DJANGO_SETTINGS_MODULE": "wrong", "PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    command = [sys.executable, "manage.py", "runconsumers", "billing"]

    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr


def test_manage_py_check_finds_the_same_mistakes(tmp_path):
    (tmp_path / "wrong.py").write_text("from service.settings import *\nKAFKA_PARALLEL = {'billing': {}}\n")
    environment = {"DJANGO_SETTINGS_MODULE": "wrong", "PYTHONPATH": f"{tmp_path}:{PROJECT}"}
    command = [sys.executable, "manage.py", "check"]

    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "(kafka_parallel.E001) KAFKA_PARALLEL['billing'] has no 'HANDLER'" in done.stderr

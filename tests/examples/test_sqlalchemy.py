"""The example with SQLAlchemy sessions, through a SIGTERM and a restart."""

from __future__ import annotations

import sqlite3

import pytest

from tests.examples.services import Service, Topic, check_restart_and_sigterm


@pytest.mark.broker
def test_sessions_of_workers_through_a_sigterm_and_a_restart(kafka_broker, topic, tmp_path):
    orders = Topic(kafka_broker.bootstrap_servers, topic(2), "sqlalchemy")
    database = tmp_path / "payments.db"

    def done():
        try:
            with sqlite3.connect(database, timeout=60) as connection:
                return connection.execute("select topic_partition, topic_offset from payments").fetchall()
        except sqlite3.OperationalError:  # the program has not made the table yet
            return []

    environment = {**orders.environment, "DATABASE_URL": f"sqlite:///{database}?timeout=60"}
    check_restart_and_sigterm(Service(["sqlalchemy_sessions.py"], environment, done), orders)

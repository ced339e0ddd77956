"""The services of examples/migrations as processes: each with its orders, its API and its effects."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
from collections import Counter
from pathlib import Path

from kafka_parallel.testing.broker import Broker
from tests.examples.http_api import Api
from tests.examples.services import EXAMPLES, Place, Service, Topic
from tests.integration.kafka_app import wait_for

MIGRATIONS = EXAMPLES / "migrations"
PROGRAMS = ["fastapi_service", "django_command", "asyncio_http"]
COUNT = 300


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def rows(database: Path, table: str) -> list[Place]:
    try:
        with sqlite3.connect(database, timeout=60) as connection:
            return connection.execute(f"select topic_partition, topic_offset from {table}").fetchall()
    except sqlite3.OperationalError:  # the service has not made the table yet
        return []


class Migration:
    """One of the programs, before or after it was migrated, and a topic full of orders for it.

    :param name: one of `PROGRAMS`.
    :param side: ``"before"`` or ``"after"``.
    :param folder: an empty one, for its database.
    """

    def __init__(self, name: str, side: str, broker: Broker, topic: str, api: Api, folder: Path) -> None:
        self.name, self.side, self.folder, self.api = name, side, folder, api
        self.orders = Topic(broker.bootstrap_servers, topic, topic, COUNT)
        self.environment = {**self.orders.environment, "API": api.url, "DATABASE": str(folder / "db")}
        self.service: Service = getattr(self, f"_{name}")()

    def another(self) -> Service:
        """Return the command of a second instance."""
        return self._fastapi_service() if self.name == "fastapi_service" else self.service

    def code(self, number: int) -> int:
        """Return the exit code of a stop in good order: uvicorn ends by the SIGTERM that it has handled."""
        return -number if self.name == "fastapi_service" and number == signal.SIGTERM else 0

    def wait_for_effects(self, count: int = 20) -> None:
        wait_for(lambda: len(self.service.done()) >= count, f"{count} effects")

    def wait_until_all_is_done(self) -> None:
        wait_for(lambda: self.orders.places <= set(self.service.done()), "the effects of all records")

    def repeated(self) -> set[Place]:
        return {place for place, times in Counter(self.service.done()).items() if times > 1}

    def check_that_each_effect_happened_once(self) -> None:
        assert self.orders.uncommitted() == 0
        assert sorted(self.service.done()) == sorted(self.orders.places)

    def _fastapi_service(self) -> Service:
        command = ["-m", "uvicorn", "fastapi_service:app", "--port", str(free_port()), "--log-level", "warning"]
        return Service(command, self.environment, lambda: rows(self.folder / "db", "payments"), MIGRATIONS / self.side)

    def _django_command(self) -> Service:
        """Return the command, in a copy of the example project."""
        project = self.folder / "project"
        shutil.copytree(EXAMPLES / "django", project)
        commands = project / "billing" / "management" / "commands"
        commands.mkdir(parents=True)
        shutil.copy(MIGRATIONS / self.side / "django_command.py", commands / "bill_orders.py")
        with Service(["manage.py", "migrate"], self.environment, list, project).running() as process:
            assert process.wait(120) == 0
        command = ["manage.py", "bill_orders"]
        return Service(command, self.environment, lambda: rows(self.folder / "db", "billing_invoice"), project)

    def _asyncio_http(self) -> Service:
        return Service(["asyncio_http.py"], self.environment, lambda: list(self.api.taken), MIGRATIONS / self.side)

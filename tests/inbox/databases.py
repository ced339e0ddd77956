"""Fixtures of databases: one server of each kind for all tests of a session, a fresh table for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kafka_parallel import inbox
from tests.inbox import servers
from tests.inbox.drivers import Database, execute

EFFECTS = ("effects", "refused")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    with servers.mariadb() as url:
        yield url


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    with servers.redis_server() as port:
        yield port


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'effects.db'}"


@pytest.fixture
def database(request, dialect) -> Database:
    """A database of *dialect* with an empty inbox, and empty tables of effects and of those that were left out."""
    found = Database(dialect, request.getfixturevalue(f"{dialect}_url"))
    for table in (inbox.TABLE, *EFFECTS):
        execute(found, f"DROP TABLE IF EXISTS {table}")
    for statement in inbox.ddl(dialect).split(";"):
        if statement.strip():
            execute(found, statement)
    for table in EFFECTS:
        execute(found, f"CREATE TABLE {table} (place varchar(300), member varchar(50))")
    return found

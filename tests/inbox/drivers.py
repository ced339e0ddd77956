"""A connection to each kind of database through each of its drivers, by URL."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

DRIVERS = {
    "sqlite": ("sqlite3",),
    "postgres": ("psycopg", "psycopg2", "pg8000"),
    "mysql": ("pymysql", "mysql.connector"),
}
# How a parameter is written, for the first of them.
PLACE = {"sqlite": "?", "postgres": "%s", "mysql": "%s"}
ALL = [(dialect, driver) for dialect, drivers in DRIVERS.items() for driver in drivers]


class Database(NamedTuple):
    """One database.

    :ivar dialect: its kind.
    :ivar url: its address.
    """

    dialect: str
    url: str


def connect(database: Database, driver: str | None = None, **options: Any) -> Any:
    """Open a connection, through the first of the drivers if none is named."""
    name = driver or DRIVERS[database.dialect][0]
    if name == "sqlite3":
        import sqlite3

        return sqlite3.connect(database.url.removeprefix("sqlite:///"), check_same_thread=False, **options)
    if name in ("psycopg", "psycopg2"):
        return pytest.importorskip(name).connect(database.url, **options)
    parts = urlsplit(database.url)
    where = {"host": parts.hostname, "port": parts.port, "user": parts.username, "database": parts.path[1:]}
    return pytest.importorskip(f"{name}.dbapi" if name == "pg8000" else name).connect(**where, **options)


def execute(database: Database, statement: str) -> None:
    """Run *statement* in a transaction of its own."""
    with closing(connect(database)) as connection:
        connection.cursor().execute(statement)
        connection.commit()


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with closing(connect(database)) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]

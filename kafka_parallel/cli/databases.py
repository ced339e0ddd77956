"""A connection to a database by its URL, through whichever driver is installed.

The URL may hold a password and is in no message.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import click

__all__ = ()

NO_DATABASE = 3
DRIVERS = {"postgresql": ("psycopg", "psycopg2", "pg8000.dbapi"), "mysql": ("pymysql", "MySQLdb", "mysql.connector")}
# The same by the names that pip knows.
DISTRIBUTIONS = {
    "postgresql": "psycopg (or psycopg2, pg8000)",
    "mysql": "PyMySQL (or mysqlclient, mysql-connector-python)",
}
SAME = {"postgres": "postgresql", "mariadb": "mysql"}
FORMS = "write postgresql://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME or sqlite:///PATH"


class NoDatabase(click.ClickException):
    """The database did not answer, or refused the connection."""

    exit_code = NO_DATABASE


class Failed(click.ClickException):
    """The database refused a statement. Its text is shown: it is about the statement."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the database failed: {type(error).__name__}: {error}")


def connect(url: str) -> Any:
    """Open a connection.

    :raises click.UsageError: the URL is none, or there is no driver for it.
    :raises NoDatabase: the database cannot be reached.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise click.UsageError(f"--database is no URL: {FORMS}") from None
    scheme = SAME.get(parts.scheme, parts.scheme)
    if scheme == "sqlite":
        return _sqlite(parts)
    if scheme not in DRIVERS or not parts.hostname or not parts.path.strip("/"):
        raise click.UsageError(f"--database is no URL of a database that is known: {FORMS}")
    name, driver = _driver(scheme)
    try:
        return driver.connect(url) if name.startswith("psycopg") else driver.connect(**_arguments(parts))
    except driver.Error as error:
        raise NoDatabase(f"the database at {parts.hostname} failed: {type(error).__name__}") from error


def _sqlite(parts: SplitResult) -> Any:
    import sqlite3

    path = Path(unquote(parts.path).removeprefix("/"))
    if parts.netloc:
        raise click.UsageError(f"--database names no file of SQLite: {FORMS}")
    if not path.is_file():
        where = "" if path.is_absolute() else f" in {str(Path.cwd())!r}"
        raise click.UsageError(f"--database names no file of SQLite: there is no {str(path)!r}{where}")
    return sqlite3.connect(path)


def _driver(scheme: str) -> tuple[str, Any]:
    for name in DRIVERS[scheme]:
        try:
            return name, importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise click.UsageError(f"no driver for {scheme} is installed: pip install {DISTRIBUTIONS[scheme]}")


def _arguments(parts: SplitResult) -> dict[str, Any]:
    found = {
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username,
        "password": None if parts.password is None else unquote(parts.password),
        "database": unquote(parts.path[1:]),
    }
    if found["user"] is not None:
        found["user"] = unquote(str(found["user"]))
    return {name: value for name, value in found.items() if value is not None}

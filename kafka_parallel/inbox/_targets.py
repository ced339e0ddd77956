"""Whose transaction is this, which dialect does it speak, and how are its statements run?

Objects are known by their methods, and by the module that their class comes from, so that no driver and no ORM is
imported. An object that stands for another, as tracers put around cursors, has the class of that one.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from kafka_parallel.errors import ConfigurationError
from kafka_parallel.inbox._autocommit import commits_alone, may_commit_by_release
from kafka_parallel.inbox._driver_errors import says_duplicate, says_no_table
from kafka_parallel.inbox._sql import BY_NAME, TABLE, Dialect, written

__all__ = ()

# The first part of the module of a driver's cursors, or the name that Django or SQLAlchemy has for it.
DIALECT_OF = {
    **dict.fromkeys(("psycopg", "psycopg2", "psycopg2cffi", "pg8000", "postgresql"), "postgres"),
    **dict.fromkeys(("pymysql", "MySQLdb", "mysql", "mariadb"), "mysql"),
    **dict.fromkeys(("sqlite3", "pysqlite3", "sqlcipher3", "sqlite"), "sqlite"),
}
# Connector/Python has one of the first two; pg8000 has the third, and warns of the last.
CONNECTION_OF_CURSOR = ("_connection", "_cnx", "_c", "connection")
MEANT = (
    "give a cursor or a connection of a driver for PostgreSQL, MySQL or SQLite, a connection or an alias of Django, "
    "or a Connection or a Session of SQLAlchemy"
)


class Access(Protocol):
    """One transaction of a database.

    :ivar dialect: which statements it takes.
    """

    dialect: str

    def perform(self, statement: str, parameters: Sequence[Any]) -> tuple[int, Any]:
        """Run *statement*; return the number of its rows, and the first value of its first row if it has any."""

    def commits_alone(self) -> bool:
        """Tell whether a statement would be committed by itself."""

    def commits_by_release(self) -> bool:
        """Tell whether releasing the open savepoint would commit the transaction."""


class Target:
    """The inbox in one database.

    :param access: the transaction.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._sql: Dialect = BY_NAME[access.dialect]
        self.commits_alone = access.commits_alone
        self.commits_by_release = access.commits_by_release

    def insert(self, consumer: str, identity: str) -> bool:
        """Note *identity* for *consumer*; false if it was noted before."""
        try:
            count, _ = self._run(self._sql.insert, [self._sql.id_parameter(text) for text in (consumer, identity)])
        except Exception as error:
            if says_duplicate(error):  # Connector/Python with raise_on_warnings
                return False
            raise
        if count not in (0, 1):
            raise ConfigurationError(
                f"the driver says that {count} rows were inserted, so it is not known whether the record is handled "
                "for the first time: give a plain cursor, in no pipeline"
            )
        return count == 1

    def count(self, seconds: float) -> int:
        """How many ids are older."""
        return int(self._run(self._sql.count_older, [seconds])[1])

    def purge(self, seconds: float, max_rows: int) -> int:
        """Delete at most *max_rows* that are older."""
        return self._run(self._sql.delete_older, [seconds, max_rows])[0]

    def _run(self, statement: str, parameters: Sequence[Any]) -> tuple[int, Any]:
        try:
            return self._access.perform(statement, parameters)
        except Exception as error:
            if not says_no_table(error):
                raise
            raise ConfigurationError(
                f"the database has no table {TABLE}: create it with the statements of "
                f"kafka-parallel inbox ddl --dialect {self._access.dialect}"
            ) from error


def target_of(database: Any) -> Target:
    """Find out what *database* is.

    :raises ConfigurationError: nothing that has a transaction, or that of a database that is not known.
    """
    if isinstance(database, str) and ("/" in database or database.endswith(".db")):
        raise _misfit(database, f"{database!r} is a path or a URL: connect, and give the connection")
    if isinstance(database, str):
        return Target(_DjangoAccess(_django_connection(database)))
    if hasattr(database, "run_sync"):
        raise _misfit(database, "write await database.run_sync(first_time, record, consumer=...)")
    if hasattr(database, "vendor") and hasattr(database, "in_atomic_block"):
        return Target(_DjangoAccess(database))
    if hasattr(database, "cursor") and hasattr(getattr(database, "db", None), "vendor"):
        return Target(_DjangoAccess(database.db))
    if hasattr(database, "get_bind") and callable(getattr(database, "connection", None)):
        database = database.connection()  # of SQLAlchemy's Session
    if hasattr(database, "exec_driver_sql"):
        return Target(_AlchemyAccess(database))
    return Target(_DriverAccess(database))


class _DriverAccess:
    """A cursor or a connection of a DB-API driver."""

    def __init__(self, database: Any) -> None:
        is_connection = hasattr(database, "cursor") and hasattr(database, "commit")
        self._cursor = None if is_connection else database
        self._connection = database if is_connection else _connection_of(database)
        work = getattr(database, "cursor" if is_connection else "execute", None)
        if not callable(work):
            raise _misfit(database)
        if "Async" in database.__class__.__name__ or inspect.iscoroutinefunction(work):
            raise _misfit(database, "it works by await: give a plain one, or a Session of SQLAlchemy by run_sync()")
        self.dialect, self._paramstyle = _driver_of(database)

    def perform(self, statement: str, parameters: Sequence[Any]) -> tuple[int, Any]:
        if self._cursor is not None:
            return _answer_of(self._cursor, statement, parameters, self._paramstyle)
        cursor = self._connection.cursor()
        try:
            return _answer_of(cursor, statement, parameters, self._paramstyle)
        finally:
            cursor.close()

    def commits_alone(self) -> bool:
        return self._connection is not None and commits_alone(self.dialect, self._connection)

    def commits_by_release(self) -> bool:
        return False  # no driver tells of savepoints


class _DjangoAccess:
    """A connection of Django."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.dialect = _dialect(connection.vendor)

    def perform(self, statement: str, parameters: Sequence[Any]) -> tuple[int, Any]:
        with self._connection.cursor() as cursor:
            return _answer_of(cursor, statement, parameters, "format")

    def commits_alone(self) -> bool:
        return self._connection.get_autocommit() and not self._connection.in_atomic_block

    def commits_by_release(self) -> bool:
        return False  # Django begins a transaction of its own


class _AlchemyAccess:
    """A Connection of SQLAlchemy."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.dialect = _dialect(connection.dialect.name)

    def perform(self, statement: str, parameters: Sequence[Any]) -> tuple[int, Any]:
        from sqlalchemy import text

        sql, values = written(statement, parameters, "named")
        with nullcontext(self._connection.execute(text(sql), values)) as result:
            return (-1, result.scalar()) if result.returns_rows else (result.rowcount, None)

    def commits_alone(self) -> bool:
        if self._connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return True
        pooled = self._connection.connection
        return commits_alone(self.dialect, pooled.dbapi_connection, pooled.driver_connection)

    def commits_by_release(self) -> bool:
        if not self._connection.in_nested_transaction():
            return False
        return may_commit_by_release(self._connection.connection.driver_connection)


def _answer_of(cursor: Any, statement: str, parameters: Sequence[Any], paramstyle: str) -> tuple[int, Any]:
    """Run *statement*; return what `Access.perform` does."""
    cursor.execute(*written(statement, parameters, paramstyle))
    return cursor.rowcount, cursor.fetchone()[0] if cursor.description else None


def _django_connection(alias: str) -> Any:
    try:
        from django.db import connections
    except ImportError:
        raise ConfigurationError(f"{alias!r} is taken for the alias of a Django connection: install Django") from None
    return connections[alias]


def _connection_of(cursor: Any) -> Any:
    """The connection of *cursor*; ``None`` if it does not tell: PEP 249 does not ask for it."""
    found = (getattr(cursor, name, None) for name in CONNECTION_OF_CURSOR)
    return next((each for each in found if each is not None), None)


def _driver_of(database: Any) -> tuple[str, str]:
    """The dialect and the paramstyle of the driver that *database* is of.

    :raises ConfigurationError: it is of none that is known.
    """
    for kind in database.__class__.__mro__:
        parts = kind.__module__.split(".")
        if parts[0] not in DIALECT_OF:
            continue
        for length in range(len(parts), 0, -1):
            style = getattr(sys.modules.get(".".join(parts[:length])), "paramstyle", None)
            if style is not None:
                return DIALECT_OF[parts[0]], style
    raise _misfit(database)


def _dialect(name: str) -> str:
    if name not in DIALECT_OF:
        raise ConfigurationError(f"the inbox knows no database {name!r}: it knows {', '.join(BY_NAME)}")
    return DIALECT_OF[name]


def _misfit(database: Any, hint: str | None = None) -> ConfigurationError:
    kind = database.__class__
    return ConfigurationError(
        f"{kind.__module__}.{kind.__qualname__} is no transaction that the inbox can use: " + (hint or MEANT)
    )

"""Would the next statement on this connection be committed by itself?

PEP 249 says that a connection is in a transaction, unless the driver was told otherwise, and does not say how to ask.
So the drivers' own attributes are read. A connection without any of them is taken to be as PEP 249 says.
"""

from __future__ import annotations

from typing import Any

from kafka_parallel.inbox._driver_errors import says_no_savepoint

__all__ = ()

# libpq's PQTRANS_IDLE: psycopg and psycopg2 have it as it is.
IDLE = 0
# A bit of the status of a MySQL server.
IN_TRANSACTION = 1
SAVEPOINT = "kafka_parallel_inbox"
# Of sqlite3 from Python 3.12 on: it works as before 3.12.
LEGACY = -1


def commits_alone(dialect: str, *connections: Any) -> bool:
    """Tell whether autocommit is on and no transaction is open.

    :param connections: the driver's connection; and the one below it, if an adapter is around that.
    """
    if not any(_has_autocommit(each) for each in connections):
        return False
    told = [found for each in connections if (found := _is_in_transaction(each)) is not None]
    if told:
        return not any(told)
    return dialect != "sqlite" and not _keeps_savepoint(connections[0])


def may_commit_by_release(connection: Any) -> bool:
    """Tell whether the release of a savepoint may be a commit: sqlite3's own mode begins no transaction for one."""
    return _is_sqlite3(connection) and connection.isolation_level is not None and _mode_of_sqlite3(connection) == LEGACY


def _has_autocommit(connection: Any) -> bool:
    if _is_sqlite3(connection):
        mode = _mode_of_sqlite3(connection)
        return mode is True or (mode == LEGACY and connection.isolation_level is None)
    if hasattr(connection, "get_autocommit"):  # PyMySQL, mysqlclient
        return bool(connection.get_autocommit())
    return getattr(connection, "autocommit", None) is True


def _is_sqlite3(connection: Any) -> bool:
    return hasattr(connection, "isolation_level") and hasattr(connection, "in_transaction")


def _mode_of_sqlite3(connection: Any) -> Any:
    """True, false, or `LEGACY`: then the isolation level tells."""
    return getattr(connection, "autocommit", LEGACY)


def _is_in_transaction(connection: Any) -> bool | None:
    """Tell whether a transaction is open; ``None`` if the driver does not know."""
    status = getattr(getattr(connection, "info", None), "transaction_status", None)
    if status is not None:
        return int(status) != IDLE
    found = getattr(connection, "in_transaction", None)
    if isinstance(found, bool):
        return found
    flags = getattr(connection, "server_status", None)
    return bool(flags & IN_TRANSACTION) if isinstance(flags, int) else None


def _keeps_savepoint(connection: Any) -> bool:
    """Ask the server: outside of a transaction PostgreSQL refuses a savepoint, and MySQL forgets it at once."""
    cursor = connection.cursor()
    try:
        cursor.execute(f"SAVEPOINT {SAVEPOINT}")
        cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
    except Exception as error:
        if says_no_savepoint(error):
            return False
        raise
    finally:
        cursor.close()
    return True

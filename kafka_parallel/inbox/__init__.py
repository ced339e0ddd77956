"""Has the effect of this record been made before? The database knows, in the transaction of the effect.

A consumer handles a record again if it crashed before the record's offset was committed. An effect in a database
happens once all the same if the record's id is inserted into a table in the transaction that makes the effect: both are
committed, or neither is. `first_time` inserts it. If another transaction has inserted the same id, the database waits
for the end of that one, so this holds between two processes too: for a member that was taken for dead and comes back.

Four kinds of object give access to that transaction: a cursor or a connection of a DB-API driver (psycopg, psycopg2,
pg8000, PyMySQL, mysqlclient, Connector/Python, sqlite3), a connection of Django or its alias, a Connection of
SQLAlchemy, and a Session of it. Nothing of these is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from kafka_parallel._showing import shown
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.inbox._message_ids import InvalidMessageId, header, message_id
from kafka_parallel.inbox._sql import BY_NAME, LONGEST_CONSUMER, TABLE
from kafka_parallel.inbox._targets import Target, target_of

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ["DIALECTS", "TABLE", "InvalidMessageId", "ddl", "first_time", "header", "message_id", "purge"]

DIALECTS = tuple(BY_NAME)
"""The kinds of databases, by name; MariaDB is ``"mysql"``."""


# see docs/decisions/0080-inbox-in-the-effects-transaction.md
def first_time(
    database: Any,
    record: ConsumerRecord,
    *,
    consumer: str,
    id: Literal["place", "ce"] | Callable[[ConsumerRecord], str] = "place",  # noqa: A002 - what it is called elsewhere
) -> bool:
    """Tell whether *record* is handled for the first time, and note that it is: true means "make the effect now".

    Call it in the transaction of the effect, before everything else in it. The note counts when that transaction is
    committed, and is gone when it is rolled back. If another transaction has noted the same id and has not ended, this
    waits for its end. An error of the database comes out as it is and is the record's: an outage, a deadlock, a
    serialization failure.

    Runs on: the thread that the connection belongs to.

    :param database: the transaction: a cursor or a connection (DB-API), a connection or an alias (Django), a Connection
        or a Session (SQLAlchemy). For an ``AsyncSession`` or an ``AsyncConnection`` write
        ``await session.run_sync(first_time, record, consumer=...)``.
    :param record: as the handler has it, which for a record of a retry topic is the one of its first attempt.
    :param consumer: the name of the one whose effect it is, of at most 255 bytes: the consumer group, as a rule. Each
        name has ids of its own.
    :param id: the identity of the record. ``"place"`` is its topic, partition and offset: it knows a record that is
        handled again. ``"ce"`` is the source and the id of a CloudEvent (headers ``ce_source`` and ``ce_id``),
        `header` that of another header: these know a message that was produced twice. A function returns a text.
    :raises InvalidMessageId: the record has no such id, or one of more than 512 bytes.
    :raises ConfigurationError: the table is not there; the connection commits each statement by itself, so the note
        would stay although the effect failed; or *database*, *consumer* or *id* is none of these.
    """
    _check_consumer(consumer)
    _check_record(record)
    identity = message_id(record, id)
    target = target_of(database)
    _require_transaction(target)
    return target.insert(consumer, identity)


def purge(database: Any, older_than: timedelta, *, max_rows: int = 10_000) -> int:
    """Delete ids by their age, by the clock of the database; return how many were deleted.

    One call deletes a bounded number, so that its transaction is short: call it again, each time in a transaction of
    its own, until it returns less than *max_rows*. A record that comes again after its id was deleted is handled again.

    Runs on: the thread that the connection belongs to.

    :param database: as for `first_time`; a connection that commits by itself is no harm here.
    :param older_than: the age from which on ids are deleted: longer than a record may come again.
    :param max_rows: most ids that are deleted.
    :raises ConfigurationError: the table is not there, or an argument cannot be.
    """
    if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1:
        raise ConfigurationError(f"purge(max_rows={shown(max_rows)}): must be an integer of at least 1")
    return target_of(database).purge(_seconds(older_than), max_rows)


def ddl(dialect: str) -> str:
    """Return the statements that create the table, each ended by a semicolon; they do no harm if it is there.

    :param dialect: one of `DIALECTS`.
    :raises ConfigurationError: it is none of them.
    """
    if dialect not in BY_NAME:
        raise ConfigurationError(f"dialect={shown(dialect)}: choose one of {', '.join(DIALECTS)}")
    return BY_NAME[dialect].ddl


def _check_consumer(consumer: object) -> None:
    if not isinstance(consumer, str) or not 1 <= len(consumer.encode("utf-8", "replace")) <= LONGEST_CONSUMER:
        raise ConfigurationError(
            f"first_time(consumer={shown(consumer)}): give the name of the consumer group, or another text of 1 to "
            f"{LONGEST_CONSUMER} bytes"
        )


def _check_record(record: object) -> None:
    if isinstance(record, (list, tuple)) and not hasattr(record, "offset"):
        raise ConfigurationError(
            f"first_time() got a {type(record).__name__} as its record: call it once for each record of a batch"
        )
    if not all(hasattr(record, name) for name in ("topic", "partition", "offset", "headers")):
        raise ConfigurationError(
            f"first_time() got {shown(record)} as its record: give the record as the handler has it, not its value, "
            "and after the database: first_time(connection, record, consumer=...)"
        )


def _require_transaction(target: Target) -> None:
    if target.commits_alone():
        raise ConfigurationError(
            "this connection is in autocommit mode and no transaction is open: the id of the record would be kept "
            "although its effect failed, and the next attempt would leave the effect out; begin a transaction (with "
            "connection.transaction(), transaction.atomic() or BEGIN; for SQLAlchemy and sqlite3 leave isolation_level "
            "out), and make the effect in it too"
        )
    if target.commits_by_release():
        raise ConfigurationError(
            "this is a savepoint of SQLite, for which Python's sqlite3 begins no transaction: the end of the savepoint "
            "would commit the id of the record, and a rollback later would not take it back; call first_time() before "
            "begin_nested(), or have the driver begin transactions: "
            "create_engine(..., connect_args={'autocommit': False}) from Python 3.12 on, or the events that "
            "SQLAlchemy's page on SQLite and savepoints shows"
        )


def _seconds(older_than: object) -> float:
    if not isinstance(older_than, timedelta) or older_than <= timedelta(0):
        raise ConfigurationError(f"older_than is {shown(older_than)}: give a datetime.timedelta above 0")
    return older_than.total_seconds()

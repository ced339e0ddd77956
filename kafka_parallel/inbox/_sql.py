"""The table of the inbox and its statements, in each dialect.

Ids are compared byte by byte. A collation that takes "A" for "a", or leaves out spaces at the end, would take two
messages for one, so MySQL gets bytes and PostgreSQL the collation "C". Times are those of the database, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ()

TABLE = "kafka_parallel_inbox"
"""The name of the table."""
LONGEST_CONSUMER = 255
# In bytes. The two together are the longest key of an older InnoDB, and within that of PostgreSQL.
LONGEST_ID = 512


class Dialect(NamedTuple):
    """The statements of one kind of database. ``{}`` is the place of a parameter.

    :ivar ddl: creates the table.
    :ivar insert: adds a consumer and a message id, or nothing if they are there.
    :ivar count_older: counts the ids that are older than some seconds.
    :ivar delete_older: deletes at most so many that are older than some seconds.
    :ivar takes_bytes: whether ids are columns of bytes.
    """

    ddl: str
    insert: str
    count_older: str
    delete_older: str
    takes_bytes: bool = False

    def id_parameter(self, text: str) -> str | bytes:
        """The consumer or the message id *text*, as a parameter."""
        return text.encode("utf-8", "surrogatepass") if self.takes_bytes else text


POSTGRES = Dialect(
    ddl="""\
CREATE TABLE IF NOT EXISTS kafka_parallel_inbox (
    consumer text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    handled_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, message_id)
);
CREATE INDEX IF NOT EXISTS kafka_parallel_inbox_handled_at ON kafka_parallel_inbox (handled_at);
""",
    insert="INSERT INTO kafka_parallel_inbox (consumer, message_id, handled_at) VALUES ({}, {}, now()) "
    "ON CONFLICT DO NOTHING",
    count_older="SELECT count(*) FROM kafka_parallel_inbox WHERE handled_at < now() - make_interval(secs => {})",
    delete_older="DELETE FROM kafka_parallel_inbox WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM kafka_parallel_inbox WHERE handled_at < now() - make_interval(secs => {}) LIMIT {}))",
)

# IGNORE would also shorten an id that is too long, so lengths are checked before. ON DUPLICATE KEY UPDATE would not do:
# with the flag FOUND_ROWS, which Django and SQLAlchemy set, it counts 1 for a row that is there.
MYSQL = Dialect(
    ddl="""\
CREATE TABLE IF NOT EXISTS kafka_parallel_inbox (
    consumer varbinary(255) NOT NULL,
    message_id varbinary(512) NOT NULL,
    handled_at datetime(6) NOT NULL,
    PRIMARY KEY (consumer, message_id),
    INDEX kafka_parallel_inbox_handled_at (handled_at)
) ENGINE=InnoDB;
""",
    insert="INSERT IGNORE INTO kafka_parallel_inbox (consumer, message_id, handled_at) "
    "VALUES ({}, {}, UTC_TIMESTAMP(6))",
    count_older="SELECT count(*) FROM kafka_parallel_inbox WHERE handled_at < UTC_TIMESTAMP(6) - INTERVAL {} SECOND",
    delete_older="DELETE FROM kafka_parallel_inbox WHERE handled_at < UTC_TIMESTAMP(6) - INTERVAL {} SECOND "
    "ORDER BY handled_at LIMIT {}",
    takes_bytes=True,
)

SQLITE = Dialect(
    ddl="""\
CREATE TABLE IF NOT EXISTS kafka_parallel_inbox (
    consumer text NOT NULL,
    message_id text NOT NULL,
    handled_at text NOT NULL,
    PRIMARY KEY (consumer, message_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kafka_parallel_inbox_handled_at ON kafka_parallel_inbox (handled_at);
""",
    insert="INSERT INTO kafka_parallel_inbox (consumer, message_id, handled_at) VALUES ({}, {}, datetime('now')) "
    "ON CONFLICT DO NOTHING",
    count_older="SELECT count(*) FROM kafka_parallel_inbox WHERE handled_at < datetime('now', '-' || {} || ' seconds')",
    delete_older="DELETE FROM kafka_parallel_inbox WHERE (consumer, message_id) IN ("
    "SELECT consumer, message_id FROM kafka_parallel_inbox "
    "WHERE handled_at < datetime('now', '-' || {} || ' seconds') LIMIT {})",
)

BY_NAME: Mapping[str, Dialect] = {"postgres": POSTGRES, "mysql": MYSQL, "sqlite": SQLITE}

PLACES = {"qmark": "?", "format": "%s", "pyformat": "%s", "numeric": ":{}", "named": ":p{}"}


def written(statement: str, parameters: Sequence[Any], paramstyle: str) -> tuple[str, Sequence[Any] | dict[str, Any]]:
    """Return *statement* and its *parameters* as a driver of that paramstyle takes them (PEP 249)."""
    numbers = range(1, len(parameters) + 1)
    text = statement.format(*(PLACES[paramstyle].format(number) for number in numbers))
    if paramstyle == "named":
        return text, {f"p{number}": value for number, value in zip(numbers, parameters, strict=True)}
    return text, tuple(parameters)

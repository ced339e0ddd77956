"""First times on SQLite, and the refusals that need no database: ids, names, and objects that have no transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from kafka_parallel import ConfigurationError, inbox
from kafka_parallel.inbox import InvalidMessageId, first_time, header
from kafka_parallel.inbox._sql import written
from tests.inbox.records import record


@pytest.fixture
def connection():
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(inbox.ddl("sqlite"))
        yield made


def ids(connection):
    return [row[0] for row in connection.execute(f"SELECT message_id FROM {inbox.TABLE} ORDER BY 1")]


def first(connection, made=None, **options):
    return first_time(connection, made or record(), **{"consumer": "billing", **options})


# Ids


def test_the_place_is_the_id_unless_another_is_chosen(connection):
    assert first(connection, record("orders", 3, 17))
    assert ids(connection) == ["orders/3/17"]


def test_an_event_is_known_by_source_and_id_wherever_it_is_written(connection):
    event = [("ce_source", b"/shop"), ("ce_id", b"17")]

    told = [first(connection, record(offset=offset, headers=event), id="ce") for offset in range(2)]

    assert (told, ids(connection)) == ([True, False], ["/shop|17"])


@pytest.mark.parametrize("other", [(b"a", b"b|c"), (b"a|b", b"c")])
def test_no_two_events_have_one_id(connection, other):
    for source, number in [(b"a", b"c"), other]:
        assert first(connection, record(headers=[("ce_source", source), ("ce_id", number)]), id="ce")

    assert first(connection, record(headers=[("ce_source", b"a%7Cb"), ("ce_id", b"c|c")]), id="ce")


def test_of_headers_of_one_name_the_last_one_is_the_id(connection):
    assert first(connection, record(headers=[("id", b"1"), ("id", b"2")]), id=header("id"))
    assert ids(connection) == ["2"]


def test_a_function_says_the_id(connection):
    assert first(connection, record(offset=3), id=lambda found: f"number {found.offset}")
    assert ids(connection) == ["number 3"]


@pytest.mark.parametrize(
    ("headers", "way", "words"),
    [
        ([], header("id"), r"orders\[0\]@5 has no header 'id'"),
        ([("id", None)], header("id"), "has no header 'id'"),
        ([("id", b"")], header("id"), "has no header 'id'"),
        ([("id", b"1"), ("id", b"")], header("id"), "has no header 'id'"),
        ([("id", b"\xff")], header("id"), "is not UTF-8"),
        ([("ce_id", b"1")], "ce", "has no header 'ce_source'"),
        ([("ce_source", b"1")], "ce", "has no header 'ce_id'"),
        ([("id", b"x" * 513)], header("id"), "has 513 bytes, and at most 512"),
        ([], lambda _: None, "is None: it must be a text"),
        ([], lambda _: "", "is an empty text"),
        ([], lambda _: 17, "is an int: it must be a text"),
        ([], lambda _: "ä" * 257, "has 514 bytes"),
        ([("id", b"a\0b")], header("id"), "has a NUL or half"),
        ([], lambda _: "\ud800", "has a NUL or half"),
    ],
)
def test_a_record_without_a_usable_id_is_refused(connection, headers, way, words):
    with pytest.raises(InvalidMessageId, match=words):
        first(connection, record(offset=5, headers=headers), id=way)

    assert ids(connection) == []


@pytest.mark.parametrize("place", [(-1, -1), (0, -1), (-1, 5)])
def test_records_whose_place_is_not_known_are_not_taken_for_one(connection, place):
    with pytest.raises(InvalidMessageId, match="does not tell the partition and the offset"):
        first(connection, record("orders", *place))


# The caller's faults


@pytest.mark.parametrize("way", ["", "message-id", None, 3])
def test_an_unknown_kind_of_id_is_refused(connection, way):
    with pytest.raises(ConfigurationError, match="choose 'place', 'ce', header"):
        first(connection, id=way)


@pytest.mark.parametrize("name", ["", None, b"id"])
def test_a_header_without_a_name_is_refused(name):
    with pytest.raises(ConfigurationError, match="name of a header"):
        header(name)


@pytest.mark.parametrize("consumer", ["", None, b"billing", "x" * 256, "ä" * 128])
def test_a_consumer_without_a_name_is_refused(connection, consumer):
    with pytest.raises(ConfigurationError, match="name of the consumer group"):
        first(connection, consumer=consumer)


@pytest.mark.parametrize("database", [None, 3, object(), []])
def test_an_object_without_a_transaction_is_refused(database):
    with pytest.raises(ConfigurationError, match="no transaction that the inbox can use"):
        first(database)


@pytest.mark.parametrize("path", ["/var/effects.db", "effects.db", "postgresql://db/orders"])
def test_a_path_is_not_taken_for_an_alias(path):
    with pytest.raises(ConfigurationError, match=f"'{path}' is a path or a URL: connect"):
        first(path)


@pytest.mark.parametrize("wrong", [b"the value", 17, sqlite3.connect(":memory:")])
def test_a_thing_that_is_no_record_is_refused(connection, wrong):
    with pytest.raises(ConfigurationError, match=r"first_time\(connection, record, consumer=...\)"):
        first(connection, wrong)


def test_a_list_of_records_is_refused(connection):
    with pytest.raises(ConfigurationError, match="got a list as its record: call it once for each"):
        first(connection, [record()])


def test_an_unknown_driver_is_refused():
    class Cursor:
        def execute(self): ...

    with pytest.raises(ConfigurationError, match="Cursor is no transaction that the inbox can use"):
        first(Cursor())


def test_a_cursor_of_asyncio_is_refused():
    psycopg = pytest.importorskip("psycopg")
    cursor = psycopg.AsyncCursor.__new__(psycopg.AsyncCursor)

    with pytest.raises(ConfigurationError, match=r"works by await|no transaction"):
        first(cursor)


@pytest.mark.parametrize("age", [0, 3, None, timedelta(0), timedelta(days=-1)])
def test_an_age_that_is_none_is_refused(connection, age):
    with pytest.raises(ConfigurationError, match="timedelta"):
        inbox.purge(connection, age)


@pytest.mark.parametrize("max_rows", [0, -1, True, 1.5, None])
def test_a_number_of_rows_that_is_none_is_refused(connection, max_rows):
    with pytest.raises(ConfigurationError, match="max_rows"):
        inbox.purge(connection, timedelta(days=1), max_rows=max_rows)


@pytest.mark.parametrize("dialect", ["oracle", "", None])
def test_an_unknown_dialect_is_refused(dialect):
    with pytest.raises(ConfigurationError, match="choose one of postgres, mysql, sqlite"):
        inbox.ddl(dialect)


def test_a_driver_that_does_not_count_is_refused(connection):
    class Uncounted(sqlite3.Cursor):
        rowcount = -1

    with pytest.raises(ConfigurationError, match="-1 rows"):
        first(connection.cursor(Uncounted))


def test_a_cursor_that_a_tracer_stands_for_is_taken(connection):
    class Traced:
        """As wrapt makes it: another type, and the class of the original."""

        def __init__(self, original):
            self._original = original

        __class__ = property(lambda self: type(self._original))

        def __getattr__(self, name):
            return getattr(self._original, name)

    cursor = Traced(connection.cursor())

    assert [first(cursor), first(cursor)] == [True, False]


@pytest.mark.parametrize(
    ("style", "sql", "values"),
    [
        ("qmark", "a ? b ?", (1, 2)),
        ("format", "a %s b %s", (1, 2)),
        ("pyformat", "a %s b %s", (1, 2)),
        ("numeric", "a :1 b :2", (1, 2)),
        ("named", "a :p1 b :p2", {"p1": 1, "p2": 2}),
    ],
)
def test_each_paramstyle_of_pep_249_is_written(style, sql, values):
    assert written("a {} b {}", [1, 2], style) == (sql, values)


# Django and SQLAlchemy


@pytest.fixture(scope="module")
def django(tmp_path_factory):
    pytest.importorskip("django")
    from django.conf import settings

    name = str(tmp_path_factory.mktemp("django") / "effects.db")
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": name}})
    from django import setup
    from django.db import connections

    setup()
    with connections["default"].cursor() as cursor:
        for statement in inbox.ddl("sqlite").split(";"):
            cursor.execute(statement)
    yield connections
    connections.close_all()


@pytest.mark.parametrize("kind", ["alias", "connection", "cursor"])
def test_django_is_taken_by_alias_connection_and_cursor(django, kind):
    from django.db import transaction

    given = {"alias": "default", "connection": django["default"], "cursor": django["default"].cursor()}[kind]
    told = []
    for fails in (True, False, False):
        with transaction.atomic():
            told.append(first(given, record(kind)))
            transaction.set_rollback(fails)

    assert told == [True, True, False]


def test_django_outside_of_a_transaction_is_refused(django):
    with pytest.raises(ConfigurationError, match=r"transaction\.atomic\(\)"):
        first("default")


def test_django_without_the_table_is_told_the_command(django):
    from django.db import transaction

    connection = django["default"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {inbox.TABLE} RENAME TO elsewhere")
    try:
        with pytest.raises(ConfigurationError, match="inbox ddl --dialect sqlite"), transaction.atomic():
            first("default")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE elsewhere RENAME TO {inbox.TABLE}")


@pytest.fixture
def engine(tmp_path):
    alchemy = pytest.importorskip("sqlalchemy")
    made = alchemy.create_engine(f"sqlite:///{tmp_path / 'effects.db'}")
    create(made)
    yield made
    made.dispose()


def create(engine):
    import sqlalchemy

    with engine.begin() as connection:
        for statement in inbox.ddl("sqlite").split(";"):
            if statement.strip():
                connection.execute(sqlalchemy.text(statement))


def test_sqlalchemy_is_taken_by_connection_and_session(engine):
    from sqlalchemy.orm import Session

    told = []
    for _ in range(2):
        with Session(engine) as session, session.begin():
            told.append(first(session))
        with engine.begin() as connection:
            told.append(first(connection, record("other")))

    assert told == [True, True, False, False]


def test_sqlalchemy_rolls_the_id_back_with_the_effect(engine):
    told = []
    for _ in range(2):
        with engine.connect() as connection:
            told.append(first(connection))
            connection.rollback()

    assert told == [True, True]


def test_a_savepoint_that_would_commit_the_id_is_refused(engine):
    with engine.begin() as connection, connection.begin_nested():  # noqa: SIM117 - the order is the point
        with pytest.raises(ConfigurationError, match="this is a savepoint of SQLite"):
            first(connection)

    with engine.begin() as connection:
        assert first(connection)


def test_a_savepoint_within_a_transaction_of_the_driver_is_taken(tmp_path):
    """SQLAlchemy's recipe for savepoints on SQLite: the driver begins nothing, and each transaction by BEGIN."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'effects.db'}")
    sqlalchemy.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    sqlalchemy.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    create(engine)
    told = []
    for _ in range(2):
        with engine.connect() as connection:
            with connection.begin_nested():
                told.append(first(connection))
            connection.rollback()

    assert told == [True, True]
    engine.dispose()


def test_sqlalchemy_deletes_by_age(engine):
    with engine.begin() as connection:
        first(connection)
        assert inbox.purge(connection, timedelta(days=1)) == 0
        connection.exec_driver_sql(f"UPDATE {inbox.TABLE} SET handled_at = datetime(handled_at, '-2 days')")
        assert inbox.purge(connection, timedelta(days=1)) == 1


def test_an_engine_is_refused_and_so_is_autocommit(engine):
    with pytest.raises(ConfigurationError, match="no transaction that the inbox can use"):
        first(engine)
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="autocommit"):
        first(connection.execution_options(isolation_level="AUTOCOMMIT"))


def test_an_engine_whose_connections_commit_each_statement_is_refused(tmp_path):
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'effects.db'}", isolation_level="AUTOCOMMIT")
    create(engine)

    with engine.connect() as connection, pytest.raises(ConfigurationError, match="autocommit"):
        first(connection)
    engine.dispose()


def test_an_async_session_lends_its_transaction(tmp_path):
    pytest.importorskip("aiosqlite")
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'effects.db'}")

    async def told():
        from sqlalchemy import text

        async with engine.begin() as connection:
            for statement in inbox.ddl("sqlite").split(";"):
                await connection.execute(text(statement)) if statement.strip() else None
        found = []
        for _ in range(2):
            async with AsyncSession(engine) as session, session.begin():
                with pytest.raises(ConfigurationError, match="run_sync"):
                    first(session)
                found.append(await session.run_sync(first_time, record(), consumer="billing"))
        await engine.dispose()
        return found

    assert asyncio.run(told()) == [True, False]

"""An effect happens once through each driver: with a commit, after a rollback, and when two transactions meet."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import ConfigurationError, inbox
from tests.inbox.drivers import ALL, DRIVERS, connect, execute, rows
from tests.inbox.records import record

each_driver = pytest.mark.parametrize(("dialect", "driver"), ALL)
each_dialect = pytest.mark.parametrize("dialect", DRIVERS)


def first(connection: object, made: ConsumerRecord | None = None) -> bool:
    return inbox.first_time(connection, made or record(offset=7), consumer="billing")


@each_driver
@pytest.mark.parametrize("gives", ["cursor", "connection"])
def test_the_second_time_is_told_after_a_commit(database, driver, gives):
    told = []
    for _ in range(2):
        with closing(connect(database, driver)) as connection:
            told.append(first(connection if gives == "connection" else connection.cursor()))
            connection.commit()

    assert told == [True, False]


@each_driver
def test_an_effect_that_was_rolled_back_is_made_again(database, driver):
    told = []
    for _ in range(2):
        with closing(connect(database, driver)) as connection:
            told.append(first(connection))
            connection.rollback()

    assert told == [True, True]


@each_driver
def test_each_consumer_has_ids_of_its_own_and_ids_are_compared_byte_by_byte(database, driver):
    with closing(connect(database, driver)) as connection:
        told = [
            inbox.first_time(connection, record(), consumer=consumer, id=lambda _, made=made: made)
            for consumer in ("billing", "Billing", "billing ")
            for made in ("a", "A", "a ", "ä", "a\u0308")
        ]
        connection.commit()

    assert told == [True] * 15


@each_driver
def test_the_longest_id_is_kept_as_it_is(database, driver):
    with closing(connect(database, driver)) as connection:
        told = [first_with_id(connection, "ä" * 255 + ending) for ending in ("aa", "ab", "aa")]
        connection.commit()

    assert told == [True, True, False]


def first_with_id(connection, made):
    return inbox.first_time(connection, record(), consumer="c" * 255, id=lambda _: made)


@each_driver
def test_without_the_table_the_command_for_it_is_named(database, driver):
    execute(database, f"DROP TABLE {inbox.TABLE}")

    with closing(connect(database, driver)) as connection:
        with pytest.raises(ConfigurationError, match=f"kafka-parallel inbox ddl --dialect {database.dialect}"):
            first(connection)
        connection.rollback()


@each_driver
def test_a_connection_that_commits_each_statement_is_refused(database, driver):
    with closing(autocommitting(database, driver)) as connection:
        for given in (connection, connection.cursor()):
            with pytest.raises(ConfigurationError, match="autocommit"):
                first(given)

    assert rows(database, f"SELECT * FROM {inbox.TABLE}") == []


@each_driver
def test_a_transaction_on_such_a_connection_is_taken(database, driver):
    with closing(autocommitting(database, driver)) as connection:
        connection.cursor().execute("BEGIN")
        told = [first(connection), first(connection)]
        connection.cursor().execute("COMMIT")

    assert told == [True, False]
    assert len(rows(database, f"SELECT * FROM {inbox.TABLE}")) == 1


def autocommitting(database, driver):
    if driver == "sqlite3":
        return connect(database, driver, isolation_level=None)
    connection = connect(database, driver)
    if driver == "pymysql":
        connection.autocommit(True)
    else:
        connection.autocommit = True
    return connection


@each_driver
def test_a_driver_that_does_not_tell_of_its_transaction_is_asked_by_a_savepoint(database, driver):
    if driver == "sqlite3":
        pytest.skip("sqlite3 tells it")

    with closing(autocommitting(database, driver)) as connection:

        class Untold:  # as mysqlclient is
            autocommit = True

            def cursor(self):
                return connection.cursor()

        from kafka_parallel.inbox._autocommit import commits_alone

        outside = commits_alone(database.dialect, Untold())
        connection.cursor().execute("BEGIN")
        inside = commits_alone(database.dialect, Untold())
        connection.cursor().execute("ROLLBACK")

    assert (outside, inside) == (True, False)


@each_driver
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_of_two_members_with_one_record_the_second_waits_for_the_first(database, driver, ends):
    told, has_told = [], threading.Event()
    waits = {"timeout": 60} if driver == "sqlite3" else {}

    def second():
        with closing(connect(database, driver, **waits)) as connection:
            told.append(first(connection))
            has_told.set()
            connection.commit()

    with closing(connect(database, driver)) as connection:
        assert first(connection)
        thread = threading.Thread(target=second)
        thread.start()
        assert not has_told.wait(0.3), "the second member did not wait"
        getattr(connection, ends)()
        thread.join()

    assert told == [ends == "rollback"]


@pytest.mark.parametrize("dialect", ["postgres"])
def test_under_repeatable_read_the_second_fails_and_is_told_when_it_tries_again(database):
    import psycopg

    with closing(connect(database)) as one, closing(connect(database)) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")  # takes its snapshot
        first(one)
        one.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            first(other)
        other.rollback()

        assert not first(other)


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
def test_two_batches_in_opposite_order_end_by_one_deadlock_and_then_by_a_no(database):
    lock, told, errors = threading.Barrier(2), [], []

    def member(offsets):
        with closing(connect(database)) as connection:
            first(connection, record(offset=offsets[0]))
            lock.wait()
            try:
                told.append(first(connection, record(offset=offsets[1])))
                connection.commit()
            except Exception as error:
                errors.append(error)
                connection.rollback()

    threads = [threading.Thread(target=member, args=(offsets,)) for offsets in ([1, 2], [2, 1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (told, len(errors)) == ([True], 1)
    assert not isinstance(errors[0], ConfigurationError)
    assert len(rows(database, f"SELECT * FROM {inbox.TABLE}")) == 2


@each_driver
def test_ids_are_deleted_by_age_in_bounded_steps(database, driver):
    from datetime import timedelta

    with closing(connect(database, driver)) as connection:
        for offset in range(5):
            first(connection, record(offset=offset))
        connection.commit()
        kept = inbox.purge(connection, timedelta(hours=1))
        connection.cursor().execute(aged(database.dialect))
        steps = [inbox.purge(connection, timedelta(hours=1), max_rows=2) for _ in range(3)]
        connection.commit()

    assert (kept, steps) == (0, [2, 2, 0])
    assert len(rows(database, f"SELECT * FROM {inbox.TABLE}")) == 1


def aged(dialect):
    """A statement that makes four of five ids two hours older."""
    older = {
        "postgres": "handled_at - interval '2 hours'",
        "mysql": "handled_at - INTERVAL 2 HOUR",
        "sqlite": "datetime(handled_at, '-2 hours')",
    }[dialect]
    return f"UPDATE {inbox.TABLE} SET handled_at = {older} WHERE message_id <> 'orders/0/3'"


@each_dialect
def test_the_statements_may_be_run_again(database):
    for statement in inbox.ddl(database.dialect).split(";"):
        if statement.strip():
            execute(database, statement)


@pytest.mark.parametrize("dialect", ["mysql"])
def test_a_driver_that_raises_for_warnings_tells_a_second_time_too(database):
    told = []
    for _ in range(2):
        with closing(connect(database, "mysql.connector", raise_on_warnings=True)) as connection:
            told.append(first(connection))
            connection.commit()

    assert told == [True, False]


@each_driver
def test_a_database_that_is_gone_is_the_drivers_error(database, driver):
    connection = connect(database, driver)
    connection.close()

    with pytest.raises(Exception) as error:
        first(connection)

    assert not isinstance(error.value, ConfigurationError)

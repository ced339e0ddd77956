"""SQLAlchemy and Django on real servers: a second time is told, also where a driver counts the rows that it found."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from kafka_parallel import ConfigurationError, inbox
from tests.inbox.drivers import connect
from tests.inbox.records import record

sqlalchemy = pytest.importorskip("sqlalchemy")

DRIVER = {"postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
each_server = pytest.mark.parametrize("dialect", DRIVER)


def url_of(database):
    return f"{DRIVER[database.dialect]}:{database.url.partition(':')[2]}"


def first(session):
    return inbox.first_time(session, record(), consumer="billing")


@each_server
def test_a_session_is_told_of_a_second_time(database):
    from sqlalchemy.orm import Session

    engine, told = sqlalchemy.create_engine(url_of(database)), []
    for fails in (True, False, False):
        with Session(engine) as session:
            told.append(first(session))
            session.rollback() if fails else session.commit()
    engine.dispose()

    assert told == [True, True, False]


@each_server
def test_an_engine_in_autocommit_mode_is_refused(database):
    engine = sqlalchemy.create_engine(url_of(database), isolation_level="AUTOCOMMIT")

    with engine.connect() as connection, pytest.raises(ConfigurationError, match="autocommit"):
        first(connection)
    engine.dispose()


@each_server
def test_a_missing_table_is_told(database):
    engine = sqlalchemy.create_engine(url_of(database))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {inbox.TABLE}")

    with engine.connect() as connection, pytest.raises(ConfigurationError, match=f"--dialect {database.dialect}"):
        first(connection)
    engine.dispose()


@pytest.mark.parametrize("dialect", ["postgres"])
@pytest.mark.parametrize("isolation", [None, "AUTOCOMMIT"])
def test_an_async_session_on_a_server(database, isolation):
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    options = {} if isolation is None else {"isolation_level": isolation}

    async def told():
        engine, found = create_async_engine(url_of(database), **options), []
        try:
            for _ in range(2):
                async with AsyncSession(engine) as session, session.begin():
                    found.append(await session.run_sync(first))
        finally:
            await engine.dispose()
        return found

    if isolation is None:
        assert asyncio.run(told()) == [True, False]
    else:
        with pytest.raises(ConfigurationError, match="autocommit"):
            asyncio.run(told())


@pytest.mark.parametrize("dialect", ["mysql"])
def test_a_connection_that_counts_found_rows_is_told_of_a_second_time(database):
    from pymysql.constants import CLIENT

    told = []
    for _ in range(2):
        with closing(connect(database, client_flag=CLIENT.FOUND_ROWS)) as connection:
            told.append(first(connection))
            connection.commit()

    assert told == [True, False]


@pytest.mark.parametrize("dialect", ["postgres"])
def test_a_pipeline_that_does_not_tell_yet_is_refused(database):
    with closing(connect(database)) as connection:
        with connection.pipeline(), pytest.raises(ConfigurationError, match="in no pipeline"):
            first(connection)
        connection.rollback()

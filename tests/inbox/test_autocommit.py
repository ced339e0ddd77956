"""The facts of each driver about its transaction, as they are read without one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel.inbox._autocommit import commits_alone


def connection(**facts):
    return SimpleNamespace(**facts)


def status(number):
    return SimpleNamespace(transaction_status=number)


@pytest.mark.parametrize(
    ("found", "alone"),
    [
        # sqlite3: before 3.12, after it, and with the attribute of PEP 249
        (connection(isolation_level=None, in_transaction=False), True),
        (connection(isolation_level=None, in_transaction=True), False),
        (connection(isolation_level="", in_transaction=False), False),
        (connection(isolation_level=None, in_transaction=False, autocommit=-1), True),
        (connection(isolation_level="", in_transaction=False, autocommit=-1), False),
        (connection(isolation_level="", in_transaction=False, autocommit=True), True),
        (connection(isolation_level="", in_transaction=True, autocommit=True), False),
        (connection(isolation_level=None, in_transaction=True, autocommit=False), False),
        # psycopg and psycopg2
        (connection(autocommit=True, info=status(0)), True),
        (connection(autocommit=True, info=status(2)), False),
        (connection(autocommit=False, info=status(0)), False),
        # PyMySQL
        (connection(get_autocommit=lambda: True, server_status=2), True),
        (connection(get_autocommit=lambda: True, server_status=3), False),
        (connection(get_autocommit=lambda: False, server_status=0), False),
        # Connector/Python
        (connection(autocommit=True, in_transaction=False), True),
        (connection(autocommit=True, in_transaction=True), False),
        # a driver that tells nothing, and one whose method is not its state
        (connection(), False),
        (connection(autocommit=lambda on: None), False),
    ],
)
def test_a_connection_tells_whether_a_statement_is_committed_by_itself(found, alone):
    assert commits_alone("postgres", found) is alone


def test_of_an_adapter_and_the_connection_below_it_one_has_to_tell():
    adapter, below = connection(isolation_level=None), connection(isolation_level=None, in_transaction=False)

    assert commits_alone("sqlite", adapter, below)
    below.in_transaction = True
    assert not commits_alone("sqlite", adapter, below)

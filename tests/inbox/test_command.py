"""The command creates the table of the inbox and deletes old ids from it, on each kind of database."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from kafka_parallel import inbox
from kafka_parallel.cli import command, databases
from kafka_parallel.cli import inbox_purge as module
from tests.inbox.drivers import DRIVERS, connect, execute, rows
from tests.inbox.records import record

each_dialect = pytest.mark.parametrize("dialect", DRIVERS)


def run(*arguments, **environment):
    return CliRunner().invoke(command(), ["inbox", *arguments], env=environment)


@pytest.mark.parametrize("dialect", inbox.DIALECTS)
def test_the_statements_are_printed(dialect):
    done = run("ddl", "--dialect", dialect)

    assert (done.exit_code, done.output) == (0, inbox.ddl(dialect))


@pytest.mark.parametrize("arguments", [["ddl"], ["ddl", "--dialect", "oracle"], ["purge"]])
def test_a_wrong_call_has_exit_code_2(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("age", ["", "0d", "30", "d", "-1d", "1.5h", "1w", "forever"])
def test_an_age_that_is_none_is_refused(age):
    done = run("purge", "--database", "sqlite:///x", "--older-than", age)

    assert done.exit_code == 2
    assert repr(age) in done.output


def test_an_age_of_nothing_must_be_above_0():
    assert "must be above 0" in run("purge", "--database", "sqlite:///x", "--older-than", "0s").output


def test_without_a_database_both_ways_to_give_it_are_named():
    done = run("purge", "--older-than", "1d", KAFKA_PARALLEL_INBOX_DATABASE=None)

    assert done.exit_code == 2
    assert "give --database, or set KAFKA_PARALLEL_INBOX_DATABASE" in done.output


@pytest.mark.parametrize(("word", "dialect"), [("postgresql", "postgres"), ("mariadb", "mysql")])
def test_a_dialect_may_have_its_name_in_a_url(word, dialect):
    assert run("ddl", "--dialect", word).output == inbox.ddl(dialect)


def test_a_file_that_is_not_there_is_named_with_its_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    done = run("purge", "--database", "sqlite:///missing.db", "--older-than", "1d")

    assert f"there is no 'missing.db' in {str(tmp_path)!r}" in " ".join(done.output.split())
    assert "postgresql://" not in done.output


@pytest.mark.parametrize(
    ("scheme", "words"), [("postgresql", "pip install psycopg "), ("mysql", "pip install PyMySQL ")]
)
def test_a_driver_that_is_missing_is_named_as_pip_knows_it(monkeypatch, scheme, words):
    monkeypatch.setitem(databases.DRIVERS, scheme, ("nowhere_to_be_found",))

    assert words in run("purge", "--database", f"{scheme}://host/name", "--older-than", "1d").output


@each_dialect
def test_old_ids_are_counted_and_then_deleted(database, monkeypatch):
    monkeypatch.setattr(module, "STEP", 2)
    fill(database, 5)

    counted = run("purge", "--database", database.url, "--older-than", "1h")
    left = len(rows(database, f"SELECT * FROM {inbox.TABLE}"))
    deleted = run("purge", "--older-than", "1h", "--execute", KAFKA_PARALLEL_INBOX_DATABASE=database.url)

    assert (counted.exit_code, deleted.exit_code) == (0, 0), counted.output + deleted.output
    assert counted.output == "5 ids are older; nothing was deleted: add --execute to do it\n"
    assert (left, deleted.output) == (5, "5 ids were deleted\n")
    assert rows(database, f"SELECT * FROM {inbox.TABLE}") == []


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_programs_get_one_object(database):
    fill(database, 3)

    done = run("purge", "--database", database.url, "--older-than", "1h", "--execute", "--json")

    assert json.loads(done.output) == {"older": 3, "deleted": 3}


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_young_ids_stay(database):
    fill(database, 3, hours=0)

    done = run("purge", "--database", database.url, "--older-than", "1h", "--execute")

    assert done.output == "0 ids were deleted\n"
    assert len(rows(database, f"SELECT * FROM {inbox.TABLE}")) == 3


def fill(database, count, hours=2):
    """Note *count* ids, some hours ago."""
    with closing(connect(database)) as connection:
        for offset in range(count):
            inbox.first_time(connection, record(offset=offset), consumer="billing")
        connection.commit()
    older = {
        "postgres": f"handled_at - interval '{hours} hours'",
        "mysql": f"handled_at - INTERVAL {hours} HOUR",
        "sqlite": f"datetime(handled_at, '-{hours} hours')",
    }[database.dialect]
    execute(database, f"UPDATE {inbox.TABLE} SET handled_at = {older}")


@each_dialect
def test_without_the_table_the_command_for_it_is_named(database):
    execute(database, f"DROP TABLE {inbox.TABLE}")

    done = run("purge", "--database", database.url, "--older-than", "1h", "--execute")

    assert done.exit_code == 1
    assert f"kafka-parallel inbox ddl --dialect {database.dialect}" in " ".join(done.output.split())


@pytest.mark.parametrize(
    "url",
    ["oracle://u:hush@h/d", "hush", "", "postgresql://u:hush@/d", "mysql://u:hush@h", "mysql://u:hush@h:port/d",
     "sqlite://u:hush@h/d"],
)  # fmt: skip
def test_a_url_that_is_none_is_refused_without_its_password(url):
    done = run("purge", "--database", url, "--older-than", "1h")

    assert done.exit_code == 2
    assert "postgresql://USER:PASSWORD@HOST/NAME" in " ".join(done.output.split())
    assert "hush" not in done.output


@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "mariadb", "postgres"])
def test_a_database_that_does_not_answer_has_exit_code_3(scheme):
    done = run("purge", "--database", f"{scheme}://user:hush@127.0.0.1:1/orders", "--older-than", "1h")

    assert done.exit_code == 3, done.output
    assert "127.0.0.1" in done.output
    assert "hush" not in done.output


def test_a_file_that_is_no_database_fails(tmp_path):
    path = tmp_path / "text"
    path.write_text("no database" * 100)

    done = run("purge", "--database", f"sqlite:///{path}", "--older-than", "1h")

    assert done.exit_code == 1
    assert "file is not a database" in done.output

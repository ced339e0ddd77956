"""The meaning of a driver's error, by the codes of its database.

Texts are in the language of the server, so only SQLite's, which has one, is read.
"""

from __future__ import annotations

from kafka_parallel.inbox._sql import TABLE

__all__ = ()

# SQLSTATE of PostgreSQL, and numbers of MySQL.
NO_TABLE = ("42P01", 1146)
NO_SAVEPOINT = ("25P01", 1305)
DUPLICATE = 1062


def says_no_table(error: BaseException) -> bool:
    """Tell whether the table of the inbox is not there."""
    return not _codes(error).isdisjoint(NO_TABLE) or f"no such table: {TABLE}" in str(error)


def says_no_savepoint(error: BaseException) -> bool:
    """Tell whether a savepoint was refused, or forgotten, for there is no transaction."""
    return not _codes(error).isdisjoint(NO_SAVEPOINT)


def says_duplicate(error: BaseException) -> bool:
    """Tell whether the error of a driver is MySQL's, for a row that is there already."""
    return DUPLICATE in _codes(error)


def _codes(error: BaseException) -> set[object]:
    """The codes of *error*, and of the driver's own error that Django and SQLAlchemy put into one of theirs."""
    errors = [each for each in (error, getattr(error, "orig", None), error.__cause__) if each is not None]
    found = [getattr(each, name, None) for each in errors for name in ("sqlstate", "pgcode", "errno")]
    first = [each.args[0] for each in errors if each.args]
    found += [each.get("C") if isinstance(each, dict) else each for each in first]  # pg8000 has all fields in one dict
    return {each for each in found if isinstance(each, (str, int))}

"""A program with Django, run by its path: each record queries a database, and looks at the connection it finds."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is run by its path

if not settings.configured:
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ["DATABASE"],  # one in memory is never closed
                "CONN_MAX_AGE": None if "keeps" in sys.argv else 0,
            }
        }
    )

FOUND_OPEN: list[bool] = []
CONNECTIONS: list[object] = []
THREADS: set[int] = set()


def query(record: object) -> None:
    """Note whether this thread's connection is open already, and use it."""
    from django.db import connection

    FOUND_OPEN.append(connection.connection is not None)
    THREADS.add(threading.get_ident())
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    CONNECTIONS.append(connection.connection)


def query_in_child(record: object) -> None:
    """Fail if an earlier record has left the connection open; its own is open at its end."""
    query(record)
    if any(FOUND_OPEN):
        raise ValueError("the connection of the record before was not closed")


async def query_async(record: object) -> None:
    await sync_to_async(query)(record)


def query_for_all(records: list[object]) -> None:
    query(records)


def is_closed(connection: object) -> bool:
    import sqlite3

    try:
        connection.execute("select 1")  # type: ignore[attr-defined]
    except sqlite3.ProgrammingError as error:
        return "closed" in str(error)
    return False


def main() -> None:
    from kafka_parallel import Batch
    from tests.runtime.app import App

    kind = sys.argv[1]
    handler = {"asyncio": query_async, "batch": query_for_all, "process-pool": query_in_child}.get(kind, query)
    executor = kind if kind in {"asyncio", "process-pool"} else "thread-pool"
    app = App(6)
    plugins = [] if "without" in sys.argv else ["django"]
    parallel = app.parallel(plugins=plugins, executor=executor, workers=1)
    parallel.run(handler, Batch(max_records=2, max_wait_ms=20) if kind == "batch" else None)
    shown = {
        "committed": app.committed,
        "found open": sum(FOUND_OPEN),
        "left open": len({id(found) for found in CONNECTIONS if not is_closed(found)}),
        "threads": len(THREADS),
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    main()

"""A consumer in a process of its own whose effects are rows of a database: each with the inbox, in one transaction."""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer, inbox

sys.path.insert(0, str(Path(__file__).parents[2]))  # it is run by its path
from tests.inbox.drivers import PLACE, Database, connect
from tests.integration.until_committed import UntilCommitted


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic", "group", "dialect", "url"):
        parser.add_argument(name)
    parser.add_argument("--sleep-ms", type=float, default=2)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--session-ms", type=int, default=1000)
    parser.add_argument("--idle-ms", type=float, default=60_000)
    parser.add_argument("--until-committed", type=int, default=0, help="1 ends it once its group has committed all")
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.dump_traceback_later(240, exit=True)
    consumer = KafkaConsumer(
        options.topic,
        group_id=options.group,
        bootstrap_servers=options.bootstrap,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1000,
        consumer_timeout_ms=options.idle_ms,
        session_timeout_ms=options.session_ms,
        heartbeat_interval_ms=options.session_ms // 4,
    )
    kind = UntilCommitted if options.until_committed else ParallelConsumer
    effects = Effects(Database(options.dialect, options.url), options.sleep_ms / 1000)
    kind(consumer, ordering="unordered", workers=options.workers, plugins=["retry"]).run(effects.make)


class Effects:
    """Writes a row for each record, and one elsewhere for each that was handled before.

    :param database: where.
    :param sleep: how long a transaction stays open, in seconds.
    """

    def __init__(self, database: Database, sleep: float) -> None:
        self._database = database
        self._sleep = sleep
        self._local = threading.local()

    def make(self, record: Any) -> None:
        connection = self._connection()
        try:
            with closing(connection.cursor()) as cursor:
                is_first = inbox.first_time(cursor, record, consumer="effects")
                time.sleep(self._sleep)
                table, mark = "effects" if is_first else "refused", PLACE[self._database.dialect]
                place = f"{record.partition}/{record.offset}"
                cursor.execute(f"INSERT INTO {table} VALUES ({mark}, {mark})", (place, str(os.getpid())))
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def _connection(self) -> Any:
        """The connection of this thread."""
        if not hasattr(self._local, "connection"):
            waits = {"timeout": 60} if self._database.dialect == "sqlite" else {}
            self._local.connection = connect(self._database, **waits)
            if self._database.dialect == "sqlite":
                self._local.connection.execute("PRAGMA synchronous = OFF")  # for the test's speed: no machine crashes
        return self._local.connection


if __name__ == "__main__":
    main()

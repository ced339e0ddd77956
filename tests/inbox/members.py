"""Members that write effects, killed and frozen while they do; and the count of what they have written."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

from kafka_parallel.testing.history import Produced
from tests.inbox.drivers import Database, rows
from tests.integration.kafka_app import Program, wait_for

WORKER = Path(__file__).with_name("worker.py")


class Member(Program):
    """A process that runs worker.py of this folder."""

    def __init__(self, bootstrap: str, topic: str, database: Database, **options: object) -> None:
        super().__init__(WORKER, bootstrap, topic, f"g-{topic}", *database, **options)


def killed(bootstrap: str, topic: str, database: Database, kills: int) -> None:
    """Run a member and kill it after it has written something, *kills* times; then let one end the work."""
    chance = random.Random()
    for _ in range(kills):
        before = count(database, "effects")
        with Member(bootstrap, topic, database, sleep_ms=4) as member:
            wait_for(lambda before=before: count(database, "effects") > before, "an effect")
            time.sleep(chance.random() * 1.5)
            member.signal(signal.SIGKILL)
            member.wait()
    with Member(bootstrap, topic, database, sleep_ms=0, until_committed=1) as member:
        assert member.wait() == 0


def frozen(bootstrap: str, topic: str, database: Database, freezes: int) -> None:
    """Let two members share the work, and freeze one of them for longer than its session, *freezes* times."""
    options: dict[str, Any] = {"sleep_ms": 20, "until_committed": 1}
    if database.dialect == "sqlite":  # one writer at a time, and of many that wait for their turn one may never get it
        options |= {"sleep_ms": 2, "workers": 2}
    with Member(bootstrap, topic, database, **options) as zombie, Member(bootstrap, topic, database, **options) as heir:
        pids = {str(member.process.pid) for member in (zombie, heir)}
        wait_for(lambda: pids <= {row[0] for row in rows(database, MEMBERS)}, "both to work")
        for _ in range(freezes):
            zombie.signal(signal.SIGSTOP)
            time.sleep(4)
            zombie.signal(signal.SIGCONT)
            time.sleep(1)
        assert heir.wait() == 0
        assert zombie.wait() == 0


MEMBERS = "SELECT DISTINCT member FROM effects"


def count(database: Database, table: str) -> int:
    return int(rows(database, f"SELECT count(*) FROM {table}")[0][0])


def check(database: Database, produced: Produced) -> int:
    """Check that each record has had its effect once; return how many were refused because they had had it."""
    expected = sorted(f"{partition}/{offset}" for partition, keys in produced.keys.items() for offset in keys)
    found = sorted(row[0] for row in rows(database, "SELECT place FROM effects"))
    twice = len(found) - len(set(found))
    assert (twice, sorted(set(expected) - set(found))[:10], len(found)) == (0, [], len(expected))
    return count(database, "refused")

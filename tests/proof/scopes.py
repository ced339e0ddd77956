"""The small worlds that are explored: those of the suite completely, the large ones as far as time allows."""

from __future__ import annotations

from dataclasses import replace

from tests.proof.world import Scope

ONE, TWO = {"p": "ab"}, {"p": "aab", "q": "ab-"}

# Each of them whole, in seconds.
SMALL = [
    Scope("two workers, a key with a backlog", {"p": "aab"}),
    Scope("two workers and records without a key", {"p": "-a-"}),
    Scope("two partitions, a retry", {"p": "a", "q": "a"}, retry=1),
    Scope("a retry in front of a backlog", {"p": "aab"}, workers=1, retry=1),
    Scope("a retry, and the partition is lost", ONE, workers=1, retry=1, lose=1),
    Scope("a retry, and the partition leaves in good order", ONE, workers=1, retry=1, drain=1),
    Scope("a key with a backlog is lost", {"p": "aa"}, workers=1, lose=1),
    Scope("a skip, a failure that stops us, and a commit", {"p": "aab"}, workers=1, skip=1, fail=1, commit=1),
    Scope("two commits while the partition is lost", ONE, workers=1, commit=2, lose=1),
    Scope("a deadline, and a retry", ONE, workers=1, deadline=1, retry=1),
    Scope("a deadline with a backlog, and the partition is lost", {"p": "aa"}, workers=1, deadline=1, lose=1),
    Scope("sent away: a retry, and units come back", {"p": "aab"}, kind="remote", workers=1, retry=1, give_back=1),
    Scope("sent away: the partition is lost", ONE, kind="remote", workers=1, retry=1, lose=1),
    Scope("batches: a retry and a skip", {"p": "aab"}, kind="batch", workers=1, retry=1, skip=1, limit=3),
    Scope("batches: a retry, and the partition is lost", {"p": "aa"}, kind="batch", workers=1, retry=1, lose=1),
    Scope("one order for two partitions", {"p": "ab", "q": "a"}, shares_lanes=True),
    Scope("one order for two partitions, and one leaves before a retry", {"p": "a", "q": "ab"}, workers=1,
          limit=1, shares_lanes=True, retry=1, drain=1),
    Scope("one order for two partitions, and both leave", {"p": "a", "q": "ab"}, workers=1, limit=1, shares_lanes=True,
          retry=1, stop=1),
    Scope("one order for two partitions, and one is lost", {"p": "a", "q": "a"}, limit=1, shares_lanes=True, lose=1),
    Scope("one order for two partitions, and a failure stops us", {"p": "a", "q": "ab"}, workers=1, limit=1,
          shares_lanes=True, fail=1),
    Scope("batches: one order for two partitions", {"p": "a", "q": "ab"}, kind="batch", of="partition",
          shares_lanes=True, retry=1),
    Scope("batches: a failure that stops us", {"p": "aab"}, kind="batch", workers=2, fail=1, limit=3),
    Scope("a seek, and a retry", {"p": "aa"}, workers=1, seek=1, retry=1),
    Scope("two seeks", ONE, workers=1, seek=2),
    Scope("two workers, and a seek", {"p": "aa"}, limit=1, seek=1),
    Scope("a seek, and the partition leaves in good order", {"p": "aa"}, workers=1, seek=1, drain=1),
    Scope("a seek, and the partition is lost", {"p": "aa"}, workers=1, limit=1, seek=1, lose=1),
    Scope("a seek, a failure that stops us, and a commit", {"p": "aa"}, workers=1, limit=1, seek=1, fail=1, commit=1),
    Scope("a seek, and a deadline", {"p": "aa"}, workers=1, limit=1, seek=1, deadline=1),
    Scope("sent away: a seek, and units come back", ONE, kind="remote", workers=1, seek=1, give_back=1),
    Scope("batches: a seek, and a retry", {"p": "aa"}, kind="batch", workers=1, seek=1, retry=1),
    Scope("one order for two partitions, and a seek", {"p": "a", "q": "a"}, workers=1, limit=1, shares_lanes=True,
          seek=1),
]  # fmt: skip

_FULL = Scope("", TWO)
# Two partitions of three records and two keys each, two workers; the faults come in pairs.
LARGE = [
    replace(_FULL, name="large: a retry, and a partition is lost", retry=1, lose=1),
    replace(_FULL, name="large: a retry, and a partition leaves in good order", retry=1, drain=1),
    replace(_FULL, name="large: commits while a partition is lost", commit=2, lose=1),
    replace(_FULL, name="large: a deadline, and a retry", deadline=1, retry=1),
    replace(_FULL, name="large: a deadline, and a partition is lost", deadline=1, lose=1),
    replace(_FULL, name="large: a skip, a failure that stops us, and a commit", skip=1, fail=1, commit=1),
    replace(_FULL, name="large, sent away: a retry, units come back, a partition is lost", kind="remote", retry=1,
            give_back=1, lose=1),
    replace(_FULL, name="large, batches: a retry, and a partition is lost", kind="batch", limit=3, retry=1, lose=1),
]  # fmt: skip

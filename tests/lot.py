"""The choice of a run among many tests alike, where all of them take minutes.

The ones about files that were changed lately come first, the others by lot. ``KAFKA_PARALLEL_TESTS=all``, as in
``make unit-all``, draws every one.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
# How many commits are lately; what is not committed is too.
COMMITS = 10


def draws_all() -> bool:
    """Tell whether this run leaves nothing to the lot."""
    wanted = os.environ.get("KAFKA_PARALLEL_TESTS", "")
    if wanted not in {"", "all"}:
        raise ValueError(f"KAFKA_PARALLEL_TESTS is {wanted!r}; it can be 'all' or not set")
    return wanted == "all"


@cache
def changed() -> frozenset[Path]:
    """The files that were changed lately; none where there is no history."""
    log = ["git", "log", f"-{COMMITS}", "--name-only", "--format="]
    open_changes = ["git", "diff", "--name-only", "HEAD"]
    said = "".join(subprocess.run(ask, cwd=ROOT, capture_output=True, text=True).stdout for ask in (log, open_changes))
    return frozenset(ROOT / name for name in said.split())


def has_changed(*folders: str) -> bool:
    """Tell whether a file in one of the *folders* was changed lately."""
    return any(ROOT / folder in path.parents for path in changed() for folder in folders)


def lot() -> random.Random:
    """A lot that all processes of a run draw alike, since each of them collects the tests by itself."""
    return random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))


def drawn(items: Sequence[T], most: int) -> list[T]:
    """At most so many of *items*, in their order; all of them where nothing is left to the lot."""
    if draws_all() or len(items) <= most:
        return list(items)
    return [items[number] for number in sorted(lot().sample(range(len(items)), most))]

"""Look for all planted bugs, and note which seed found each: ``make planted``."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.simulation.planted import BUGS, Bug
from tests.simulation.planted.search import NOTES, search


def look_for(bug: Bug) -> tuple[Bug, int | None]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seed, said = search(bug, Path(folder))
    verdict = f"found by seed {seed}" if seed is not None else f"NOT FOUND\n{said}"
    print(f"{time.monotonic() - started:6.1f} s  {bug.name}: {verdict}", flush=True)
    return bug, seed


def main() -> int:
    chosen = [bug for bug in BUGS if all(word in bug.name for word in sys.argv[1:])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(pool.map(look_for, chosen))
    if len(chosen) == len(BUGS):
        seeds = sorted((bug.name, seed) for bug, seed in found.items() if seed is not None)
        NOTES.write_text("".join(f"{name}\t{seed}\n" for name, seed in seeds))
    missed = [bug.name for bug, seed in found.items() if seed is None]
    print(f"{len(found) - len(missed)} of {len(found)} planted bugs were found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

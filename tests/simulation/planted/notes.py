"""The seed that found each bug the last time it was looked for, and the bugs that none has found.

A line has the name of a bug and its seed, with a tab between them; or its name, how many seeds did not find it, and the
reason, which is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

NOTES = Path(__file__).with_name("found_by.txt")
_MISSED = re.compile(r"not found within (\d+) seeds")


class Missed(NamedTuple):
    """A bug that was not found.

    :ivar seeds: how many seeds were run.
    :ivar reason: why none of them finds it.
    """

    seeds: int
    reason: str


class Notes:
    """The notes in a file, which need not exist.

    :ivar found: the seed that found each bug, by the bug's name.
    :ivar missed: those that were not found, by name.
    """

    def __init__(self, path: Path = NOTES) -> None:
        self._path = path
        self.found: dict[str, int] = {}
        self.missed: dict[str, Missed] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            self._read(line)

    def _read(self, line: str) -> None:
        name, result, *reason = line.split("\t")
        if seeds := _MISSED.fullmatch(result):
            self.missed[name] = Missed(int(seeds[1]), *reason)
        else:
            self.found[name] = int(result)

    @property
    def exist(self) -> bool:
        """Tell whether there are any."""
        return self._path.exists()

    @property
    def names(self) -> set[str]:
        """The bugs that have a note."""
        return {*self.found, *self.missed}

    def note(self, name: str, seed: int | None, tried: int) -> None:
        """Note that *seed* found a bug, or that none of *tried* seeds did, and write the file."""
        reason = self.missed[name].reason if name in self.missed else ""
        self.forget({name})
        if seed is None:
            self.missed[name] = Missed(tried, reason)
        else:
            self.found[name] = seed
        self._write()

    def forget(self, names: set[str]) -> None:
        """Leave *names* out, which are called otherwise now or are gone."""
        for name in names:
            self.found.pop(name, None)
            self.missed.pop(name, None)

    def _write(self) -> None:
        lines = {name: str(seed) for name, seed in self.found.items()}
        lines |= {name: f"not found within {seeds} seeds\t{why}" for name, (seeds, why) in self.missed.items()}
        beside = self._path.with_suffix(".new")
        beside.write_text("".join(f"{name}\t{lines[name]}\n" for name in sorted(lines)))
        beside.replace(self._path)

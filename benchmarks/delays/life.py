"""One life of a consumer: a process that handles records, and what it has noted so far."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.delays.entrants import Entrant
from benchmarks.delays.programs.notes import Start, read
from benchmarks.delays.programs.setup import Setup
from benchmarks.environments import ROOT, last_words, prepare
from benchmarks.session import NotMeasured

# No condition is waited for longer, in seconds.
PATIENCE = 60
LOOK_EVERY = 0.01


class Life:
    """A process that consumes as *setup* says, from entering a ``with`` block on; leaving it kills a process that is
    still there."""

    def __init__(self, entrant: Entrant, setup: Setup) -> None:
        self._command = [
            *prepare(entrant.environment), "-m", "benchmarks.delays.programs", entrant.entry, setup.to_json(),
        ]  # fmt: skip
        self._log, self._errors = Path(setup.log), Path(f"{setup.log}.errors")
        self._log.touch()

    def __enter__(self) -> Life:
        with self._errors.open("wb") as errors:
            self.began = time.monotonic_ns()
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=errors, cwd=ROOT)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)
        self._close_input()

    def starts(self) -> list[Start]:
        """The handlers that have begun."""
        return list(read(self._log))

    def wait_for(self, condition: Callable[[Sequence[Start]], bool], what: str) -> list[Start]:
        """Wait until *condition* holds for the starts; return these.

        :raises NotMeasured: the consumer has ended, or is too slow.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition(found := self.starts()):
            if self._process.poll() is not None:
                raise NotMeasured(f"failed before {what}: {last_words(self._errors.read_text())}")
            if time.monotonic() > deadline:
                raise NotMeasured(f"{PATIENCE} s passed before {what}")
            time.sleep(LOOK_EVERY)
        return found

    def leave(self) -> None:
        """Let it leave its group, and wait for its end.

        :raises NotMeasured: it failed.
        """
        self._close_input()
        if self._process.wait(PATIENCE):
            raise NotMeasured(f"failed: {last_words(self._errors.read_text())}")

    def _close_input(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()


def has_begun(partitions: Sequence[int], since: int = 0) -> Callable[[Sequence[Start]], bool]:
    """A condition: a record of each of *partitions* has begun that was produced after *since*."""
    return lambda starts: {start.partition for start in starts if start.produced >= since} >= set(partitions)

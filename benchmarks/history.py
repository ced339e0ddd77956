"""The results of earlier runs: one line of JSON per run, newest last."""

from __future__ import annotations

from pathlib import Path

from benchmarks.rows import Run

HISTORY = Path(__file__).with_name("history.jsonl")


def read(path: Path = HISTORY) -> list[Run]:
    """All runs; none if there is no file."""
    if not path.exists():
        return []
    return [Run.from_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def append(run: Run, path: Path = HISTORY) -> None:
    """Add *run*."""
    with path.open("a", encoding="utf-8") as file:
        file.write(run.to_json() + "\n")

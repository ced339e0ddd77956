"""How many seeds are run on all cores, and how a run that was interrupted goes on."""

from __future__ import annotations

import json
import logging
from asyncio import CancelledError
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kafka_parallel.errors import KafkaParallelError
from kafka_parallel.testing.simulation import watchdog
from kafka_parallel.testing.simulation.scenario import Simulation

BATCH = 100


class SweepError(KafkaParallelError):
    """Seeds that cannot be run, or the notes of an earlier run that cannot be used."""


@dataclass
class Sweep:
    """The range of seeds, and the progress.

    :ivar first: the first seed.
    :ivar seeds: how many.
    :ivar done: how many are done, from the first on.
    :ivar failed: the seeds that failed, each with its report.
    """

    first: int
    seeds: int
    done: int = 0
    records: int = 0
    repeats: int = 0
    seconds: float = 0.0
    failed: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = (self.first, self.seeds, self.done, self.records, self.repeats)
        if not all(isinstance(number, int) for number in numbers) or self.first < 0 or self.seeds < 1:
            raise SweepError(
                f"there are no {self.seeds} seeds from {self.first} on: seeds are whole numbers from 0, at least one"
            )

    def run(self) -> Iterator[int]:
        """Run the rest; yield after each batch how many seeds are done."""
        starts = range(self.first + self.done, self.first + self.seeds, BATCH)
        counts = [min(BATCH, self.first + self.seeds - start) for start in starts]
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            for count, found in zip(counts, pool.map(run_batch, starts, counts), strict=True):
                self.done += count
                self.records += found["records"]
                self.repeats += found["repeats"]
                self.failed.update(found["failed"])
                yield self.done

    # Notes, so that an interrupted run can go on

    def save(self, path: Path) -> None:
        """Write down the progress; a reader sees the old notes or the new ones.

        :raises SweepError: they cannot be written.
        """
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise SweepError(f"the notes cannot be written to {path}: {error}") from error


def resumed(path: Path, seeds: int) -> Sweep | None:
    """Read the notes of an earlier run of as many *seeds*; ``None`` if there are none.

    :raises SweepError: they cannot be read, are cut, corrupt, or of another run.
    """
    if not path.exists():
        return None
    try:
        notes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        notes["failed"] = {int(seed): str(what) for seed, what in notes["failed"].items()}
        found = Sweep(**notes)
    except OSError as error:
        raise SweepError(f"the notes of an earlier run in {path} cannot be read: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SweepError(
            f"the notes of an earlier run in {path} are cut or corrupt ({error}): remove the file"
        ) from error
    if found.seeds != seeds:
        raise SweepError(f"the notes in {path} are of a run of {found.seeds} seeds, not {seeds}: remove the file")
    return found


def keep(path: Path, failed: Iterable[int]) -> None:
    """Add the seeds that *failed* to the regression cases in *path*, one a line, if they are not there yet.

    :raises SweepError: it cannot be read or written.
    """
    try:
        known = path.read_text(encoding="utf-8").split() if path.exists() else []
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{seed}\n" for seed in sorted(failed) if str(seed) not in known)
    except OSError as error:
        raise SweepError(f"failing seeds cannot be kept in {path}: {error}") from error


def run_batch(first: int, count: int) -> dict[str, Any]:
    """Run *count* seeds from *first* on: the numbers of records and repeats, and the failures."""
    logging.disable(logging.CRITICAL)
    records, repeats, failed = 0, 0, {}
    for seed in range(first, first + count):
        watchdog.watch()
        try:
            run = Simulation(seed).run()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - any failure is a finding
            failed[seed] = f"{type(error).__name__}: {error}"
        else:
            records, repeats = records + run.records, repeats + run.repeats
    watchdog.cancel()
    return {"records": records, "repeats": repeats, "failed": failed}

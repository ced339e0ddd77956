"""Start a Kafka, produce orders, handle them twice: with a plain poll loop and in parallel, killed half-way."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from examples.demo.orders import produce_orders
from examples.demo.report import pace, table, verdict_of
from examples.demo.workers import call_the_other_service, consumer_of, poll_loop
from kafka_parallel.testing.broker import Broker, start_broker
from kafka_parallel.testing.history import History, Kind, Produced, read, unpack, whole

TOPIC, PARTITIONS = "demo-orders", 4
# No run of the parallel consumer may take longer, in seconds.
PATIENCE = 90.0


def main() -> int:
    """Run the demo; the exit code says whether everything held."""
    parser = argparse.ArgumentParser(prog="examples.demo", description=__doc__)
    parser.add_argument("--records", type=int, default=20_000, help="orders to produce (default: %(default)s)")
    parser.add_argument(
        "--share", type=int, default=2_000, help="orders for the plain poll loop (default: %(default)s)"
    )
    options = parser.parse_args()
    if not 100 <= options.share <= options.records:
        parser.error(f"--share {options.share} must be at least 100 and at most --records {options.records}")
    console = Console()
    with tempfile.TemporaryDirectory() as folder, start_broker() as broker:
        return Demo(console, broker, Path(folder)).run(options.records, options.share)


class Demo:
    """One run of the demo on one broker."""

    def __init__(self, console: Console, broker: Broker, folder: Path) -> None:
        self._console = console
        self._bootstrap = broker.bootstrap_servers
        self._folder = folder
        self._topic = f"{TOPIC}-{time.time_ns()}"
        broker.create_topic(self._topic, PARTITIONS)

    def run(self, records: int, share: int) -> int:
        """Do everything and show the table."""
        self._console.print(f"Kafka is at {self._bootstrap}; producing {records:,} orders of 1,000 customers ...")
        produced = produce_orders(self._bootstrap, self._topic, records)
        plain, parallel = self._folder / "poll-loop", self._folder / "parallel"
        with self._progress() as progress:
            self._run_plain(plain, share, progress)
            self._run_parallel(parallel, records, progress)
        verdict = verdict_of(parallel, produced)
        behind = self._behind(produced)
        state = "= end of the log" if behind == 0 else f"{behind} records behind the end"
        self._console.print(table(pace(list(read(plain))), pace(list(read(parallel))), verdict, state))
        return 0 if verdict.is_good and behind == 0 else 1

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self._console)

    def _run_plain(self, path: Path, share: int, progress: Progress) -> None:
        bar = progress.add_task("plain poll loop", total=share)

        def handle(record: object) -> None:
            call_the_other_service(record)
            progress.advance(bar)

        consumer = consumer_of(self._bootstrap, self._topic, f"{self._topic}-plain")
        poll_loop(consumer, History(path).recording(handle), share)

    def _run_parallel(self, path: Path, records: int, progress: Progress) -> None:
        """Run the parallel consumer in a process; kill it when half is done, and start it again."""
        history = History(path)
        bar = progress.add_task("kafka-parallel", total=records)
        finished = Finished(path)
        with self._start(path) as process:
            self._watch(process, finished, bar, progress, until=records // 2)
            process.kill()
            process.wait()
        history.killed(process.pid)
        progress.update(bar, description="killed by SIGKILL, restarted")
        with self._start(path) as process:
            self._watch(process, finished, bar, progress, until=sys.maxsize)

    def _start(self, path: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "examples.demo.workers", self._bootstrap, self._topic, self._topic, str(path)]
        return subprocess.Popen(command)

    @staticmethod
    def _watch(
        process: subprocess.Popen[bytes], finished: Finished, bar: TaskID, progress: Progress, until: int
    ) -> None:
        """Follow the history until *until* records are finished, or the process has ended."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and finished.count() < until:
            if time.monotonic() > deadline:
                process.kill()
                raise TimeoutError(f"the parallel consumer did not finish in {PATIENCE} s")
            progress.update(bar, completed=finished.count())
            time.sleep(0.05)
        progress.update(bar, completed=finished.count())

    def _behind(self, produced: Produced) -> int:
        """How far the committed offsets are from the end of the log, asked of the broker."""
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, group_id=self._topic, enable_auto_commit=False)
        partitions = [TopicPartition(produced.topic, number) for number in produced.keys]
        ends = consumer.end_offsets(partitions)
        behind = sum(ends[partition] - (consumer.committed(partition) or 0) for partition in partitions)
        consumer.close()
        return int(behind)


class Finished:
    """How many different records a growing history has as finished."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._records: set[tuple[int, int]] = set()

    def count(self) -> int:
        """Read the lines added since the last call, and count."""
        data = self._file.read()
        complete = whole(data)
        self._file.seek(len(complete) - len(data), 1)
        entries = unpack(complete, "the history")
        self._records |= {(entry.partition, entry.offset) for entry in entries if entry.kind == Kind.END}
        return len(self._records)


if __name__ == "__main__":
    sys.exit(main())

"""Does a free-threaded Python keep two promises? No record is lost or out of order, and computing handlers run at once.

``python -m tests.free_threaded.parallel_runs`` makes ten runs of 100,000 records, in order of keys, on 2, 4 and 8
threads in turn, and times handlers of 1 ms of Python on one thread and on two. It returns 1 if a promise is broken.
A busy machine has no second core to give: two processes are timed beside two threads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from statistics import median

from kafka import TopicPartition

from kafka_parallel import ParallelConsumer, Retry, hookimpl
from kafka_parallel.testing import FakeCluster, FakeConsumer

TOPIC, GROUP, PARTITIONS = "runs", "group", 4
KEYS = 101
ONE_FAILS_IN = 997
# Two threads take no more than this of one thread's time, or of the ratio of two processes where that is more.
MOST_OF_ONE_THREAD, MOST_OF_PROCESSES = 0.6, 1.2


class RetryAtOnce:
    """A record whose handler failed is due again."""

    @hookimpl
    def on_error(self) -> Retry:
        """Answer for every error."""
        return Retry()


class Records:
    """A topic with so many *records*, each with its number as value, and a note of which were handled."""

    def __init__(self, records: int) -> None:
        self.records = records
        self._cluster = FakeCluster()
        self._cluster.create_topic(TOPIC, PARTITIONS)
        for number in range(records):
            self._cluster.append(TOPIC, b"%d" % number, b"%d" % (number % KEYS), partition=number % KEYS % PARTITIONS)
        self._failed: set[int] = set()
        self.handled: list[tuple[bytes, int]] = []

    def run(self, workers: int, work: int = 0) -> float:
        """Handle all records, each with so many steps of *work*; return the seconds it took."""
        consumer = FakeConsumer(TOPIC, cluster=self._cluster, group_id=GROUP, auto_offset_reset="earliest")
        parallel = ParallelConsumer(consumer, workers=workers, install_signal_handlers=False, plugins=[RetryAtOnce()])
        begin = time.perf_counter()

        def handle(record: object) -> None:
            number = int(record.value)  # type: ignore[attr-defined]
            if not work and number % ONE_FAILS_IN == 1 and number not in self._failed:
                self._failed.add(number)
                raise ValueError(number)
            compute(work)
            self.handled.append((record.key, number))  # type: ignore[attr-defined]
            if len(self.handled) >= self.records:
                parallel.stop()

        parallel.run(handle)
        return time.perf_counter() - begin

    def problems(self) -> list[str]:
        """The promises that were broken, in words."""
        by_key: dict[bytes, list[int]] = defaultdict(list)
        for key, number in list(self.handled):
            by_key[key].append(number)
        lost = self.records - len({number for _, number in self.handled})
        repeated = len(self.handled) - self.records + lost
        reordered = sum(a > b for found in by_key.values() for a, b in pairwise(found))
        found = [self._cluster.committed(GROUP, TopicPartition(TOPIC, number)) for number in range(PARTITIONS)]
        uncommitted = self.records - sum(0 if offset is None else offset.offset for offset in found)
        counts = {"lost": lost, "repeated": repeated, "out of order": reordered, "not committed": uncommitted}
        return [f"{count} {name}" for name, count in counts.items() if count]


def compute(steps: int) -> int:
    """Do so many steps in Python."""
    total = 0
    for number in range(steps):
        total += number * number % 7
    return total


def steps_of_a_millisecond() -> int:
    """How many steps take 1 ms on one thread of this machine, the best of several tries."""
    tried, best = 20_000, float("inf")
    for _ in range(20):
        begin = time.perf_counter()
        compute(tried)
        best = min(best, time.perf_counter() - begin)
    return round(tried / best / 1000)


def keep_order(runs: int, records: int) -> bool:
    """Make so many *runs*, and print what each kept."""
    all_kept = True
    for number in range(runs):
        workers, topic = (2, 4, 8)[number % 3], Records(records)
        seconds = topic.run(workers)
        problems = topic.problems()
        all_kept &= not problems
        print(f"run {number + 1}: {records} records on {workers} threads in {seconds:.1f} s: "
              f"{', '.join(problems) or 'all handled once, in order, committed'}", flush=True)  # fmt: skip
    return all_kept


def in_processes(pool: ProcessPoolExecutor, count: int, steps: int) -> float:
    """Do *steps* in Python in so many processes, and return the seconds it took."""
    begin = time.perf_counter()
    list(pool.map(compute, [steps // count] * count))
    return time.perf_counter() - begin


def use_two_cores(records: int, times: int) -> bool:
    """Time handlers of 1 ms on one and two threads in turn, and the same work in processes; print the median ratios."""
    steps = steps_of_a_millisecond()
    of_threads, of_processes = [], []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        in_processes(pool, 2, 2000 * steps)  # both are there once each has had work for a second
        for _ in range(times):
            of_threads.append(Records(records).run(2, steps) / Records(records).run(1, steps))
            of_processes.append(in_processes(pool, 2, records * steps) / in_processes(pool, 1, records * steps))
    found, possible = median(of_threads), median(of_processes)
    print(f"1 ms of Python, {records} records: two threads take {found:.2f} of one thread's time "
          f"({min(of_threads):.2f} to {max(of_threads):.2f}), two processes {possible:.2f} of that of one "
          f"({min(of_processes):.2f} to {max(of_processes):.2f})", flush=True)  # fmt: skip
    return found <= max(MOST_OF_ONE_THREAD, MOST_OF_PROCESSES * possible)


def main() -> int:
    """Check both promises."""
    parser = argparse.ArgumentParser(prog="python -m tests.free_threaded.parallel_runs", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="runs with a look at the order (default: 10)")
    parser.add_argument("--records", type=int, default=100_000, help="records of each (default: 100,000)")
    # Many short ones: the load of a shared machine changes between the two of a pair.
    parser.add_argument("--times", type=int, default=20, help="measurements with one and two threads (default: 20)")
    given = parser.parse_args()
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}, interpreter lock {'on' if has_lock else 'off'}", flush=True)
    is_kept = keep_order(given.runs, given.records)
    is_parallel = use_two_cores(250, given.times) if given.times else True
    return int(has_lock or not is_kept or not is_parallel)


if __name__ == "__main__":
    sys.exit(main())

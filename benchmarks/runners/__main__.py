"""One measurement in a process of its own: which runner, which workload, which topic. Prints its figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.runners import failing, kafka_parallel_threads, naive_pool, poll_loop
from benchmarks.workloads import Workload, all_workloads

RUNNERS = {
    "poll loop": poll_loop.run,
    "poll loop, auto-commit": poll_loop.run_auto_commit,
    "naive pool": naive_pool.run,
    "kafka-parallel": kafka_parallel_threads.run,
    "kafka-parallel, by key": kafka_parallel_threads.run_by_key,
    "kafka-parallel, asyncio": kafka_parallel_threads.run_asyncio,
    "retry, none fails": failing.run_without_failures,
    "retry, 50 fail 3 times": failing.run_with_failures,
}


def handler(workload: Workload) -> Any:
    """What one record costs: its number is the first word of its value."""
    if workload.seconds is None:
        return None
    times = workload.times

    def handle(record: Any) -> None:
        time.sleep(times[int(record.value[:8])])

    return handle


def main() -> int:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runner", choices=RUNNERS)
    parser.add_argument("workload", choices=all_workloads())
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    options = parser.parse_args()
    workload = all_workloads()[options.workload]
    config = {
        "bootstrap_servers": options.bootstrap,
        "group_id": f"bench-{time.time_ns()}",
        "auto_offset_reset": "earliest",
        "consumer_timeout_ms": 30_000,
    }
    cpu, wall = time.process_time(), time.perf_counter()
    seconds = RUNNERS[options.runner](workload, handler(workload), options.topic, config)
    figures = {"seconds": seconds, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

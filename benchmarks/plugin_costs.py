"""Processor time of plugins that observe, per record: ``python -m benchmarks.plugin_costs [--rounds N] [--fake]``.

The handler does nothing. Each set of plugins is measured in a process of its own, all sets in turn, round after round,
by the processor time of that process: a busy machine lengthens that far less than the time on the wall. By default the
records come from a real Kafka, as in the benchmark "no-op". With ``--fake`` they were made before the clock started, so
there is little else than the cost of the plugins.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.costs.prepared import BATCH, PreparedConsumer
from benchmarks.environments import ROOT, last_words
from benchmarks.job import Job
from benchmarks.runners.clients import consumer as real_consumer
from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.session import fill
from benchmarks.workloads import all_workloads
from kafka_parallel import ParallelConsumer, hookimpl
from kafka_parallel.testing.broker import start_broker

RECORDS = 100_000
PARTITIONS = 4
WORKERS = 4
PATIENCE = 180
HEALTH = ("health", {"port": 0})
ALL_FOUR = ("prometheus", "opentelemetry", "log-context", HEALTH)


class HearsHandled:
    """Hears ``on_handled`` and does nothing with it: the consumer's own part of the cost."""

    @hookimpl
    def on_handled(self) -> None:
        """Do nothing."""


def _sampling_nothing() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))


def _nothing() -> None:
    """Set nothing up."""


# The plugins of each set, and the act before they are loaded.
SETS: dict[str, tuple[Sequence[Any], Callable[[], None]]] = {
    "nothing": ((), _nothing),
    "on_handled alone": ((HearsHandled,), _nothing),
    "prometheus": (("prometheus",), _nothing),
    "log-context": (("log-context",), _nothing),
    "opentelemetry, no SDK": (("opentelemetry",), _nothing),
    "opentelemetry, an SDK that samples nothing": (("opentelemetry",), _sampling_nothing),
    "timing-metrics": (("timing-metrics",), _nothing),
    "health": ((HEALTH,), _nothing),
    "all four": (ALL_FOUR, _nothing),
    "commits each 100 ms": ((), _nothing),
    "offset-map": (("offset-map",), _nothing),
    "offset-map, commits each 100 ms": (("offset-map",), _nothing),
}
# The interval of commits, where it is not the usual one.
INTERVALS_MS = {"commits each 100 ms": 100, "offset-map, commits each 100 ms": 100}


def main() -> int:
    """Measure all sets in turn and print them as ratios, or one of them for the process that asked."""
    parser = argparse.ArgumentParser(prog="benchmarks.plugin_costs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fake", action="store_true", help="without a broker")
    parser.add_argument("--only", action="append", choices=SETS, help="measure this beside nothing")
    parser.add_argument("--measure", choices=SETS, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        sys.stdout.write(f"{cost_of(options.measure, options.job)!r}\n")
        return 0
    names = ["nothing", *(options.only or [name for name in SETS if name != "nothing"])]
    if options.fake:
        show(_measure_all(names, options.rounds, list))
        return 0
    workload = all_workloads()["no-op"]
    with start_broker() as broker:
        topic = fill(workload, broker)

        def job() -> list[str]:
            made = Job("nothing", RECORDS, WORKERS, broker.bootstrap_servers, topic, f"costs-{time.time_ns()}")
            return ["--job", made.to_json()]

        show(_measure_all(names, options.rounds, job))
    return 0


def show(found: dict[str, list[float]]) -> None:
    """Print the least and the median of each set, and both as ratios of those without plugins."""
    base = found["nothing"]
    for name, costs in found.items():
        ratios = [cost / bare for cost, bare in zip(costs, base, strict=True)]
        sys.stdout.write(
            f"{name:44} least {min(costs) * 1e6:6.2f} us, median {median(costs) * 1e6:6.2f} us;"
            f" of nothing: least {min(costs) / min(base):.3f}, median {median(ratios):.3f}\n"
        )


def _measure_all(names: Sequence[str], rounds: int, job: Callable[[], list[str]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = [sys.executable, "-m", "benchmarks.plugin_costs", "--measure", name, *job()]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False)
            if done.returncode:
                raise SystemExit(f"{name}: {last_words(done.stderr)}")
            found[name].append(float(done.stdout.split()[-1]))
    return found


def cost_of(name: str, job: str | None) -> float:
    """Processor seconds of this process per record, from the first handler to the last."""
    plugins, set_up = SETS[name]
    set_up()
    loaded = [plugin() if isinstance(plugin, type) else plugin for plugin in plugins]
    interval_ms = INTERVALS_MS.get(name)
    if job is None:
        return _cost_without_broker(loaded, interval_ms)
    return _cost_with_broker(loaded, Job.from_json(job), interval_ms)


def _cost_without_broker(plugins: Sequence[Any], interval_ms: float | None) -> float:
    consumer, produced = PreparedConsumer(RECORDS, PARTITIONS), RECORDS + PARTITIONS * BATCH
    _set_interval(consumer, interval_ms)
    parallel = ParallelConsumer(
        consumer, workers=WORKERS, ordering="unordered", plugins=plugins, max_buffered_records=produced,
        max_buffered_bytes=1 << 40, max_uncommitted=2 * produced, install_signal_handlers=False,
    )  # fmt: skip
    consumer.count_with(lambda: parallel.statistics().processed)
    ends: list[float] = []
    watch = Stopwatch(produced, lambda: (ends.append(time.process_time()), parallel.stop()))
    gc.collect()
    gc.freeze()  # looking through prepared objects is not a matter of the measurement
    parallel.run(watch.timing(None))
    return (ends[0] - consumer.began_at) / RECORDS


def _set_interval(consumer: Any, interval_ms: float | None) -> None:
    if interval_ms is not None:
        consumer.config["auto_commit_interval_ms"] = interval_ms


def _cost_with_broker(plugins: Sequence[Any], job: Job, interval_ms: float | None) -> float:
    consumer = real_consumer(job)
    _set_interval(consumer, interval_ms)
    parallel = ParallelConsumer(consumer, workers=job.workers, ordering="unordered", plugins=plugins)
    times: list[float] = []
    watch = Stopwatch(job.records, lambda: (times.append(time.process_time()), parallel.stop()))
    handle = watch.timing(None)

    def timed(record: Any) -> None:
        if not times:
            times.append(time.process_time())
        handle(record)

    gc.collect()
    parallel.run(timed)
    return (times[-1] - times[0]) / job.records


if __name__ == "__main__":
    sys.exit(main())

"""One measurement in a process of its own. Prints its figures as JSON on the last line."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.job import Job
from benchmarks.runners.skipped import Skipped


def main() -> int:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runner", help="module:function in this package")
    parser.add_argument("job", type=Job.from_json)
    options = parser.parse_args()
    module, function = options.runner.split(":")
    run = getattr(importlib.import_module(f"benchmarks.runners.{module}"), function)
    gc.collect()  # garbage of importing is not looked through at the expense of the measured program: 20 to 40 ms
    cpu, wall = _cpu(), time.perf_counter()
    try:
        seconds = run(options.job)
    except Skipped as reason:
        sys.stdout.write(json.dumps({"skipped": str(reason)}) + "\n")
        return 0
    figures = {
        "seconds": seconds, "wall": time.perf_counter() - wall, "cpu": _cpu() - cpu, "peak": _peak_megabytes(),
    }  # fmt: skip
    sys.stdout.write("\n" + json.dumps(figures) + "\n")
    return 0


def _cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _peak_megabytes() -> float | None:
    """The most memory this process had; ``None`` where the system has no such file.

    ``ru_maxrss`` would do nearly, but a child inherits its parent's across ``exec`` on Linux.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())

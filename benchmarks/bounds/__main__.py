"""Compare the ratios of a short run with stored bounds; ends with 1 if one is clearly worse.

On a machine so busy that rounds contradict each other, or that the time is over before a ratio's turn, there is no
verdict on it, and that is no failure.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.bounds.ratios import BOUNDS, Ratios
from benchmarks.bounds.verdicts import Judged, Verdict, judge
from benchmarks.program import run_program
from benchmarks.session import NotMeasured
from kafka_parallel.testing.broker import start_broker

SECONDS = 100.0
ROUNDS = 5


def main() -> int:
    """Measure and compare."""
    options = _options()
    try:
        found = measure(options.seconds)
    except NotMeasured as reason:
        sys.stderr.write(f"a runner failed: {reason}\n")
        return 1
    judged = {name: judge(found[name], bound) for name, bound in BOUNDS.items()}
    sys.stdout.write(report(judged, found))
    return 1 if any(each.verdict is Verdict.WORSE for each in judged.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.bounds", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="measure nothing new later (default: %(default)s)"
    )
    options = parser.parse_args()
    if not options.seconds > 0:
        parser.error(f"--seconds {options.seconds:g} must be above 0")
    return options


def measure(seconds: float) -> Mapping[str, Sequence[float]]:
    """The ratios of each round, by their names.

    :raises NotMeasured: a runner failed or was too slow.
    """
    found: dict[str, Sequence[float]] = dict.fromkeys(BOUNDS, ())
    ends = time.monotonic() + seconds
    with start_broker() as broker, tempfile.TemporaryDirectory() as folder:
        for part in Ratios(broker, Path(folder), ROUNDS).parts:
            if time.monotonic() < ends:
                found |= part()
    return found


def report(judged: Mapping[str, Judged], found: Mapping[str, Sequence[float]]) -> str:
    """A line for each ratio, and one about all."""
    width = max(map(len, judged))
    lines = [f"{name:<{width}}  {_line(each, len(found[name]), BOUNDS[name])}" for name, each in judged.items()]
    count = {verdict: sum(each.verdict is verdict for each in judged.values()) for verdict in Verdict}
    lines.append(
        f"{count[Verdict.FINE]} fine, {count[Verdict.WORSE]} worse, {count[Verdict.NONE]} without a verdict "
        "(their rounds contradict each other, or none began within --seconds)"
    )
    return "".join(line + "\n" for line in lines)


def _line(judged: Judged, rounds: int, bound: float) -> str:
    value = f"{judged.value:5.2f}" if rounds else "    -"
    return f"{value} of {bound:.2f}  spread {judged.spread:4.0%} of {rounds} rounds  {judged.verdict.value}"


if __name__ == "__main__":
    run_program(main)

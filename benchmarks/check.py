"""Did anything get worse: ``python -m benchmarks.check`` compares the newest run's ratios with those before it.

Only ratios are compared, each with the median of the same ratio in all earlier runs, and only ours: absolute times
depend on the machine, and the peers are not ours to keep fast. Ends with 1 if something got worse, 2 if there is
nothing to compare.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.history import HISTORY, read
from benchmarks.rows import Ratio, Row, Run

# How much worse a ratio may be than the median of earlier runs: medians of three rounds spread by up to 10 %.
TOLERANCE = 0.15


def main() -> int:
    """Compare, and name the workloads that got worse."""
    parser = argparse.ArgumentParser(prog="benchmarks.check", description=__doc__)
    parser.add_argument("--history", type=Path, default=HISTORY, help="the file that runs are added to")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="how much worse is fine (%(default)s)")
    options = parser.parse_args()
    runs = read(options.history)
    if len(runs) < 2:
        sys.stderr.write(f"{len(runs)} run(s) in the history: there is nothing to compare yet\n")
        return 2
    worse = list(regressions(runs, options.tolerance))
    for sentence in worse:
        sys.stdout.write(sentence + "\n")
    if not worse:
        sys.stdout.write(f"no ratio of {len(runs[-1].rows)} rows is more than {options.tolerance:.0%} worse\n")
    return 1 if worse else 0


def regressions(runs: Sequence[Run], tolerance: float) -> Iterator[str]:
    """A sentence for each ratio of the newest run that is worse than the median before by more than *tolerance*."""
    *before, newest = runs
    for row in newest.rows:
        for ratio in row.ratios if row.is_ours else ():
            earlier = [found.value for run in before if (found := _same(run, row, ratio)) is not None]
            if earlier and (loss := _loss(ratio, median(earlier))) > tolerance:
                yield (
                    f"{row.workload!r}, {row.runner}: {ratio.value:.2f} {ratio.measure} is {loss:.0%} worse than the "
                    f"{median(earlier):.2f} of {len(earlier)} earlier run(s)"
                )


def _same(run: Run, row: Row, ratio: Ratio) -> Ratio | None:
    for other in run.rows:
        if (other.workload, other.runner) == (row.workload, row.runner):
            return other.ratio(ratio.measure)
    return None


def _loss(ratio: Ratio, before: float) -> float:
    """How much worse, as a share of the earlier value; negative if it is better."""
    return (before - ratio.value) / before if ratio.is_higher_better else (ratio.value - before) / before


if __name__ == "__main__":
    sys.exit(main())

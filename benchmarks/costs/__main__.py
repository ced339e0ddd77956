"""One measurement in a process of its own: ``python -m benchmarks.costs AXIS SIZE`` prints seconds per record.

It is the least of a few, as with ``timeit``: the extra time of another one is not ours.
"""

from __future__ import annotations

import sys

from benchmarks.costs.axes import BY_NAME

TIMES = 3


def main() -> int:
    """Measure."""
    name, size = sys.argv[1:]
    cost = BY_NAME[name].cost
    sys.stdout.write(f"{min(cost(int(size)) for _ in range(TIMES))!r}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

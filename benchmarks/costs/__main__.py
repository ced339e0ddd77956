"""One measurement in a process of its own: ``python -m benchmarks.costs AXIS SIZE`` prints seconds per record."""

from __future__ import annotations

import sys

from benchmarks.costs.axes import BY_NAME


def main() -> int:
    """Measure once."""
    name, size = sys.argv[1:]
    sys.stdout.write(f"{BY_NAME[name].cost(int(size))!r}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

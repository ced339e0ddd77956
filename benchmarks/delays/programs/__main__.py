"""One consumer: ``python -m benchmarks.delays.programs MODULE:FUNCTION SETUP``; it ends with its standard input."""

from __future__ import annotations

import importlib
import sys

from benchmarks.delays.programs.setup import Setup


def main() -> None:
    """Consume."""
    entry, setup = sys.argv[1:]
    module, function = entry.split(":")
    getattr(importlib.import_module(f"benchmarks.delays.programs.{module}"), function)(Setup.from_json(setup))


if __name__ == "__main__":
    main()

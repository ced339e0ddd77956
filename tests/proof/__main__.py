"""Explore scopes outside of the suite: ``python -m tests.proof``, by default the large ones as far as time allows."""

from __future__ import annotations

import argparse
import sys

from tests.proof.explorer import Exploration
from tests.proof.scopes import LARGE, SMALL


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="of processor time for each scope (default: 300)")
    parser.add_argument("--states", type=int, default=1_000_000, help="of each scope at most (default: 1,000,000)")
    parser.add_argument("--small", action="store_true", help="the scopes of the suite instead of the large ones")
    parser.add_argument("--only", default="", help="scopes whose name has this in it")
    given = parser.parse_args()
    failed = False
    for scope in SMALL if given.small else LARGE:
        if given.only in scope.name:
            found = Exploration(scope, given.states, given.seconds).run()
            failed = failed or found.violation is not None
            print(f"{scope.name}: {found}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

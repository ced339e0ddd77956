"""The end of a consumer's standard input is its sign to stop."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def at_end_of_input(stop: Callable[[], object]) -> None:
    """Call *stop* from a thread of its own when standard input ends."""

    def wait() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()

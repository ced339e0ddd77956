"""Ends a process whose seed hangs.

A seed runs in one thread and waits for nothing outside, so one that hangs computes. Its processor time counts, not the
time on the wall: beside other programs a process may get little of the machine for minutes.
"""

from __future__ import annotations

import faulthandler
import signal

# A seed takes a twentieth of a second of processor time.
LONGEST = 60.0


def watch() -> None:
    """From now on, let `LONGEST` seconds of processor time pass at most: then all stacks are written, and it ends."""
    faulthandler.register(signal.SIGVTALRM, chain=True)  # the signal's default is the end of the process
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)


def cancel() -> None:
    """Let any time pass again."""
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    faulthandler.unregister(signal.SIGVTALRM)

"""The rules for all tests: none fails for being slow, or for the shell that starts it."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A deadline, or a health check that measures time, would make a test red on a machine that does something else too.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A shell ignores SIGINT in each command that it starts with "&", and processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

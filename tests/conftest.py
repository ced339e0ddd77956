"""The rule for all tests: none fails for being slow."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A deadline, or a health check that measures time, would make a test red on a machine that does something else too.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

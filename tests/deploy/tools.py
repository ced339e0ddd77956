"""Programs of Debian's package ``prometheus``: skipped where they are not installed, an error in CI."""

from __future__ import annotations

import shutil

import pytest

from kafka_parallel.testing.pytest_plugin import in_ci


def tool(name: str) -> str:
    """The path of the program *name*."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed: make prometheus installs it on Debian and Ubuntu"
        pytest.fail(reason) if in_ci() else pytest.skip(reason)
    return found

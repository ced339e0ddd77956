"""Async handlers in a process whose sockets and threads were patched to be green, by gevent or eventlet.

The kind: the interpreter's own modules are not as they were when ours were written.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
    "taken away by both": "import select, selectors; del select.epoll, selectors.EpollSelector",
}
PROGRAM = """
import asyncio
from tests.runtime.app import App

app = App()

async def handle(record):
    await asyncio.sleep(0.002)
    app.handled.append(record.offset)

print(app.run_coroutine(handle), sorted(app.handled), app.committed)
"""


@pytest.mark.parametrize("patch", PATCHES)
def test_async_handlers_run_in_a_patched_process(patch):
    if patch in ("gevent", "eventlet") and importlib.util.find_spec(patch) is None:
        pytest.skip(f"{patch} is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PATCHES[patch] + PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.stdout.strip() == "None [0, 1, 2, 3, 4, 5] 6", done.stderr

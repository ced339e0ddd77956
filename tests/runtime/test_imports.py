"""A program without a feature is spared the memory it takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer

def handle(record):
    seen.append(record)

async def handle_async(record):
    seen.append(record)

seen, cluster = [], FakeCluster()
cluster.create_topic("t")
cluster.append("t", b"value", partition=0)
config = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 400}
ParallelConsumer(FakeConsumer("t", cluster=cluster, group_id="g", **config)).run(%s)
print(len(seen), "asyncio" in sys.modules)
"""


@pytest.mark.parametrize(("handler", "imports"), [("handle", False), ("handle_async", True)])
def test_asyncio_is_imported_for_async_handlers_only(handler, imports):
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM % handler], capture_output=True, text=True, check=True, timeout=600
    ).stdout

    assert said.split() == ["1", str(imports)]

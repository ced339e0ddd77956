"""The machine of a run: facts that matter for speed, and nothing that tells whose machine it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from kafka_parallel.testing.jars import kafka_version, read_lock


def facts(broker_kind: str) -> dict[str, str]:
    """Names and values, for a person."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "kafka-parallel": version("kafka-parallel"),
        "kafka-python": f"{version('kafka-python')} with crc32c {version('crc32c')}",
        "Kafka": kafka_version(read_lock()) if broker_kind == "jvm" else f"a broker of kind {broker_kind}",
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()

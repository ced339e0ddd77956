"""The files of a new plugin: a distribution that passes ruff, mypy and its contract as it is.

The texts are in a module, so they are in the wheel and of its version.
"""

from __future__ import annotations

from string import Template

__all__ = ()

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "Logs records that take long, for kafka-parallel"
readme = "README.md"
requires-python = ">=3.10"
dependencies = ["kafka-parallel>=$version"]

# The name by which consumers ask for the plugin: plugins=["$name"].
[project.entry-points.kafka_parallel]
$name = "$package:$plugin"

[dependency-groups]
dev = ["greenlet>=3", "mypy>=1.15", "pytest>=8", "ruff>=0.9"]

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = [
    "ANN", "ARG", "B", "BLE", "C4", "D1", "E", "F", "I", "N", "PT", "RET", "RUF", "S", "SIM", "T20", "TRY", "UP", "W",
]
ignore = [
    "D105", "D107", # __init__ says nothing that its class does not say
    "TRY003", # errors are sentences with values in them
]

[tool.ruff.lint.isort]
known-first-party = ["$package"]
known-third-party = ["kafka_parallel"]

[tool.ruff.lint.per-file-ignores]
"tests/**" = ["D1", "S101"]

[tool.mypy]
strict = true
files = ["src", "tests"]

[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = "--strict-markers --strict-config"
"""

README = """\
# $distribution

A plugin for kafka-parallel: it logs each record whose handler takes longer than `limit_ms` milliseconds.

```python
ParallelConsumer(consumer, plugins=[("$name", {"limit_ms": 500})])
```

## Work on it

```console
$$ python -m venv .venv && . .venv/bin/activate
$$ pip install --upgrade "pip>=25.1"
$$ pip install --group dev -e .
$$ pytest && mypy && ruff check . && ruff format --check .
```

`tests/test_contract.py` tries the plugin against every promise of kafka-parallel, and says what to mend.
"""

PLUGIN = '''\
"""Logs records whose handler takes long."""

from __future__ import annotations

from collections.abc import Sequence

from kafka_parallel import ConfigurationError, Handled, hookimpl
from kafka_parallel.plugin_support import get_logger

__all__ = ["$plugin"]

log = get_logger("$package")


class $plugin:
    """Logs each record whose handler takes longer than a limit.

    :param limit_ms: milliseconds.
    :raises ConfigurationError: the limit is negative.
    """

    def __init__(self, *, limit_ms: float = 1000) -> None:
        if limit_ms < 0:
            raise ConfigurationError(f"limit_ms={limit_ms!r} of plugin $name: must be 0 or more")
        self._limit = limit_ms / 1000

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Log those that took too long; several threads may be here at once."""
        for record, _, _, started, ended, _ in handled:
            if ended - started > self._limit:
                log.warning("%s[%d]@%d took %.3f s", record.topic, record.partition, record.offset, ended - started)
'''

CONTRACT = '''\
"""The plugin keeps every promise of kafka-parallel."""

from __future__ import annotations

from kafka_parallel.testing import PluginContract


class TestContract(PluginContract):
    plugin = ("$name", {"limit_ms": 0})
'''

TESTS = '''\
"""The plugin does its work: in a run on a fake cluster."""

from __future__ import annotations

import logging

import pytest
from kafka_parallel import ConfigurationError, ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer

from $package import $plugin


def run(plugin: object) -> None:
    cluster = FakeCluster()
    cluster.create_topic("orders")
    cluster.append("orders", b"1 book", partition=0)
    consumer = FakeConsumer(
        "orders", cluster=cluster, group_id="billing", auto_offset_reset="earliest", consumer_timeout_ms=200
    )
    ParallelConsumer(consumer, plugins=[plugin]).run(lambda _: None)


@pytest.mark.parametrize(("limit_ms", "lines"), [(0, 1), (60_000, 0)])
def test_a_record_above_the_limit_is_logged(limit_ms: float, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run($plugin(limit_ms=limit_ms))

    assert caplog.text.count("orders[0]@0 took") == lines


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="limit_ms=-1"):
        $plugin(limit_ms=-1)
'''

FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": README,
    ".gitignore": "*.egg-info/\n.mypy_cache/\n.pytest_cache/\n.ruff_cache/\n.venv/\n__pycache__/\ndist/\n",
    "src/$package/__init__.py": PLUGIN,
    "src/$package/py.typed": "",
    "tests/test_contract.py": CONTRACT,
    "tests/test_$package.py": TESTS,
}


# see docs/decisions/0098-template-in-the-wheel.md
def files_of(name: str, version: str) -> dict[str, str]:
    """The files of a plugin called *name*, by their paths.

    :param version: of kafka-parallel, the least that it needs.
    """
    words = name.split("-")
    values = {
        "name": name,
        "distribution": f"kafka-parallel-{name}",
        "package": f"kafka_parallel_{'_'.join(words)}",
        "plugin": "".join(word.capitalize() for word in words),
        "version": version,
    }
    return {Template(path).substitute(values): Template(text).substitute(values) for path, text in FILES.items()}

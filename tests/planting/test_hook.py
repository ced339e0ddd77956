"""Does a process have the bug that was planted in it, and no process a bug that came too late?"""

from __future__ import annotations

import subprocess
import sys

import pytest

import kafka_parallel._core.offsets
from tests.planting.change import Change
from tests.planting.hook import plant

PROGRAM = """
from tests.planting.change import Change
from tests.planting.hook import plant
where = "kafka_parallel._core.offsets:OffsetLedger.committable"
plant(Change(where, "self._order[0] if self._order else self._next", "7"))
from kafka_parallel._core.offsets import OffsetLedger
print(OffsetLedger().committable)
"""


def test_a_module_is_imported_with_its_bug():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert ended.stdout == "7\n", ended.stderr


def test_a_module_that_is_imported_already_is_refused():
    with pytest.raises(RuntimeError, match="offsets is imported already"):
        plant(Change(kafka_parallel._core.offsets.__name__, "a", "b"))

"""The plugin alone, without a consumer."""

import importlib.metadata
import logging
from types import SimpleNamespace

import pytest
from kafka_parallel_slow_log import SlowLog

from kafka_parallel import ConfigurationError


def run(plugin):
    record = SimpleNamespace(topic="t", partition=0, offset=7)
    around = plugin.on_record(record, None)
    next(around)
    with pytest.raises(StopIteration) as end:
        around.send("result")
    return end.value.value


def test_a_slow_record_is_logged_and_its_result_passed_on(caplog):
    with caplog.at_level(logging.WARNING):
        assert run(SlowLog(limit_ms=0)) == "result"

    assert "t[0]@7 took" in caplog.text


def test_a_negative_limit_is_refused():
    with pytest.raises(ConfigurationError, match="limit_ms=-1"):
        SlowLog(limit_ms=-1)


def test_it_is_installed():
    names = {point.name for point in importlib.metadata.entry_points(group="kafka_parallel.autoload")}

    assert "slow-log" in names

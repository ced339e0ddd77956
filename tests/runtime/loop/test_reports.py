"""The sentences that an operator reads in the log."""

from __future__ import annotations

from kafka_parallel._runtime.loop import reports


def test_a_second_signal_is_told(caplog):
    reports.abandoning(["t[0]@1"])

    assert "told to stop again: 1 running records are abandoned, uncommitted" in caplog.text

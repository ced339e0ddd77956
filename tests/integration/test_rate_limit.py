"""The rates hold on a real Kafka, measured from the handlers' own notes."""

from __future__ import annotations

import time
from collections import defaultdict

import pytest

from kafka_parallel.testing.history import Entry, History, Kind, judge, read
from tests.integration.kafka_app import committed, consume, ends, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

RATE, BURST, PER_KEY, COUNT = 200, 20, 25, 800
# From the moment a record is counted to its handler's first line, in seconds: the delay that a busy machine may add to
# one start.
LATE = 0.25


def starts(history: History) -> list[Entry]:
    return sorted(entry for entry in read(history.path) if entry.kind == Kind.START)


def most_within(times: list[float], rate: float, burst: int) -> float:
    """How many records too many began, at the worst, in any time between two starts."""
    worst, lead = float("-inf"), float("-inf")
    for count, at in enumerate(times):
        lead = max(lead, rate * at - count)  # the start from which on most were too many
        worst = max(worst, count + 1 + lead - rate * at - burst)
    return worst


@pytest.mark.parametrize("workers", [4, 32])
def test_no_more_start_than_the_rates_allow_and_none_is_left_over(kafka_broker, topic, tmp_path, workers):
    bootstrap = kafka_broker.bootstrap_servers
    keys = [b"busy" if number % 4 == 0 else b"key-%d" % number for number in range(32)]  # 50 busy ones a second
    produced = produce(bootstrap, topic(3), COUNT, keys=keys)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    limit = ("rate-limit", {"records_per_second": RATE, "per_key_per_second": PER_KEY, "burst": BURST})
    began = time.monotonic()

    consumer = consume(bootstrap, produced.topic, group)
    UntilCommitted(consumer, workers=workers, plugins=[limit]).run(history.recording(lambda _: None))

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert verdict.repeated == 0
    assert committed(bootstrap, group, produced) == ends(produced)
    times = [entry.at / 1e9 for entry in starts(history)]
    # Since before the first start there is nothing to allow for: a record that started was counted before it started.
    assert all(count <= BURST + RATE * (at - began) for count, at in enumerate(times, 1))
    assert most_within(times, RATE, BURST) <= RATE * LATE
    by_key = defaultdict(list)
    for entry in starts(history):
        by_key[entry.partition, entry.key].append(entry.at / 1e9)
    assert all(most_within(of_key, PER_KEY, BURST) <= PER_KEY * LATE for of_key in by_key.values())

"""A class for fetched data that reads anything else than the client's own, or leaves anything else, is found."""

from __future__ import annotations

import pytest

from kafka_parallel._runtime.client import reading_trial
from kafka_parallel._runtime.client.decoder_check import OnTrial
from kafka_parallel._runtime.client.decoding import DecodedRecords
from kafka_parallel._runtime.client.reading_trial import difference, logs
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from tests.plugins.record_batches import CLIENT, reading_with

FAST = reading_with(decode)
OURS = {"decode": staticmethod(decode), "check": OnTrial()}


def changed(client=CLIENT, **mistakes):
    """Our class over *client*'s, with *mistakes*."""
    return type("PartitionRecords", (DecodedRecords, client), {**OURS, **mistakes})


def found(client, ours):
    return [problem for broken in (False, True) if (problem := difference(client, ours, broken=broken))]


def test_a_class_that_reads_as_the_client_does_passes():
    assert found(CLIENT, FAST) == []
    assert found(CLIENT, CLIENT) == []


def test_the_logs_hold_what_they_say():
    told = {log.name: reading_trial._story(CLIENT, log) for log in logs()}
    offsets = {
        name: [record.offset for step in steps if isinstance(step, list) for record in step]
        for name, steps in told.items()
    }

    assert offsets == {
        "two leaders": [*range(8)],
        "a position within a batch": [*range(2, 8)],
        "compression": [*range(8)],
        "a compacted batch": [*range(8), *range(14, 18)],
        "the broker's time": [*range(8)],
        "transactions": [*range(4, 8), *range(10, 14)],
        "uncommitted transactions": [*range(8), *range(10, 14)],
        "unchecked": [*range(8)],
        "message format 1": [0, 1, 2],
        "message format 0": [0, 1, 2],
        "the end is missing": [*range(4)],
        "a wrong checksum": [*range(4)],
        "a header that is not UTF-8": [*range(4)],
    }
    assert [log.name for log in logs() if isinstance(told[log.name][-1], str)] == [
        log.name for log in logs() if log.is_broken
    ]


def at(offset):
    def mistake(self, tp, batch):
        chunks = [*DecodedRecords._decoded(self, tp, batch)]
        yield from ([r._replace(value=b"other") if r.offset == offset else r for r in chunk] for chunk in chunks)

    return mistake


def late_position(self, n=None):
    return CLIENT.take(self, n)


def unchecked(self, batch):
    self.check_crcs, before = False, self.check_crcs
    passed_over = DecodedRecords._is_passed_over(self, batch)
    self.check_crcs = before
    return passed_over


def of_no_leader(self, batch):
    passed_over = DecodedRecords._is_passed_over(self, batch)
    self.leader_epoch = -1
    return passed_over


def lenient(self, tp, batch):
    try:
        yield from DecodedRecords._decoded(self, tp, batch)
    except Exception:
        return


def uncounted(self, records, size):
    self.records_read += records


def undrained(self):
    self.record_iterator = iter(())


MISTAKES = {
    "one value": ({"_decoded": at(6)}, "two leaders: expected [ConsumerRecord("),
    "position within a chunk": ({"take": late_position}, "two leaders: expected {'next_fetch_offset': 1}"),
    "leader": ({"_is_passed_over": of_no_leader}, "two leaders: "),
    "size": ({"_count": uncounted}, "two leaders: expected {'bytes_read': "),
    "end": ({"drain": undrained}, "two leaders: "),
    "aborted": ({"_is_aborted": lambda *_: False}, "transactions: "),
    "a helper that is gone": ({"_is_batch_aborted": property(lambda self: self.not_there)}, "transactions: "),
    "markers": ({"_is_passed_over": lambda self, batch: self._is_aborted(batch)}, "two leaders: "),
    "checksum": ({"_is_passed_over": unchecked}, "a wrong checksum: "),
    "errors": ({"_decoded": lenient}, "a header that is not UTF-8: "),
}


@pytest.mark.parametrize(("mistake", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found(mistake, said):
    assert found(CLIENT, changed(**mistake))[0].startswith(said)


class WithAttribute(CLIENT):
    """A newer client, which notes something more of each batch."""

    def _unpack_records(self, tp, records, key_deserializer, value_deserializer):
        self.last_batch_at = None
        for record in super()._unpack_records(tp, records, key_deserializer, value_deserializer):
            self.last_batch_at = record.offset
            yield record


def test_a_newer_client_that_does_more_is_not_taken_for_the_old_one():
    assert found(WithAttribute, changed(WithAttribute))[0].startswith("two leaders: expected {'last_batch_at': 0}")


def test_a_client_that_cannot_read_the_logs_cannot_be_tried():
    client = type("PartitionRecords", (CLIENT,), {"take": lambda *_: 1 / 0})

    assert difference(client, client, broken=False) == (
        "two leaders: it cannot be tried, kafka-python says ZeroDivisionError('division by zero')"
    )


def test_a_client_that_builds_batches_in_another_way_cannot_be_tried(monkeypatch):
    monkeypatch.setattr("kafka.record.memory_records.MemoryRecordsBuilder", None)
    logs.cache_clear()

    problem = difference(CLIENT, FAST, broken=False)

    logs.cache_clear()
    assert problem.startswith("no batch to try it on can be built: TypeError(")

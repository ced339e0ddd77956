"""A decoder that makes other records than the client, some time after the start, is found and used no more."""

from __future__ import annotations

import logging

import pytest
from kafka.consumer.fetcher import Fetcher

from kafka_parallel._runtime.client import decoder_check, decoding
from kafka_parallel._runtime.client.reading_trial import PARTITION as TRIAL
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from tests.plugins.record_batches import CLIENT, HEADER, Batch, signed, story

RECORDS = [(0, 10**12, b"key", b"value", [("h", b"1")])] * 1100
DATA = bytes(Batch(RECORDS).build(0) + Batch(RECORDS).build(1100))
EVEN = bytes(Batch(RECORDS[:1000]).build(0))


def changing(change):
    """A decoder that agrees with the client until the trial is over."""

    def decoder(batch, position, most):
        found = decode(batch, position, most)
        return found if batch.topic == TRIAL.topic else change(found)

    return decoder


def with_other_values(found):
    return found._replace(records=[record._replace(value=b"HEY", key=None) for record in found.records])


def with_one_record_less(found):
    return found._replace(records=found.records[:-1])


def with_bytes_left(found):
    return found._replace(position=found.position - 1)


def with_tuples(found):
    return found._replace(records=[tuple(record) for record in found.records])


def with_views(found):
    return found._replace(records=[record._replace(value=memoryview(record.value)) for record in found.records])


def with_views_in_headers(found):
    headers = [("h", memoryview(b"1"))]
    return found._replace(records=[record._replace(headers=headers) for record in found.records])


def with_real_numbers(found):
    return found._replace(records=[record._replace(timestamp=float(record.timestamp)) for record in found.records])


def failing(found):
    raise KeyError("nothing here")


def records_with(decoder, data=DATA):
    fetcher = Fetcher.__new__(Fetcher)
    assert decoding.put(decoder, fetcher, "plugin 'x' (y 1.0)") == ""
    return story(fetcher.PartitionRecords, data, [3, 600])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_other_values, "it made another key and value of the record at offset 0"),
        (with_one_record_less, "it read up to byte"),
        (with_bytes_left, "it read up to byte"),
        (with_tuples, "it made a tuple of the record at offset 0"),
        (with_views, "it made another value of the record at offset 0"),
        (with_views_in_headers, "it made another headers of the record at offset 0"),
        (with_real_numbers, "it made another timestamp of the record at offset 0"),
        (failing, "it failed with KeyError('nothing here')"),
    ],
)
def test_the_clients_records_come_out_and_an_error_is_logged(change, said, caplog):
    with caplog.at_level(logging.ERROR, "kafka_parallel.poll"):
        assert records_with(changing(change)) == story(CLIENT, DATA, [3, 600])

    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(
        "plugin 'x' (y 1.0) is not used any more, and kafka-python decodes from orders[3]@0 on, all other partitions "
        "too: "
    )
    assert said in message
    assert "HEY" not in message


def test_a_decoder_that_reads_a_broken_record_is_found(caplog):
    broken = Batch(RECORDS[:3]).build(0)
    broken[HEADER + (len(broken) - HEADER) // 3 * 2] += 2  # the last record is said to be longer than it is
    data = bytes(signed(broken))

    def reading_on(batch, position, most):
        if batch.topic == TRIAL.topic:
            return decode(batch, position, most)
        left = decode(batch, position, most)
        return left._replace(records=[left.records[0]] * most)

    assert records_with(reading_on, data) == story(CLIENT, data, [3, 600])
    assert "it made a record of bytes that kafka-python calls broken" in caplog.text


def test_one_slice_in_many_is_compared_and_a_good_decoder_stays(monkeypatch, caplog):
    monkeypatch.setattr(decoder_check, "SLICES_BETWEEN", 2)
    compared, before = [], decoder_check.difference

    def noting(expected, end, found):
        compared.append(len(expected))
        return before(expected, end, found)

    monkeypatch.setattr(decoding, "difference", noting)

    assert records_with(decode) == story(CLIENT, DATA, [3, 600])
    assert compared == [500, 100, 500]
    assert caplog.records == []


def test_a_decoder_that_goes_wrong_later_is_found_at_the_next_comparison(monkeypatch, caplog):
    monkeypatch.setattr(decoder_check, "SLICES_BETWEEN", 4)
    slices = []

    def going_wrong(found):
        slices.append(len(found.records))
        return with_other_values(found) if len(slices) == 5 else found

    assert records_with(changing(going_wrong)) == story(CLIENT, DATA, [3, 600])
    assert "from orders[3]@1600 on" in caplog.text
    assert len(slices) == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: None, "it returned a NoneType that is no Decoded"),
        (tuple, "it returned a tuple that is no Decoded"),
        (
            lambda found: found._replace(records=iter(found.records)),
            "it returned a Decoded that is no Decoded with a list",
        ),
        (lambda found: found._replace(position=None), "are None and "),
        (lambda found: found._replace(size=None), "and None, and not two int"),
        (lambda found: found._replace(records=found.records * 2), "it made 1000 records where 500 were asked for"),
        (lambda found: found._replace(position=HEADER), f"it read up to byte {HEADER} of "),
        (lambda found: found._replace(position=1 << 40), f"it read up to byte {1 << 40} of "),
    ],
)
def test_an_odd_answer_between_two_comparisons_is_refused(change, said, caplog):
    slices = []

    def going_wrong(found):
        slices.append(found)
        return change(found) if len(slices) == 2 else found

    assert records_with(changing(going_wrong), EVEN) == story(CLIENT, EVEN, [3, 600])

    assert said in caplog.text
    assert "from orders[3]@500 on" in caplog.text
    assert len(slices) == 2

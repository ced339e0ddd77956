"""Both forms of `fast-decoder` make of any bytes exactly the installed client's records, positions and errors."""

from __future__ import annotations

import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from kafka import errors as kafka_errors

from kafka_parallel._runtime.client.decoding import READ_COMMITTED
from tests.plugins.record_batches import (
    CLIENT,
    HEADER,
    PARTITION,
    Batch,
    aborted,
    binaries,
    headers,
    marker,
    signed,
    story,
    timestamps,
)

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
gaps = st.sampled_from([0, 0, 0, 1, 70, 9000])
takes = st.lists(st.integers(1, 7), max_size=8)
records = st.lists(st.tuples(gaps, timestamps, binaries, binaries, headers), min_size=1, max_size=12)
batches = st.builds(
    Batch,
    records,
    codec=st.sampled_from([0, 0, *CODECS.values()]),
    epoch=st.integers(0, 5),
    append_time=st.none() | st.integers(0, 2 * 10**12),
)
OF_EVERY_KIND = Batch(
    [
        (0, 10**12, b"key", b"value", []),
        (0, 10**12 + 100, None, b"v" * 200, [("name", b"1"), ("größe", None), ("", b"")]),
        (1, 10**12 - 10**6, b"k" * 100, None, []),
        (9000, 5, b"", b"", [("n" * 70, b"h" * 70)] * 2),
    ]
)


def log_of(found, base_offset=0):
    """Batches one behind the other, as they are fetched."""
    data = bytearray()
    for batch in found:
        data += batch.build(base_offset)
        base_offset += sum(gap + 1 for gap, *_ in batch.records)
    return bytes(data)


def assert_same(fast, data, *arguments, **options):
    expected = story(CLIENT, data, *arguments, **options)
    assert story(fast, data, *arguments, **options) == expected
    return expected


@given(st.lists(batches, max_size=4), takes, st.integers(0, 40), st.booleans())
def test_records_and_positions_are_the_clients(fast, found, takes, fetch_offset, check_crcs):
    assert_same(fast, log_of(found), takes, fetch_offset, check_crcs=check_crcs)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_every_compression_is_read(fast, codec):
    batch = Batch([(0, 10**12, b"key", b"value " * 20, [("h", b"1")])] * 1200, codec=codec)

    told = assert_same(fast, log_of([batch, batch]), [700, 700])

    assert [len(taken) for taken in told[0::2][:3]] == [700, 700, 1000]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1, 2, 3])
def test_old_message_formats_are_read_by_the_client(fast, magic, codec):
    old = Batch([(0, 10**12, b"key", b"v" * 300, [])] * 5, codec=codec if (magic, codec) != (0, 3) else 0, magic=magic)

    told = assert_same(fast, log_of([old, OF_EVERY_KIND]), [2, 4])

    assert len(told[0]) == 2


def test_records_that_old_messages_break_raise_the_clients_error(fast):
    data = bytearray(Batch([(0, 10**12, b"key", b"value", [])] * 2, magic=1).build(0))
    data[-1] ^= 1

    told = assert_same(fast, bytes(data), [5])

    assert any(isinstance(found, tuple) and found[0] is kafka_errors.CorruptRecordError for found in told)


def test_a_position_in_the_middle_of_a_batch_is_kept(fast):
    told = assert_same(fast, log_of([OF_EVERY_KIND]), [1], 1)

    assert [record.offset for record in told[0]] == [1]


def test_nothing_of_an_aborted_transaction_and_no_marker_comes_out(fast):
    data = b"".join(
        (
            Batch([(0, 10**12, b"k", b"aborted", [])] * 3, producer=(7, True)).build(0),
            Batch([(0, 10**12, b"k", b"committed", [])] * 2, producer=(8, True)).build(3),
            marker(5, 7, is_commit=False),
            Batch([(0, 10**12, b"k", b"later", [])], producer=(7, True)).build(6),
            marker(7, 8, is_commit=True),
            marker(8, 7, is_commit=True),
        )
    )

    told = assert_same(fast, data, [1], isolation_level=READ_COMMITTED, aborted_transactions=aborted((7, 0)))
    all_of_it = assert_same(fast, data, [1])

    assert [record.offset for record in told[0] + told[2]] == [3, 4, 6]
    assert told[3][0] == 9
    assert [record.offset for record in all_of_it[0] + all_of_it[2]] == [0, 1, 2, 3, 4, 6]


@given(
    st.lists(
        st.one_of(
            st.builds(
                Batch, records, epoch=st.integers(0, 3), producer=st.tuples(st.integers(-1, 2), st.just(True))
            ).filter(lambda batch: batch.producer[0] >= 0),
            st.tuples(st.integers(0, 2), st.booleans()),
        ),
        max_size=5,
    ),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), max_size=3),
    takes,
)
def test_transactions_are_followed_as_the_client_does(fast, found, ended, takes):
    data, offset = bytearray(), 0
    for item in found:
        if isinstance(item, tuple):
            data += marker(offset, item[0], is_commit=item[1])
            offset += 1
        else:
            data += item.build(offset)
            offset += sum(gap + 1 for gap, *_ in item.records)

    options = {"isolation_level": READ_COMMITTED}
    expected = story(CLIENT, bytes(data), takes, aborted_transactions=aborted(*ended), **options)

    assert story(fast, bytes(data), takes, aborted_transactions=aborted(*ended), **options) == expected


@settings(max_examples=400)
@given(batches, st.data(), takes, st.booleans())
def test_broken_bytes_are_what_they_are_to_the_client(fast, batch, data, takes, is_signed):
    broken = bytearray(log_of([batch, batch]))
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    if is_signed and struct.unpack_from(">i", broken, 8)[0] == len(batch.build(0)) - 12:
        end = len(batch.build(0))
        broken[:end] = signed(broken[:end])

    assert_same(fast, bytes(broken), takes, check_crcs=data.draw(st.booleans()))


@settings(max_examples=200)
@given(batches, st.data())
def test_what_is_cut_off_is_what_it_is_to_the_client(fast, batch, data):
    whole = bytearray(log_of([batch, batch]))
    cut = whole[: data.draw(st.integers(0, len(whole)))]

    assert_same(fast, bytes(cut), [3])


def payloads():
    """Every byte of a batch's records, changed in several ways, with the length and the CRC of the batch right."""
    whole = OF_EVERY_KIND.build(0)
    for at in range(HEADER, len(whole)):
        for byte in (0, 1, 2, 0x7F, 0x80, 0xFF, whole[at] ^ 1, whole[at] ^ 0x80, whole[at] + 2 & 0xFF):
            changed = bytearray(whole)
            changed[at] = byte
            yield signed(changed)
    for end in range(HEADER, len(whole)):
        cut = bytearray(whole[:end])
        struct.pack_into(">i", cut, 8, end - 12)
        yield signed(cut)
    for count in (-1, 0, 1, 3, 5, 1000):
        changed = bytearray(whole)
        struct.pack_into(">i", changed, 57, count)
        yield signed(changed)


def test_no_changed_byte_and_no_end_makes_a_difference(fast):
    errors = 0
    for data in payloads():
        told = assert_same(fast, bytes(data), [1, 2])
        errors += any(isinstance(found, tuple) and found[0] is kafka_errors.CorruptRecordError for found in told)

    assert errors > 1000


def of_payload(payload, count):
    """A batch that is right but for the bytes of its records."""
    data = bytearray(Batch([(0, 10**12, None, None, [])]).build(0)[:HEADER]) + payload
    struct.pack_into(">i", data, 8, len(data) - 12)
    struct.pack_into(">i", data, 57, count)
    return bytes(signed(data))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_records_of_any_bytes_are_what_they_are_to_the_client(fast, payload, count):
    assert_same(fast, of_payload(payload, count), [1, 2, 3])


def wide(number, width):
    """A signed number in *width* bytes, more than it needs, or as many as it needs."""
    number = (number << 1) ^ (number >> 70)
    found = bytearray()
    while number > 127 or len(found) + 1 < width:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))


widths = st.sampled_from([1, 1, 2, 3, 5, 9, 10, 11])


@given(st.lists(widths, min_size=9, max_size=9), st.integers(-(2**69), 2**69), st.integers(-(2**40), 2**40))
def test_numbers_of_any_width_are_what_they_are_to_the_client(fast, chosen, timestamp, offset):
    values = [0, timestamp, offset, 3, 4, 1, 2, -1]
    parts = [wide(value, width) for value, width in zip(values, chosen, strict=False)]
    for number, content in ((3, b"key"), (4, b"four"), (6, b"hi")):
        parts[number] += content
    record = b"".join(parts)
    payload = wide(len(record), chosen[-1]) + record

    assert_same(fast, of_payload(payload * 2, 2), [1])


def test_the_partition_is_the_fetched_one(fast):
    (record,) = story(fast, log_of([Batch([(0, 10**12, None, None, [])])]), [1])[0]

    assert (record.topic, record.partition) == PARTITION

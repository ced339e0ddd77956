"""Maps of finished offsets as text: the bytes that Java writes, and whatever else may stand there."""

from __future__ import annotations

import base64
import random
import struct
import sys
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel_plugins.offset_map import codec
from kafka_parallel_plugins.offset_map.codec import InvalidMap, decode, decode_marked, encode, encode_marked
from tests.lot import draws_all

PLAIN = "nleo"
LIMIT = 2_000_000
FORGERIES = 100_000 if draws_all() else 3_000


def text(magic, body=b""):
    return base64.b64encode(magic.encode("latin-1") + body).decode()


def ranges_of(offsets):
    ranges = []
    for offset in sorted(offsets):
        if ranges and ranges[-1][1] == offset:
            ranges[-1] = (ranges[-1][0], offset + 1)
        else:
            ranges.append((offset, offset + 1))
    return ranges


def offsets_of(ranges):
    return {offset for first, past in ranges for offset in range(first, past)}


def naive_bodies(base_offset, finished):
    """Every plain body, offset by offset, as the description of the format has it."""
    span = max(finished) - base_offset + 1
    bits, runs = bytearray((span + 7) // 8 + 1), [0]
    for place in range(span):
        done = base_offset + place in finished
        bits[place >> 3] |= done << (place & 7)
        if done == (len(runs) % 2 == 0):
            runs[-1] += 1
        else:
            runs.append(1)
    bodies = {"e": struct.pack(f">{len(runs)}i", *runs), "o": struct.pack(">i", span) + bits}
    if max(runs) <= 0x7FFF:
        bodies["n"] = struct.pack(f">{len(runs)}h", *runs)
    if span <= 0x7FFF:
        bodies["l"] = struct.pack(">h", span) + bits
    return bodies


def naive_map(base_offset, finished):
    bodies = naive_bodies(base_offset, finished)
    magic = min(bodies, key=lambda each: (len(bodies[each]), PLAIN.index(each)))
    return text(magic, bodies[magic])


# What parallel-consumer-core 0.5.3.3 wrote. Of bodies that are as small it takes any, and here the first of n, l, e, o.
@pytest.mark.parametrize(
    ("base_offset", "finished", "metadata"),
    [
        (0, [(1, 2), (4, 5)], "bAAFEgA="),
        (1000, [(1001, 1002), (1004, 1005)], "bAAFEgA="),
        (5, [(6, 50_001)], "ZQAAAAEAAMNL"),
        (5, [(6, 32_773)], "bgABf/8="),
        (5, [(6, 32_774)], "ZQAAAAEAAIAA"),
        (0, [(7, 8)], "bgAHAAE="),
        (0, [(8, 9)], "bgAIAAE="),
    ],
)
def test_it_writes_and_reads_the_bytes_of_java(base_offset, finished, metadata):
    assert encode(base_offset, finished) == metadata
    assert list(decode(base_offset, metadata)) == finished


@pytest.mark.parametrize(
    ("finished", "bodies"),
    [
        (
            [(1, 2), (4, 5)],
            {
                "l": "0005 12 00",
                "n": "0001 0001 0002 0001",
                "o": "00000005 12 00",
                "e": "00000001 00000001 00000002 00000001",
            },
        ),
        ([(7, 8)], {"n": "0007 0001", "l": "0008 80 00"}),
        ([(8, 9)], {"n": "0008 0001", "l": "0009 00 01 00"}),
    ],
)
def test_each_of_its_bodies_is_that_of_java(finished, bodies):
    runs = codec._runs(0, finished)
    forms = {form.magic.decode(): form for form in codec._FORMS}

    for magic, body in bodies.items():
        assert forms[magic].body(runs, sum(runs)) == bytes.fromhex(body)
        assert forms[magic].size(runs, sum(runs)) == len(bytes.fromhex(body))
        assert list(decode(0, text(magic, bytes.fromhex(body)))) == finished


@pytest.mark.parametrize(
    ("base_offset", "metadata", "finished"),
    [
        (7, "", []),
        (7, "bgAA", []),
        (100, "bgAA", []),
        (2, "bAAFEgA=", [(3, 4), (6, 7)]),  # belongs to the base 0: a map goes with its base alone
        (0, "Sii1L/0AWFUAABAAAQEAezjlDgs=", [(offset, offset + 1) for offset in range(1, 40_000, 2)]),
    ],
)
def test_it_reads_what_java_may_have_written(base_offset, metadata, finished):
    assert list(decode(base_offset, metadata)) == finished


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("hello world", "'hello world' is not base64"),
        ("größer", "is not base64"),
        ("\ud800", "is not base64"),
        ("bgAA\n", "is not base64"),
        ("bg==AA==", "is not base64"),
        ("b", "is not base64"),
        ("aGVsbG8=", "begins with the byte 0x68"),
        ("TAA=", "begins with the byte 0x4c"),  # one byte per offset: Java neither writes nor reads it
        ("7gAA", "begins with the byte 0xee"),
        ("AQAAAAAAAAAF", "begins with the byte 0x01"),  # of Kafka Streams
        ("b////////w==", "covers -1 offsets"),
        (text("l", b"\xff\xff\x00"), "covers -1 offsets"),
        (text("l", b"\x00"), "has 1 bytes, less than the length"),
        (text("o", b"\x00\x00\x00"), "has 3 bytes, less than the length"),
        ("bAAFEgA", "is not base64"),  # without padding
        ("bigdata", "is not base64"),
        ("bwAAAAo=", "has 4 bytes, and the bits of 10 offsets need 7"),
        ("bAABAQA=", "says that its first offset is finished"),
        (text("l", b"\x00\x05\x02\x00"), "or that its last one is not"),
        (text("l", b"\x00\x05\xf2\xff"), "or that its last one is not"),  # bits past the span
        (text("n", b"\x00\x00\x00\x01"), "says that its first offset is finished"),
        (text("n", b"\x00\x01\x00\x01\x00\x01"), "or that its last one is not"),
        (text("n", b"\x00"), "has 1 bytes behind its end"),
        (text("e", b"\x00\x00\x00\x01\x00\x00"), "has 2 bytes behind its end"),
        (text("l", b"\x00\x05\x12\x00\x00"), "has 1 bytes behind its end"),
        (text("n", b"\x00\x01\xff\xff"), "has a run of -1 offsets"),
        (text("e", struct.pack(">2i", 1, -(2**31))), "has a run of -2147483648 offsets"),
        (text("e", struct.pack(">2i", 1, 2**31 - 1)), "covers 2147483648 offsets"),
        (text("e", struct.pack(">2i", 1, LIMIT)), "covers 2000001 offsets"),
        (text("o", struct.pack(">i", LIMIT + 1)), "covers 2000001 offsets"),
        (text("J", b"no zstd"), "cannot be decompressed"),
        (text("J"), "ends in the middle"),
        ("Sii1L/0AWFUAABAAAQEAezj=", "ends in the middle"),
        ("A" * 1_333_334, "has 1333334 characters"),
    ],
)
def test_it_says_why_it_does_not_read_a_map(metadata, reason):
    with pytest.raises(InvalidMap, match=reason):
        decode(10, metadata)


@pytest.mark.parametrize(("form", "plain"), [("a", "l"), ("s", "o"), ("J", "n"), ("p", "e")])
def test_it_reads_every_compressed_form(form, plain):
    finished = {3, 4, 9} | set(range(1_000, 9_000, 3))
    stream = zstandard.ZstdCompressor().compressobj()  # without the size of its content, as in Java
    body = stream.compress(naive_bodies(2, finished)[plain]) + stream.flush()

    assert offsets_of(decode(2, text(form, body + b"trailing"))) == finished


def test_without_zstandard_a_compressed_map_is_invalid_and_a_plain_one_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)

    with pytest.raises(InvalidMap, match=r"install kafka-parallel\[offset-map-zstd\]"):
        decode(0, "Sii1L/0AWFUAABAAAQEAezjlDgs=")
    assert list(decode(0, "bAAFEgA=")) == [(1, 2), (4, 5)]


@pytest.mark.parametrize(
    ("finished", "magic", "length"),
    [([(1, 2), (4, 5)], b"l", 4), ([(6, 50_001)], b"e", 3), ([(1, 2), (40_000, 40_001)], b"e", 3)],
)
def test_a_mark_stands_where_java_reads_nothing(finished, magic, length):
    metadata = encode_marked(0, finished, b"\x81mar")

    raw = base64.b64decode(metadata)
    assert (raw[:1], raw[-length:]) == (magic, b"\x81mar"[:length])
    assert decode_marked(0, metadata) == (finished, b"\x81mar"[:length])
    assert naive_done(metadata)(finished[0][0])


def test_the_limit_counts_the_mark():
    finished = [(offset, offset + 1) for offset in range(1, 60_000, 2)]

    metadata = encode_marked(0, finished, b"mark")

    assert len(metadata) == 4096
    assert decode(0, metadata)[-1][0] == 24_544 - 32 - 1
    assert encode_marked(0, finished, b"mark", max_chars=4) == ""


def test_nothing_finished_is_no_map():
    assert encode(7, []) == ""


@pytest.mark.parametrize("finished", [[(5, 6)], [(4, 9)], [(7, 7)], [(6, 8), (8, 9)], [(9, 10), (6, 7)], [(9, 7)]])
def test_ranges_that_no_snapshot_can_have_are_an_error(finished):
    with pytest.raises(ValueError, match="the finished ranges above 5 are not ascending"):
        encode(5, finished)


spans = st.sampled_from([1, 7, 8, 9, 31, 64, 300, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 70_000])
finished_sets = st.builds(
    lambda base_offset, parts: (base_offset, offsets_of((base_offset + a, base_offset + a + n) for a, n in parts)),
    st.integers(0, 2**62),
    st.lists(st.tuples(spans | st.integers(1, 400), spans | st.integers(1, 400)), min_size=1, max_size=40),
)


@given(finished_sets)
def test_a_map_is_the_smallest_and_comes_back(case):
    base_offset, finished = case

    metadata = encode(base_offset, ranges_of(finished), max_chars=1_000_000)

    assert metadata == naive_map(base_offset, finished)
    assert list(decode(base_offset, metadata)) == ranges_of(finished)


@given(finished_sets, st.integers(0, 40))
def test_a_map_that_is_too_long_says_as_many_offsets_from_the_base_up_as_it_can(case, max_chars):
    base_offset, finished = case

    metadata = encode(base_offset, ranges_of(finished), max_chars)

    assert len(metadata) <= max_chars
    said, left = offsets_of(decode(base_offset, metadata)), sorted(finished)
    assert sorted(said) == left[: len(said)]
    if len(said) < len(left):
        assert len(naive_map(base_offset, {*said, left[len(said)]})) > max_chars


@pytest.mark.parametrize(("seed", "share"), [(1, 0.5), (2, 0.01), (3, 0.99), (4, 0.001)])
def test_a_map_of_any_span_fits_and_reaches_far(seed, share):
    lot = random.Random(seed)
    finished = {offset for offset in range(1, 60_000) if lot.random() < share}

    metadata = encode(0, ranges_of(finished))

    said = offsets_of(decode(0, metadata))
    highest = max(said)
    assert len(metadata) <= 4096
    assert said == {offset for offset in finished if offset <= highest}
    assert highest >= min(24_544 - 1_000, max(finished))  # bits alone reach 24,544 minus the gap at the end


@pytest.mark.parametrize("first", [1, 2])
def test_bits_reach_to_the_last_that_the_broker_takes(first):
    metadata = encode(0, [(offset, offset + 1) for offset in range(first, 60_000, 2)])

    assert len(metadata) == 4096
    assert decode(0, metadata)[-1][0] == 24_544 - first  # 3,072 bytes: the form, the length, the zero, and the bits


def test_no_map_reaches_farther_than_is_read():
    assert list(decode(3, encode(3, [(9, 2**40)]))) == [(9, 3 + LIMIT)]
    assert encode(3, [(2**40, 2**40 + 1)]) == ""


def forged(lot):
    """A map with something wrong in one of its fields, or in all, and the base that it is said to belong to."""
    base_offset = lot.choice([0, 1, 7, 2**31, 2**63 - 1])
    finished = {base_offset + lot.randint(1, lot.choice([5, 60, 600])) for _ in range(lot.randint(1, 60))}
    magic, body = lot.choice(list(naive_bodies(base_offset, finished).items()))
    return base_offset, lot.choice(FORGED)(lot, magic, bytearray(body))


def _number(lot, magic, body):
    width, numbers = (2, "h") if magic in "ln" else (4, "i")
    most = 2 ** (8 * width - 1)
    place = 0 if magic in "lo" else lot.randrange(len(body) // width) * width
    value = lot.choice([-most, -1, 0, 1, lot.randrange(most), min(most - 1, LIMIT), min(most - 1, LIMIT + 1), most - 1])
    struct.pack_into(f">{numbers}", body, place, value)
    return text(magic, body)


def _magic(lot, magic, body):
    return text(chr(lot.randrange(256)), body)


def _byte(lot, magic, body):
    body[lot.randrange(len(body))] = lot.randrange(256)
    return text(magic, body)


def _length(lot, magic, body):
    return text(
        magic, body[: lot.randrange(len(body))] if lot.random() < 0.5 else body + lot.randbytes(lot.randint(1, 9))
    )


def _character(lot, magic, body):
    metadata = list(text(magic, body))
    metadata[lot.randrange(len(metadata))] = chr(lot.choice([lot.randrange(128), lot.randrange(0x10FFFF)]))
    return "".join(metadata)


def _zstd(lot, magic, body):
    frame = bytearray(zstandard.compress(bytes(body)))
    for _ in range(lot.randint(0, 3)):
        frame[lot.randrange(len(frame))] = lot.randrange(256)
    return text({"n": "J", "l": "a", "e": "p", "o": "s"}[magic], frame[: lot.randint(0, 2 * len(frame))])


def _noise(lot, magic, body):
    return text(lot.choice("nleoJaps"), lot.randbytes(lot.randint(0, 40)))


FORGED = [_number, _magic, _byte, _length, _character, _zstd, _noise]


def naive_done(metadata):
    """Tell by Java's rules whether the offset so many above the base is finished."""
    raw = base64.b64decode(metadata + "=" * (-len(metadata) % 4), validate=True)
    magic, body = raw[:1].decode("latin-1"), raw[1:]
    if magic in "Japs":
        magic, body = (
            {"J": "n", "a": "l", "p": "e", "s": "o"}[magic],
            zstandard.ZstdDecompressor().decompressobj().decompress(body),
        )
    width = 2 if magic in "ln" else 4
    if magic in "lo":
        span, bits = int.from_bytes(body[:width], "big", signed=True), body[width:]
        return lambda place: place < min(span, 8 * len(bits)) and bits[place >> 3] >> (place & 7) & 1
    runs = [
        int.from_bytes(body[at : at + width], "big", signed=True) for at in range(0, len(body) // width * width, width)
    ]
    edges = [sum(runs[:number]) for number in range(len(runs) + 1)]
    return lambda place: any(edges[at] <= place < edges[at + 1] for at in range(1, len(runs), 2))


def test_a_forged_map_is_refused_or_says_nothing_more_than_it_says():
    lot, read = random.Random(18), 0
    for _ in range(FORGERIES):
        base_offset, metadata = forged(lot)
        try:
            ranges = decode(base_offset, metadata)
        except InvalidMap:
            continue
        edges = [base_offset, *(edge for each in ranges for edge in each)]
        assert edges == sorted(set(edges)), metadata
        assert edges[-1] <= base_offset + LIMIT, metadata
        if ranges:
            done = naive_done(metadata)
            for place in {edge - base_offset + side for edge in edges[1:] for side in (-1, 0)} - {0}:
                assert bool(done(place)) == any(a <= base_offset + place < b for a, b in ranges), metadata
            read += 1
    assert read > FORGERIES / 20  # or nothing was tried


def zeros(count):
    stream = zstandard.ZstdCompressor(level=19).compressobj()
    return stream.compress(bytes(count)) + stream.flush()


@pytest.mark.parametrize(
    "metadata",
    [
        text("o", struct.pack(">i", LIMIT) + b"\xaa" * (LIMIT // 8) + b"\0"),
        text("n", struct.pack(">2h", 1, 1) * 240_000),
        text("n", bytes(900_000)),
        text("s", zeros(200_000_000)),
        text("p", zeros(900_000)),
    ],
    ids=["many bits", "many runs", "many empty runs", "gigabytes", "many compressed runs"],
)
def test_the_memory_for_a_map_is_bounded_whatever_it_says(metadata):
    tracemalloc.start()
    try:
        try:
            ranges = decode(0, metadata)
        except InvalidMap:
            ranges = []
        assert len(ranges) <= 100_000
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_ranges_past_the_most_that_are_read_are_left_to_be_handled_again():
    ranges = decode(0, text("o", struct.pack(">i", LIMIT) + b"\xaa" * (LIMIT // 8) + b"\0"))

    assert (len(ranges), ranges[0], ranges[-1]) == (100_000, (1, 2), (199_999, 200_000))

"""Maps of finished offsets by the Java consumer's own classes and by ours: each reads the other's, and all forms."""

from __future__ import annotations

import base64
import random
import subprocess

import pytest

from kafka_parallel_plugins.offset_map.codec import decode, encode, encode_marked
from tests.faults.conftest import rounds

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]  # no broker is needed, but what "make interop" has

MAGIC = {
    "BitSet": "l",
    "BitSetV2": "o",
    "RunLength": "n",
    "RunLengthV2": "e",
    "BitSetCompressed": "a",
    "BitSetV2Compressed": "s",
    "RunLengthCompressed": "J",
    "RunLengthV2Compressed": "p",
}


@pytest.fixture(name="ask")
def _ask(java):
    with subprocess.Popen([*java, "OffsetMaps"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(*words):
            process.stdin.write(" ".join(map(str, words)) + "\n")
            process.stdin.flush()
            return process.stdout.readline().split()

        yield ask
        process.stdin.close()


def ranges_of(offsets):
    firsts = sorted(offset for offset in offsets if offset - 1 not in offsets)
    ends = sorted(offset + 1 for offset in offsets if offset + 1 not in offsets)
    return list(zip(firsts, ends, strict=True))


def finished_by_java(answer, base_offset):
    """The offsets above the base that Java takes for finished."""
    highest, *incomplete = map(int, answer)
    return set(range(base_offset + 1, highest + 1)) - set(incomplete)


def test_java_and_ours_read_each_others_maps_and_write_the_same(ask):
    lot, forms = random.Random(18), set()
    for _ in range(rounds(150, 1_500)):
        base_offset = lot.choice([0, 1, 7, 2**33, 10**12])
        span, share = lot.choice([2, 3, 9, 50, 300, 3_000, 33_000]), lot.choice([0.5, 0.01, 0.99, 0.1, 0.9, 0.001])
        finished = {base_offset + place for place in range(1, span) if lot.random() < share} or {base_offset + 1}
        incomplete = [offset for offset in range(base_offset, max(finished)) if offset not in finished]

        written, *bodies = ask("encode", base_offset, max(finished), *incomplete)
        ours = encode(base_offset, ranges_of(finished), max_chars=100_000)
        marked = encode_marked(base_offset, ranges_of(finished), lot.randbytes(4), max_chars=100_000)
        lower_part = encode(base_offset, ranges_of(finished), max_chars=60)

        assert list(decode(base_offset, written)) == ranges_of(finished)
        for text in (ours, marked):
            assert finished_by_java(ask("decode", base_offset, text), base_offset) == finished
        if lower_part:
            believed = finished_by_java(ask("decode", base_offset, lower_part), base_offset)
            assert believed == {offset for offset in finished if offset <= max(believed)}
        sizes = {}
        for form, body in (each.split(":") for each in bodies):
            map_of_form = MAGIC[form].encode() + base64.b64decode(body)
            assert list(decode(base_offset, base64.b64encode(map_of_form).decode())) == ranges_of(finished)
            sizes[map_of_form[:1]] = len(map_of_form)
            forms.add(form)
        raw = base64.b64decode(ours)
        assert len(raw) == sizes[raw[:1]] == min(size for form, size in sizes.items() if form in b"nleo")
    assert forms == MAGIC.keys()

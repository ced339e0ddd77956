"""Turns the finished ranges above a committed offset into the text of a commit's metadata, and back.

The format is that of Confluent's Parallel Consumer for Java (``parallel-consumer-core`` 0.5.3.3, package
``io.confluent.parallelconsumer.offsets``; https://github.com/confluentinc/parallel-consumer), so a group can move from
Java to Python and back: base64 of one magic byte and a body, which counts from the committed offset, the *base*. Each
form covers a span from the base to the highest finished offset:

- ``l`` and ``o``: the length of the span as an int16 or an int32, big-endian; a bit per offset, the lowest first, 1 for
  finished; a zero byte.
- ``n`` and ``e``: the lengths of the runs as int16 or int32, unfinished and finished in turn, unfinished first.
- ``a``, ``s``, ``J`` and ``p``: ``l``, ``o``, ``n`` and ``e`` compressed with zstd. Java writes them if all plain
  bodies have 200 bytes or more. They are read where ``zstandard`` is installed, and never written.

Encoding takes time by the number of ranges: a span of 10,000 offsets takes 3 µs if one record holds it, 20 µs if 1 % of
it is unfinished, and 0.8 ms if every second one is. Text to decode may come from anyone: it takes a bounded amount of
memory and raises nothing but :class:`InvalidMap`. Only a text as Java or this module writes it is a map.

Java ignores bytes behind the bits, and a part of a number behind the runs. There a map of ours has a *mark* (see
``mark.py``): 4 bytes in ``l`` and ``o``, 3 in ``e``, none in ``n``.
"""

from __future__ import annotations

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, cycle, islice
from operator import itemgetter, mul, sub
from typing import NamedTuple

__all__ = ()

# see docs/decisions/0084-offset-map-format.md
# A longer span is not read, so it is not written either: the finished records above it are repeated.
_LONGEST_SPAN = 2_000_000
# Ranges beyond this number are not read: their records are repeated, memory is bounded.
_MOST_RANGES = 100_000
_LARGEST_BODY = 1_000_000
_LARGEST_WINDOW = 1 << 23  # which every decoder of zstd should support; Java's frames have 2 MiB
_ZSTD_SLICE = 16  # its blocks have 4 bytes or more and become 128 KiB at most


class InvalidMap(ValueError):  # noqa: N818 - the map is invalid, and no error of the program
    """Metadata is no map of finished offsets, or is one that cannot be read here; the message says why."""


class _Form(NamedTuple):
    """One of the forms of a body.

    :ivar numbers: of the length of the span or of runs: "h" or "i", for :mod:`struct`.
    :ivar most: the largest of these numbers.
    :ivar mark: the length of a mark behind the body.
    """

    magic: bytes
    numbers: str
    width: int
    most: int
    has_bits: bool
    mark: int

    def size(self, runs: Sequence[int], span: int) -> int | None:
        """The bytes of a body for *runs* that are so long together; None if this form cannot say them."""
        if span > self.most and (self.has_bits or max(runs) > self.most):
            return None
        return self.width + (span + 7) // 8 + 1 if self.has_bits else self.width * len(runs)

    def body(self, runs: Sequence[int], span: int) -> bytes:
        if not self.has_bits:
            return struct.pack(f">{len(runs)}{self.numbers}", *runs)
        bits = "".join(map(mul, cycle("01"), runs))
        return struct.pack(f">{self.numbers}", span) + int(bits[::-1], 2).to_bytes((span + 7) // 8 + 1, "little")

    def prefix(self, runs: Sequence[int], room: int) -> tuple[Sequence[int], int]:
        """The longest prefix of *runs* of which a body has at most *room* bytes, and its span."""
        if self.has_bits:
            return _cut(runs, min(self.most, 8 * (room - self.width - 1)))
        kept = runs[: max(room, 0) // self.width]
        too_long = next((number for number, run in enumerate(kept) if run > self.most), len(kept))
        # A part of a finished run says less and is right; a part of an unfinished one says nothing.
        return _cut(kept, sum(kept[:too_long]) + self.most * (too_long % 2))


# In this order: of two that are as small the first is taken. Java takes either.
_FORMS = (
    _Form(b"n", "h", 2, 0x7FFF, has_bits=False, mark=0),
    _Form(b"l", "h", 2, 0x7FFF, has_bits=True, mark=4),
    _Form(b"e", "i", 4, 0x7FFFFFFF, has_bits=False, mark=3),
    _Form(b"o", "i", 4, 0x7FFFFFFF, has_bits=True, mark=4),
)
_WITH_MARK = tuple(form for form in _FORMS if form.mark)
_LONGEST_MARK = 4
_FORM_OF_MAGIC = {form.magic: form for form in _FORMS}
_COMPRESSED = {b"J": b"n", b"a": b"l", b"p": b"e", b"s": b"o"}


def encode(base: int, finished: Sequence[tuple[int, int]], max_chars: int = 4096) -> str:
    """Say that the offsets in *finished* need no handling by who goes on at the offset *base*.

    :param finished: ranges ``(first, past the last)`` above *base*, ascending, with a gap before each.
    :param max_chars: the longest text that the broker takes as metadata (its ``offset.metadata.max.bytes``). If a map
        of all ranges is longer, the map says as many offsets from *base* up as it can.
    :returns: the metadata; "" if there is nothing to say.
    :raises ValueError: the ranges are not as described.
    """
    form, body = _smallest_body(base, finished, _room(max_chars), _FORMS)
    return b64encode(form.magic + body).decode() if body else ""


def encode_marked(base: int, finished: Sequence[tuple[int, int]], mark: bytes, max_chars: int = 4096) -> str:
    """Say the same with as much of *mark* behind it as Java ignores; the parameters are those of `encode`.

    :param mark: 4 bytes.
    """
    form, body = _smallest_body(base, finished, _room(max_chars) - _LONGEST_MARK, _WITH_MARK)
    return b64encode(form.magic + body + mark[: form.mark]).decode() if body else ""


def _room(max_chars: int) -> int:
    return max_chars // 4 * 3 - 1


def _smallest_body(
    base: int, finished: Sequence[tuple[int, int]], room: int, forms: Sequence[_Form]
) -> tuple[_Form, bytes]:
    """The smallest body of at most *room* bytes; an empty one if there is nothing to say."""
    runs = _runs(base, finished)
    span = sum(runs)
    if span > _LONGEST_SPAN:
        runs, span = _cut(runs, _LONGEST_SPAN)
    size, form = _smallest(runs, span, forms)
    if size > room:
        runs, span = max((each.prefix(runs, room) for each in forms), key=itemgetter(1))
        form = _smallest(runs, span, forms)[1]
    return form, form.body(runs, span) if span else b""


def _runs(base: int, finished: Sequence[tuple[int, int]]) -> Sequence[int]:
    edges = [base, *chain.from_iterable(finished)]
    runs = list(map(sub, edges[1:], edges))
    if runs and min(runs) <= 0:
        raise ValueError(
            f"the finished ranges above {base} are not ascending, with a gap before each: {finished!r:.200}"
        )
    return runs


def _smallest(runs: Sequence[int], span: int, forms: Sequence[_Form]) -> tuple[int, _Form]:
    sizes = [(size, form) for form in forms if (size := form.size(runs, span)) is not None]
    return min(sizes, key=itemgetter(0))


def _cut(runs: Sequence[int], span: int) -> tuple[Sequence[int], int]:
    """The first *span* offsets of *runs* at most, the last of them a finished one; and how many they are."""
    kept: list[int] = []
    for run in runs:
        kept.append(min(run, span))
        span -= run
        if span <= 0:
            break
    kept = kept[: len(kept) // 2 * 2]
    return kept, sum(kept)


def decode(base: int, metadata: str) -> Sequence[tuple[int, int]]:
    """Tell which offsets above *base* need no handling, by the *metadata* of the commit of *base*.

    *base* itself is never among them, whatever the map says: a committed offset is one that is not finished.

    :returns: ranges ``(first, past the last)``, ascending, with a gap before each; empty if there is no metadata.
    :raises InvalidMap: the metadata is no map, or cannot be read here.
    """
    return decode_marked(base, metadata)[0]


def decode_marked(base: int, metadata: str) -> tuple[Sequence[tuple[int, int]], bytes]:
    """Return the ranges of `decode`, and the mark behind them; it is empty if there is none."""
    if not metadata:
        return (), b""
    magic, body = _unpacked(metadata)
    form = _FORM_OF_MAGIC[magic]
    size = _size_of_bits(form, body) if form.has_bits else len(body) // form.width * form.width
    body, mark = body[:size], body[size:]
    if mark and len(mark) != form.mark:
        raise InvalidMap(f"it has {len(mark)} bytes behind its end")
    return _above(base, _ranges_of_bits(form, body) if form.has_bits else _ranges_of_runs(form, body)), mark


def _unpacked(metadata: str) -> tuple[bytes, bytes]:
    """The magic byte of a plain form, and the plain body."""
    if len(metadata) > _LARGEST_BODY * 4 // 3:
        raise InvalidMap(f"it has {len(metadata)} characters, no map has more than {_LARGEST_BODY * 4 // 3}")
    try:
        packed = b64decode(metadata, validate=True)
    except ValueError as error:
        raise InvalidMap(f"{metadata!r:.80} is not base64: {error}") from None
    magic, body = packed[:1], packed[1:]
    if magic in _COMPRESSED:
        return _COMPRESSED[magic], _decompressed(body)
    if magic not in _FORM_OF_MAGIC:
        raise InvalidMap(f"it begins with the byte 0x{magic.hex()}, which stands for no form of a map")
    return magic, body


def _decompressed(body: bytes) -> bytes:
    """Decompress in slices: a few bytes can stand for gigabytes."""
    try:
        import zstandard
    except ImportError:
        raise InvalidMap("it is compressed with zstd; install kafka-parallel[offset-map-zstd]") from None
    stream = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
    plain = bytearray()
    try:
        for start in range(0, len(body), _ZSTD_SLICE):
            plain += stream.decompress(body[start : start + _ZSTD_SLICE])
            if len(plain) > _LARGEST_BODY:
                raise InvalidMap(f"it decompresses to more than {_LARGEST_BODY} bytes")
            if stream.eof:
                return bytes(plain)
    except zstandard.ZstdError as error:
        raise InvalidMap(f"it cannot be decompressed: {error}") from None
    raise InvalidMap("it ends in the middle of what was compressed")


def _size_of_bits(form: _Form, body: bytes) -> int:
    """The length that a body has by the span that it tells."""
    if len(body) < form.width:
        raise InvalidMap(f"it has {len(body)} bytes, less than the length of a span needs")
    span = _checked_span(struct.unpack_from(f">{form.numbers}", body)[0])
    size = form.width + (span + 7) // 8 + 1
    if len(body) < size:
        raise InvalidMap(f"it has {len(body)} bytes, and the bits of {span} offsets need {size}")
    return size


def _ranges_of_bits(form: _Form, body: bytes) -> Iterable[tuple[int, int]]:
    span = struct.unpack_from(f">{form.numbers}", body)[0]
    number = int.from_bytes(body[form.width :], "little")
    _require_ends(number & 1 == 0 and number.bit_length() == span)
    finished = re.finditer("1+", f"{number:b}"[::-1])
    return (found.span() for found in islice(finished, _MOST_RANGES))


def _ranges_of_runs(form: _Form, body: bytes) -> Iterable[tuple[int, int]]:
    runs = struct.unpack(f">{len(body) // form.width}{form.numbers}", body)
    if runs and min(runs) < 0:
        raise InvalidMap(f"it has a run of {min(runs)} offsets")
    span = _checked_span(sum(runs))
    _require_ends(span == 0 or (runs[0] > 0 and len(runs) % 2 == 0 and runs[-1] > 0))
    edges = list(accumulate(runs[: 2 * _MOST_RANGES], initial=0))
    return zip(edges[1::2], edges[2::2], strict=False)


def _require_ends(are_right: bool) -> None:  # noqa: FBT001 - what is required
    if not are_right:
        raise InvalidMap("it says that its first offset is finished, or that its last one is not")


def _checked_span(span: int) -> int:
    if not 0 <= span <= _LONGEST_SPAN:
        raise InvalidMap(f"it covers {span} offsets; a map covers 0 to {_LONGEST_SPAN}")
    return span


def _above(base: int, ranges: Iterable[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The *ranges* counted from 0 instead of *base*, without the base, without empty ones, those that touch as one."""
    above: list[tuple[int, int]] = []
    for first, past in ranges:
        if past <= max(first, 1):
            continue
        if above and above[-1][1] == base + first:
            above[-1] = (above[-1][0], base + past)
        else:
            above.append((base + max(first, 1), base + past))
    return above

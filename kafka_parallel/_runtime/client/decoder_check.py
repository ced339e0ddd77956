"""Does the decoder of a plugin still make the client's records? Now and then both decode, and the two are compared.

The trial at the start (`reading_trial`) has seen small logs that the client wrote itself. Producers write others, so
the comparison goes on during the run: with the first slice, and with one in a thousand after it. From the first
difference on, the client decodes, and the handlers get its records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.reading_trial import types_of
from kafka_parallel.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel.decoders import Decoded, RawBatch

log = area_logger("poll")

# The slices from one comparison to the next: it costs the client's time for one of them, a quarter of a percent.
SLICES_BETWEEN = 1_000


class OnTrial:
    """The check at the start, where the trial itself compares: an error of the decoder comes out.

    :ivar is_trusted: whether the decoder is to be asked.
    """

    is_trusted = True

    def is_due(self) -> bool:
        """Tell whether to compare the next slice."""
        return False

    def distrust(self, batch: RawBatch, offset: int, problem: str) -> None:  # noqa: ARG002 - the trial's batch
        """End the trial, with *problem*."""
        raise PluginError(problem)


# see docs/decisions/0092-fast-decoder-is-the-default.md
class DecoderCheck(OnTrial):
    """The check during a run; used on the thread that polls.

    :param name: the decoder and its plugin, as the log names them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._slices = 0

    def is_due(self) -> bool:
        """Count a slice, and tell whether to compare it."""
        self._slices += 1
        return self._slices % SLICES_BETWEEN == 1

    def distrust(self, batch: RawBatch, offset: int, problem: str) -> None:
        """Let the client decode from now on."""
        self.is_trusted = False
        log.error("%s is not used any more, and kafka-python decodes from %s[%d]@%d on, all other partitions too: %s",
                  self._name, batch.topic, batch.partition, offset, problem)  # fmt: skip


def difference(expected: Sequence[ConsumerRecord], end: int, found: Decoded) -> str:
    """Tell where *found* is not the client's records, which end at the position *end*; it shows no data of records."""
    for theirs, ours in zip(expected, found.records, strict=False):
        if type(theirs) is not type(ours):
            return f"it made a {type(ours).__name__} of the record at offset {theirs.offset}"
        if theirs != ours or types_of(theirs) != types_of(ours):
            names = [name for name in theirs._fields if _differs(getattr(theirs, name), getattr(ours, name))]
            return f"it made another {' and '.join(names or ['headers'])} of the record at offset {theirs.offset}"
    if len(expected) != len(found.records):
        return f"it made {len(found.records)} records of bytes in which kafka-python finds {len(expected)}"
    return "" if end == found.position else f"it read up to byte {found.position}, and kafka-python up to {end}"


def _differs(theirs: object, ours: object) -> bool:
    return type(theirs) is not type(ours) or theirs != ours


def misshapen(found: object, position: int, most: int, end: int) -> str:
    """Tell why *found* cannot be the answer to a call for at most *most* records between *position* and *end*."""
    if not isinstance(found, tuple) or len(found) != 3 or type(getattr(found, "records", None)) is not list:
        return f"it returned a {type(found).__name__} that is no Decoded with a list of records"
    records, behind, size = found
    if type(behind) is not int or type(size) is not int:
        return f"the position and the size that it returned are {behind!r} and {size!r}, and not two int"
    if len(records) > most:
        return f"it made {len(records)} records where {most} were asked for"
    if records and not position < behind <= end:
        return f"it read up to byte {behind} of {end}, and had to read on from byte {position}"
    return ""

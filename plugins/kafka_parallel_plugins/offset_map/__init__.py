"""Writes which records above the commit point are finished into the commit, so that a crash does not repeat them.

The text stands in the metadata of the commit, where the next owner of the partition reads it: this plugin, or
Confluent's Parallel Consumer for Java, whose format it is. Whatever goes wrong with it costs repeats, never a record: a
text that does not fit is cut, one that the broker refuses is left out, one that is no map is not believed.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kafka.errors import OffsetMetadataTooLargeError

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel.plugin_support import get_logger, shown
from kafka_parallel_plugins.offset_map.codec import InvalidMap, decode_marked, encode_marked
from kafka_parallel_plugins.offset_map.mark import is_of, mark_of

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel import Settings

__all__ = ["OffsetMap"]

log = get_logger(__name__)


# see docs/decisions/0077-offset-map.md
# see docs/decisions/0078-record-of-one-commit.md
# see docs/decisions/0086-offset-map-is-asked-for.md
class OffsetMap:
    """Keeps the finished records above the committed offset in the metadata of the commit.

    :param max_chars: the longest text that the broker takes as metadata, its ``offset.metadata.max.bytes``.
    :raises ConfigurationError: *max_chars* cannot be a limit.
    """

    writes_commit_metadata = True

    def __init__(self, *, max_chars: int = 4096) -> None:
        if isinstance(max_chars, bool) or not isinstance(max_chars, int) or not 4 <= max_chars <= 1_000_000:
            raise ConfigurationError(
                f"max_chars of plugin offset-map is {shown(max_chars)}: it must be an integer from 4 to 1000000"
            )
        self._max_chars = max_chars
        self._is_refused = False
        self._met_other = False

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Refuse a consumer that commits nothing.

        :raises ConfigurationError: it has no group.
        """
        if settings.group_id is None:
            raise ConfigurationError(
                "plugin offset-map needs a consumer group, for its map is part of the group's commits: give the "
                "KafkaConsumer a group_id"
            )

    @hookimpl
    def on_assign(self, committed: Mapping[TopicPartition, OffsetAndMetadata]) -> dict[TopicPartition, list[range]]:
        """Return the offsets that the maps in the group's commits tell to be finished.

        Metadata that is no map, or a map of another commit, is logged and tells of none.
        """
        found = {partition: self._finished(partition, commit) for partition, commit in committed.items()}
        found = {partition: ranges for partition, ranges in found.items() if ranges}
        if found:
            log.info("the offset maps of %d partitions tell of %d finished offsets: their records are left out",
                     len(found), sum(len(each) for ranges in found.values() for each in ranges))  # fmt: skip
        return found

    def _finished(self, partition: TopicPartition, commit: OffsetAndMetadata) -> list[range]:
        try:
            ranges, mark = decode_marked(commit.offset, commit.metadata or "")
        except InvalidMap as error:
            log.warning("the metadata of the commit of %s[%d]@%d is no offset map (%s): records finished above it are "
                        "processed again", partition.topic, partition.partition, commit.offset, error)  # fmt: skip
            return []
        if not is_of(mark, partition, commit):
            log.warning("the offset map in the commit of %s[%d]@%d was written for another commit, which was moved or "
                        "copied with its metadata: records finished above it are processed again",
                        partition.topic, partition.partition, commit.offset)  # fmt: skip
            return []
        return [range(first, end) for first, end in ranges]

    @hookimpl(wrapper=True)
    def on_commit(
        self,
        offsets: dict[TopicPartition, OffsetAndMetadata],
        finished_above: Mapping[TopicPartition, Sequence[range]],
    ) -> Generator[None, Any, Any]:
        """Put the maps into *offsets*; after a commit that was refused for its length, the next has no maps."""
        if not self._is_refused:
            for partition, ranges in finished_above.items():
                self._write(offsets, partition, ranges)
        written = {partition: offsets[partition].metadata for partition in finished_above}
        try:
            result = yield
        except OffsetMetadataTooLargeError:
            self._shorten()
            raise
        self._is_refused = False
        for partition, text in written.items():
            if offsets[partition].metadata != text:  # by a plugin that is entered after this one
                self._meet_other(partition)
        return result

    def _write(
        self, offsets: dict[TopicPartition, OffsetAndMetadata], partition: TopicPartition, ranges: Sequence[range]
    ) -> None:
        commit = offsets[partition]
        if commit.metadata:
            self._meet_other(partition)
        elif ranges:
            pairs = [(found.start, found.stop) for found in ranges]
            offsets[partition] = commit._replace(
                metadata=encode_marked(commit.offset, pairs, mark_of(partition, commit), self._max_chars)
            )

    def _shorten(self) -> None:
        """Halve the limit: the broker's refusal does not tell its own."""
        self._is_refused = True
        self._max_chars = max(4, self._max_chars // 2)
        log.warning("the broker takes no metadata as long as the offset map: the next commit has none, and later maps "
                    "have at most %d characters; set max_chars to the broker's offset.metadata.max.bytes",
                    self._max_chars)  # fmt: skip

    def _meet_other(self, partition: TopicPartition) -> None:
        if not self._met_other:
            self._met_other = True
            log.error("two plugins write commit metadata, and there is room for one: %s[%d] gets no offset map; leave "
                      "the other plugin out", partition.topic, partition.partition)  # fmt: skip

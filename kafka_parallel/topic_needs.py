"""The topics that a plugin reads or writes beside those of its consumer, said before anything runs.

A plugin that needs topics has a method ``topic_needs(settings)``, no hook, that returns them. The commands
``kafka-parallel check`` and ``doctor`` ask each plugin that has it, and look the topics up; a run never calls it. It
connects nothing. A plugin whose start would be refused raises `ConfigurationError` there, in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TopicNeed"]


# see docs/decisions/0094-plugins-tell-their-topics.md
@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNeed:
    """A topic that a plugin writes records of the consumer to.

    :ivar topic: its name.
    :ivar source: the topic whose records are copied into it; ``None`` = none, so its size and partitions are free.
    :ivar extra_bytes: bytes that a copy may be larger than its record.
    :ivar is_read: whether the consumer reads it, too.
    :ivar kept_ms: milliseconds that a record has to stay in it at least.
    """

    topic: str
    source: str | None = None
    extra_bytes: int = 0
    is_read: bool = False
    kept_ms: float = 0

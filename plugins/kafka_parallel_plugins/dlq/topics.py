"""The dead-letter topic of each topic, and the topics that are refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kafka_parallel import ConfigurationError
from kafka_parallel.plugin_support import shown

if TYPE_CHECKING:
    from kafka_parallel import Settings

__all__ = ()

SUFFIX = "-dlq"

_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_ANY_END = re.compile(r"\.[*+]\$$")
_LOOKS_BEYOND = re.compile(r"\$|\\[ZzbB]|\(\?[=!]")


class DeadLetterTopics:
    """Names the dead-letter topic of a topic: one for all, or ``<topic>-dlq`` each.

    :param fixed: the one name, or ``None``.
    :raises ConfigurationError: *fixed* is not a legal topic name, or is that of an internal topic.
    """

    def __init__(self, fixed: str | None) -> None:
        if fixed is not None:
            _check_name(fixed)
        self.fixed = fixed

    def of(self, topic: str) -> str:
        """Return the name of the topic to which dead letters of *topic* are written."""
        return self.fixed or topic + SUFFIX

    def check(self, settings: Settings) -> list[str]:
        """Return the dead-letter topics that are known before the first record.

        :raises ConfigurationError: the consumer reads one of them itself, or a name is not legal.
        """
        names = [self.fixed] if self.fixed else sorted(map(self.of, settings.topics))
        for name in names:
            _check_name(name)
            if settings.reads(name):
                raise ConfigurationError(own_topic_message(name))
        if not self.fixed and settings.pattern is not None and _extends_to_dead_letters(settings.pattern):
            raise ConfigurationError(
                f"the subscribed pattern {settings.pattern.pattern!r} also matches the topics '<topic>{SUFFIX}' that "
                "plugin dlq writes to, so every dead letter would come back as a new record: set the plugin's topic= "
                f"to a name that the pattern does not match, or exclude them in the pattern with '(?!.*{SUFFIX}$)'"
            )
        return names


def own_topic_message(name: str) -> str:
    """Return the message that dead letters cannot be written to *name*, which the consumer reads, with the remedy."""
    return (
        f"plugin dlq would write to topic {name!r}, which this consumer reads itself, so every dead letter would come "
        "back as a new record: set the plugin's topic= to one outside the subscription"
    )


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _LEGAL.fullmatch(name) or name in {".", ".."}:
        raise ConfigurationError(
            f"plugin dlq cannot write to topic {shown(name)}: a topic name has 1 to 249 characters out of a-z, A-Z, "
            "0-9, '.', '_' and '-'; set the plugin's topic="
        )
    # KIP-1191 refuses these too: a dead letter must never reach a topic that Kafka itself reads
    if name.startswith("__"):
        raise ConfigurationError(
            f"plugin dlq cannot write to topic {name!r}: names that start with '__' belong to Kafka; set the plugin's "
            "topic="
        )


def _extends_to_dead_letters(pattern: re.Pattern[str]) -> bool:
    """Tell whether *pattern*, matching a topic, surely matches the topic's dead-letter topic as well.

    A subscription matches from the start of the name only, so a longer name matches too unless the pattern looks beyond
    the part it consumed. Patterns that do are left to the check of every single dead letter.
    """
    return not _LOOKS_BEYOND.search(_ANY_END.sub("", pattern.pattern))

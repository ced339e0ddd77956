"""The id of the message that a record is: by its place, by its headers, or by a function of the user.

Two records with one id count as one message: the effect of the second is left out. So an id that is not known is an
error, never an empty text, and none is shortened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kafka_parallel._showing import kind_of, shown
from kafka_parallel.errors import ConfigurationError, KafkaParallelError
from kafka_parallel.inbox._sql import LONGEST_ID

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ()


class InvalidMessageId(KafkaParallelError, ValueError):  # noqa: N818 - named after what is wrong
    """The record's fault: it has no message id, or none that can be kept. The next attempt meets it again."""


def header(name: str) -> Callable[[ConsumerRecord], str]:
    """Return a function from a record to the value of its header *name*, for ``first_time(id=...)``.

    Of headers of one name the last one counts, as in Kafka's clients. The function raises `InvalidMessageId` for a
    record without it, or with one that is empty or no UTF-8.

    :param name: of the header.
    :raises ConfigurationError: it is not a text, or an empty one.
    """
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"header({shown(name)}): give the name of a header")
    return lambda record: _value(record, name)


def message_id(record: ConsumerRecord, id: Any = "place") -> str:  # noqa: A002 - as `first_time` calls it
    """Return the id of the message that *record* is.

    :param record: as the handler has it.
    :param id: ``"place"``, ``"ce"`` or a function, as for `first_time`.
    :raises InvalidMessageId: it has none, or none that can be kept.
    :raises ConfigurationError: *id* is none of these.
    """
    if id == "place":
        return _place(record)
    if id == "ce":
        return _checked(record, _cloud_event(record))
    if callable(id):
        return _checked(record, id(record))
    raise ConfigurationError(f"id={shown(id)}: choose 'place', 'ce', header(NAME) or a function of the record")


def _place(record: ConsumerRecord) -> str:
    """The place of *record*, which a record of a retry topic has from headers; -1 stands for one that was not told."""
    if record.partition < 0 or record.offset < 0:
        raise InvalidMessageId(
            f"a record of topic {record.topic!r} does not tell the partition and the offset of its first attempt: the "
            "headers of its retry topic are not there; choose another id=, such as header(NAME)"
        )
    return f"{record.topic}/{record.partition}/{record.offset}"


def _cloud_event(record: ConsumerRecord) -> str:
    """Source and id, which together are unique (CloudEvents 1.0); a source is a URI reference, which has no bar."""
    return f"{_value(record, 'ce_source').replace('|', '%7C')}|{_value(record, 'ce_id')}"


def _value(record: ConsumerRecord, name: str) -> str:
    found = [value for key, value in record.headers if key == name]
    if not found or not found[-1]:
        raise InvalidMessageId(f"{_shown(record)} has no header {name!r}, which is its message id")
    try:
        return bytes(found[-1]).decode()
    except UnicodeDecodeError:
        raise InvalidMessageId(
            f"header {name!r} of {_shown(record)} is not UTF-8: choose id= a function that makes a text of it, with "
            "bytes.hex() for example"
        ) from None


def _checked(record: ConsumerRecord, found: object) -> str:
    if not isinstance(found, str) or not found:
        kind = "an empty text" if found == "" else kind_of(found)
        raise InvalidMessageId(f"the message id of {_shown(record)} is {kind}: it must be a text")
    if "\0" in found or any("\ud800" <= character <= "\udfff" for character in found):
        raise InvalidMessageId(
            f"the message id of {_shown(record)} has a NUL or half of a surrogate pair, which databases do not keep: "
            "choose id= a function that makes another text of it, such as its SHA-256"
        )
    size = len(found.encode())
    if size > LONGEST_ID:
        raise InvalidMessageId(
            f"the message id of {_shown(record)} has {size} bytes, and at most {LONGEST_ID} are kept: choose id= a "
            "function that makes a shorter one of it, such as its SHA-256"
        )
    return found


def _shown(record: ConsumerRecord) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"

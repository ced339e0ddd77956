"""The lines of the log that the command writes: for people, or as JSON for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from kafka_parallel.logs import FIELDS

__all__ = ()


class TextLines(logging.Formatter):
    """One line for people, with the place of the record that is being handled."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Put the place of the record behind the line."""
        line = super().formatMessage(record)
        topic, partition, offset = (getattr(record, name, None) for name in FIELDS[:3])
        return line if topic is None else f"{line} [{topic}[{partition}]@{offset}]"


class JsonLines(logging.Formatter):
    """One JSON object a line, with the fields of the record that is being handled."""

    def format(self, record: logging.LogRecord) -> str:
        """Make a line of *record*."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = {name: getattr(record, name, None) for name in FIELDS}
        line.update({name: value for name, value in fields.items() if value is not None})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(log_format: str) -> None:
    """Write lines of level INFO to standard error, those of kafka-python from WARNING on.

    A program that has set up logging by itself keeps its own.

    :param log_format: ``"text"`` or ``"json"``.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("kafka").setLevel(logging.WARNING)


@contextmanager
def quiet_client() -> Iterator[None]:
    """Keep kafka-python from logging each attempt to connect: the error that it raises at last tells it all."""
    client = logging.getLogger("kafka")
    before = client.level
    client.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        client.setLevel(before)

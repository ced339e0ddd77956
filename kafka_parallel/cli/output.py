"""Writes data from Kafka to a terminal: never as markup, never with control characters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

__all__ = ()

# A name in the first column is in one line, to be copied, unless it has more characters.
LONGEST_NAME = 24


def printable(value: object, most: int = 200) -> str:
    """Show *value* without characters that a terminal would obey, cut to *most* characters."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    shown = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text[:most]
    )
    return shown + ("…" if len(text) > most else "")


def moment(timestamp_ms: int | None) -> str:
    """Show a time, in UTC."""
    if timestamp_ms is None or not 0 <= timestamp_ms < 253_402_300_800_000:
        return "-"
    return datetime.fromtimestamp(timestamp_ms / 1000, timezone.utc).isoformat(timespec="seconds")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to standard output; numbers are set to the right, and no word is cut at the edge of its column."""
    cells = [[Text(printable(cell), "", justify=_side(cell)) for cell in row] for row in rows]
    table = Table(*(Column(name, overflow="fold") for name in columns))
    table.columns[0].min_width = min(LONGEST_NAME, max((len(row[0]) for row in cells), default=0))
    for row in cells:
        table.add_row(*row)
    width = None if Console().is_terminal else 200
    Console(width=width).print(table)


def _side(cell: object) -> Any:
    return "right" if isinstance(cell, int) else "left"


def show_json(value: object) -> None:
    """Write one line of JSON to standard output."""
    click.echo(json.dumps(value))

"""Writes findings: a line each, or an object of JSON each."""

from __future__ import annotations

from collections.abc import Iterable

import click

from kafka_parallel.cli.output import printable, show_json
from kafka_parallel.cli.preflight.findings import FAIL, NOTE, OK, WARN, Finding

__all__ = ()

COLOURS = {OK: "green", NOTE: "cyan", WARN: "yellow", FAIL: "red"}
# A line longer than any that is written: text is never cut.
UNCUT = 10_000


def show(findings: Iterable[Finding], *, as_json: bool) -> list[Finding]:
    """Write each of the *findings* once, as they come; return them."""
    shown: dict[Finding, None] = {}
    for finding in findings:
        if finding not in shown:
            shown[finding] = None
            _write(finding, as_json=as_json)
    return list(shown)


def _write(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        show_json(finding._asdict())
        return
    level = click.style(f"{finding.level:<5}", fg=COLOURS[finding.level])
    click.echo(f"{level} {printable(finding.subject, UNCUT)}: {printable(finding.text, UNCUT)}")

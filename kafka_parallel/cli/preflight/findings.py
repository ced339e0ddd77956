"""One line of a report: a level, its subject, and the fact with the setting to change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ()

OK, NOTE, WARN, FAIL = "ok", "note", "warn", "fail"


class Finding(NamedTuple):
    """A judgement.

    :ivar level: ``"ok"``; ``"note"``, which is good to know; ``"warn"``, which will hurt; ``"fail"``, which will break.
    :ivar subject: the thing that is judged: a setting, ``topic orders``, ``group billing``.
    :ivar text: the fact with its number; after a warning or a failure, the change that helps.
    """

    level: str
    subject: str
    text: str


def good(subject: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(OK, subject, text)


def remark(subject: str, text: str) -> Finding:
    """It works, and is good to know."""
    return Finding(NOTE, subject, text)


def warning(subject: str, text: str) -> Finding:
    """It works, and will hurt."""
    return Finding(WARN, subject, text)


def failure(subject: str, text: str) -> Finding:
    """It will not work, or lose something."""
    return Finding(FAIL, subject, text)


def has_failed(findings: Iterable[Finding]) -> bool:
    """Tell whether one of them is a failure."""
    return any(finding.level == FAIL for finding in findings)

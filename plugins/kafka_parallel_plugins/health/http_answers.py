"""The bytes that answer a request: HTTP/1.1, one request for each connection, GET and HEAD of three paths."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel_plugins.health.health_checks import Check, liveness, readiness, startup

if TYPE_CHECKING:
    from kafka_parallel_plugins.health.health_checks import Limits, Observation

__all__ = ()

Checks: TypeAlias = "Callable[[Observation, Limits], list[Check]]"

ENDPOINTS: Mapping[str, Checks] = {"/livez": liveness, "/readyz": readiness, "/startupz": startup}
METHODS = ("GET", "HEAD")
VERSION = version("kafka-parallel")


def refusal(method: str, target: str) -> bytes | None:
    """The answer to a request that is not for a check: 404 for another path, 405 for another method; else ``None``."""
    if path_of(target) not in ENDPOINTS:
        return response(HTTPStatus.NOT_FOUND, {"paths": list(ENDPOINTS)}, method)
    if method not in METHODS:
        return response(HTTPStatus.METHOD_NOT_ALLOWED, {"methods": METHODS}, method)
    return None


def path_of(target: str) -> str:
    """The path of a request, without its query."""
    return target.partition("?")[0]


def response(status: HTTPStatus, body: Mapping[str, Any], method: str) -> bytes:
    """The bytes of an answer with *body* as JSON; an answer to HEAD has the headers alone."""
    content = json.dumps(body).encode() + b"\n"
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(f"Allow: {', '.join(METHODS)}")
    head = "\r\n".join([*lines, "", ""]).encode()
    return head if method == "HEAD" else head + content


def verdict(
    checks: Sequence[Check], seen: Observation | None = None, sentences: Sequence[str] = ()
) -> tuple[HTTPStatus, dict[str, Any]]:
    """The status and the body that *checks* make.

    :param seen: the facts; ``None`` if they could not be had.
    :param sentences: the reasons for which the run does not go on.
    """
    is_ok = all(check.ok for check in checks)
    body: dict[str, Any] = {"status": "ok" if is_ok else "fail", "checks": [_shown(check) for check in checks]}
    if seen is not None:
        body |= {
            "state": seen.state,
            "partitions": len(seen.statistics.uncommitted),
            "in_flight": seen.statistics.in_flight,
            "stopping": seen.is_stopping,
            "sentences": list(sentences),
        }
    body |= {"version": VERSION, "pid": os.getpid()}
    return HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE, body


def _shown(check: Check) -> dict[str, Any]:
    found: dict[str, Any] = {"name": check.name, "ok": check.ok}
    if check.seconds is not None:
        found["seconds"] = round(check.seconds, 3)
    if check.detail is not None:
        found["detail"] = check.detail
    return found

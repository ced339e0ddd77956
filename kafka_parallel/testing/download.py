"""How does a file come from a web server, also after a broken connection.

Proxies and certificates are those of :mod:`urllib.request`: ``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE`` and so on.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from kafka_parallel.testing.faults import NotAvailableError, needs_extra

__all__ = ()

Progress: TypeAlias = Callable[[int], None]
"""Told how many bytes more there are; any thread."""

TRIES = 3
TIMEOUT_S = 30.0


def download(url: str, part: Path, size: int, advance: Progress) -> None:
    """Bring *part* to *size* bytes of *url*, continuing a partial download.

    :param size: how many bytes the whole file has.
    :raises NotAvailableError: the server cannot be reached or does not have the file; received bytes are kept.
    """
    if _size_of(part) > size:
        part.unlink()
    advance(_size_of(part))
    for _ in range(TRIES):
        error = _try_to_receive(url, part, size, advance)
        if error is None:
            return
        if isinstance(error, urllib.error.HTTPError) and error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            break  # the server's last word
    raise NotAvailableError(
        f"cannot download {url}: {error}; {_size_of(part)} of {size} bytes are kept. Check the network and the proxy "
        "(HTTPS_PROXY, SSL_CERT_FILE), or name a mirror of Maven Central in KAFKA_PARALLEL_MAVEN_URL"
    ) from error


def _try_to_receive(url: str, part: Path, size: int, advance: Progress) -> Exception | None:
    try:
        _receive(url, part, size, advance)
    except urllib.error.HTTPError as error:
        error.close()  # it is an open response too
        return error
    except (OSError, http.client.HTTPException) as error:
        return error
    return None


def _receive(url: str, part: Path, size: int, advance: Progress) -> None:
    """One request; returns once the file is complete."""
    have = _size_of(part)
    if have == size:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the user's choice
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        if have and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            # The server knows no ranges and sends all of it.
            advance(-have)
            have = 0
        with part.open("ab" if have else "wb") as file:
            while block := response.read(1 << 16):
                file.write(block)
                advance(len(block))
    if _size_of(part) < size:
        raise ConnectionError(f"the connection ended after {_size_of(part)} of {size} bytes")


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def progress_bar(total: int, title: str, *, shown: bool) -> Iterator[Progress]:
    """A bar for *total* bytes on standard error; without one, the answers go nowhere.

    :raises NotAvailableError: rich is not installed.
    """
    if not shown:
        yield lambda _: None
        return
    with needs_extra("rich"):
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda size: bar.advance(task, size)

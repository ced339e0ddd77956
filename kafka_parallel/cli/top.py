"""The command that shows a running consumer: which one, over which socket, and in which form?"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from kafka_parallel import top_sockets
from kafka_parallel.cli.output import show_json
from kafka_parallel.cli.top_view import view

__all__ = ()

# The time that a frame may take to come, in seconds: a consumer sends one a second.
FRAME_TIMEOUT = 10.0
# The longest line that is read, in bytes: ten thousand partitions take three million.
LONGEST_LINE = 50_000_000
FORMAT = 1


@click.command()
@click.argument("pid_or_socket", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a second.")
def top(pid_or_socket: str | None, *, as_json: bool) -> None:
    """Show a running consumer that has the plugin top, anew each second, until it ends or Ctrl-C.

    PID_OR_SOCKET is the number of its process, or the path of its socket; it may be left out if only one runs. Only the
    user can look that the consumer runs as.
    """
    frames = frames_of(pid_or_socket)
    with suppress(KeyboardInterrupt):
        if as_json:
            for frame in frames:
                show_json(frame)
        else:
            _show(frames, Console())


def frames_of(pid_or_socket: str | None) -> Iterator[dict[str, Any]]:
    """The frames of a consumer as they come, up to its end.

    :raises click.ClickException: there is no such consumer, or several.
    """
    path = _chosen(pid_or_socket)
    return _frames(_connected(path), path)


def _show(frames: Iterator[dict[str, Any]], console: Console) -> None:
    """Show each frame in the place of the one before, or below it if the output is no terminal."""
    if not console.is_terminal:
        for frame in frames:
            console.print(view(frame, console.width, None))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for frame in frames:
            live.update(view(frame, console.width, console.height), refresh=True)


def _chosen(pid_or_socket: str | None) -> Path:
    folder = top_sockets.folder(os.environ)
    if pid_or_socket is not None and not pid_or_socket.isdecimal():
        return _socket(Path(pid_or_socket), folder)
    pid = None if pid_or_socket is None else int(pid_or_socket)
    found = top_sockets.listening(folder, pid)
    if len(found) == 1:
        return found[0]
    whose = "no process" if pid is None else f"no process {pid}"
    if not found:
        raise click.ClickException(
            f"{whose} of this user listens in {folder}: give the consumer the plugin top, and run this as the same "
            "user, in the same container, with the same XDG_RUNTIME_DIR"
        )
    names = ", ".join(str(path) for path in found)
    raise click.UsageError(f"several consumers run: name one of them by its process or its socket: {names}")


def _socket(path: Path, folder: Path) -> Path:
    if not path.is_socket():
        raise click.ClickException(
            f"{str(path)!r} is neither the number of a process nor a socket: give one of the two, or none if only one "
            f"consumer runs; sockets are in {folder}"
        )
    return path


def _connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(FRAME_TIMEOUT)
    try:
        client.connect(os.fspath(path))
    except OSError as error:
        client.close()
        raise click.ClickException(f"no consumer listens at {path}: {error.strerror or error}") from error
    return client


def _frames(client: socket.socket, path: Path) -> Iterator[dict[str, Any]]:
    """The frames as they come; the end when the consumer has ended."""
    with closing(client), client.makefile("rb") as lines:
        while True:
            try:
                line = lines.readline(LONGEST_LINE)
            except TimeoutError:
                raise click.ClickException(f"the consumer has sent nothing for {FRAME_TIMEOUT:g} s") from None
            except ConnectionError:
                return
            if not line:
                return
            yield _frame(line, path)


def _frame(line: bytes, path: Path) -> dict[str, Any]:
    try:
        frame = json.loads(line)
        version = frame["format"]
    except (ValueError, TypeError, KeyError):
        raise click.ClickException(f"{path} is no socket of the plugin top") from None
    if version != FORMAT:
        raise click.ClickException(
            f"the consumer sends format {version}, and this command reads {FORMAT}: run the one of its version, "
            f"{frame.get('version')}"
        )
    return dict(frame)

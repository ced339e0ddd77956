"""The sockets at which ``kafka-parallel top`` finds running consumers, and those that ended ones left behind.

Each consumer with the plugin ``top`` has a Unix socket in one folder per user. Only that user may enter the folder, so
only he can see records' places and keys, and only his consumers are found there.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kafka_parallel.errors import ConfigurationError

__all__ = ["LONGEST_PATH", "folder", "free_path", "is_listening", "listening", "pid_of", "require_private"]

LONGEST_PATH: int = 103
"""The longest path of a socket that all systems take, in bytes: 107 on Linux, 103 on macOS."""

# The time that the connect test may take, in seconds; a consumer that is only slow still listens.
CONNECT_TIMEOUT = 1.0
# The most consumers of one process that can be watched.
MOST_OF_A_PROCESS = 99
NAME = re.compile(r"(\d+)(?:-\d+)?\.sock")


def folder(environ: Mapping[str, str]) -> Path:
    """The folder of this user's sockets: below ``XDG_RUNTIME_DIR``, or else below the folder for temporary files.

    :param environ: the variables of the environment.
    """
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return Path(runtime) / "kafka-parallel"
    return Path(tempfile.gettempdir()) / f"kafka-parallel-{os.geteuid()}"


def require_private(path: Path) -> None:
    """Make the folder *path* if it is not there; refuse one that others may enter or have made.

    :param path: the folder.
    :raises ConfigurationError: it is another user's, others may enter it, or it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"the folder {str(path)!r} for sockets cannot be made ({error.strerror}): set XDG_RUNTIME_DIR to a folder "
            "that exists and that this user may write to"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"the folder {str(path)!r} for sockets must belong to user {os.geteuid()} alone, with mode 0700; it has "
            f"mode {stat.S_IMODE(found.st_mode):04o} and belongs to user {found.st_uid}: remove it, or set "
            "XDG_RUNTIME_DIR to another folder"
        )


def free_path(folder: Path, pid: int) -> Path:
    """A path in *folder* for one more consumer of process *pid*; the sockets of ended consumers are removed.

    :param folder: the folder of sockets.
    :param pid: the number of the process.
    :raises ConfigurationError: the path is too long for a socket, or the process has too many of them.
    """
    _remove_stale(folder)
    names = [f"{pid}.sock", *(f"{pid}-{number}.sock" for number in range(2, MOST_OF_A_PROCESS + 1))]
    path = next((folder / name for name in names if not (folder / name).exists()), None)
    if path is None:
        raise ConfigurationError(f"{MOST_OF_A_PROCESS} consumers of process {pid} have the plugin top: leave it out")
    if (length := len(os.fsencode(path))) > LONGEST_PATH:
        raise ConfigurationError(
            f"the path {str(path)!r} of a socket has {length} bytes, and at most {LONGEST_PATH} are possible: set "
            "XDG_RUNTIME_DIR to a folder with a shorter path"
        )
    return path


def listening(folder: Path, pid: int | None = None) -> list[Path]:
    """The sockets in *folder* at which a consumer listens.

    :param folder: the folder of sockets; there may be none.
    :param pid: the number of the process; ``None`` = of all.
    """
    return [path for path in _sockets(folder) if (pid is None or pid_of(path) == pid) and is_listening(path)]


def pid_of(path: Path) -> int | None:
    """The process whose socket has this *path*; ``None`` if it is none of these sockets.

    :param path: the path of a file.
    """
    found = NAME.fullmatch(path.name)
    return None if found is None else int(found[1])


def is_listening(path: Path) -> bool:
    """Tell whether a program listens at *path*: it is connected to, which shows it nothing.

    :param path: the path of a socket.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_TIMEOUT)
        try:
            client.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it is busy, or not ours to ask
            return True
        return True


def _remove_stale(folder: Path) -> None:
    for path in _sockets(folder):
        if not is_listening(path):
            with suppress(OSError):  # another consumer that starts now removes it too
                path.unlink()


def _sockets(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if pid_of(path) is not None and path.is_socket())
    except OSError:
        return []

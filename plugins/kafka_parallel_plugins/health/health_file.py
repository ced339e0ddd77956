"""How does a file tell that the consumer lives? It is replaced once a second while it does, and its age is the answer.

For probes that run a command in the container, where no port may be open. Only the file's age counts. So where its
contents cannot be written because the disk is full, its time is set instead: no restart empties a disk.

Others may write in the folder as well. So the contents go into a new file of a random name first, and no symlink or
FIFO of others is opened.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kafka_parallel.plugin_support import get_logger

if sys.platform != "win32":
    import fcntl

__all__ = ()

log = get_logger("kafka_parallel_plugins.health")

# Seconds between two replacements.
INTERVAL = 1.0
# The disk, or this user's share of it, is full.
FULL = (errno.ENOSPC, errno.EDQUOT)
# The answers of a lock that another process has.
HELD = (errno.EACCES, errno.EAGAIN)
# It fails if there is anything of that name, be it a symlink to nowhere.
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


# The files that consumers of this process replace: two of them would keep a dead one's file young.
_in_use: set[Path] = set()
_in_use_lock = threading.Lock()


class HealthFile:
    """Replaces the file at *path* again and again, on a daemon thread of its own: a disk may block.

    :param alive: returns the contents while the consumer lives, ``None`` otherwise.
    :raises OSError: there can be no such file, or another consumer replaces it, in this process or another one.
    """

    def __init__(self, path: Path, alive: Callable[[], bytes | None]) -> None:
        self._path = path
        self._alive = alive
        self._is_over = threading.Event()
        self._is_broken = False
        self._try_out()
        self._claimed = path.resolve()
        self._claim()
        self._lock: int | None = None
        try:
            self._lock = _locked(path.with_name(f".{path.name}.lock"))
        except OSError:
            _in_use.discard(self._claimed)
            raise
        threading.Thread(target=self._replace_until_over, name="kafka-parallel-health-file", daemon=True).start()

    def _claim(self) -> None:
        with _in_use_lock:
            if self._claimed in _in_use:
                raise OSError(errno.EBUSY, "another consumer of this process replaces it", str(self._path))
            _in_use.add(self._claimed)

    def _try_out(self) -> None:
        if self._path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(self._path))
        try:
            self._new_file(b"").unlink()
        except OSError as error:
            if error.errno not in FULL:  # that may change while the consumer runs, and is no reason not to run
                raise

    def close(self) -> None:
        """Stop replacing the file, which stays and grows old; another consumer may use its path then."""
        with _in_use_lock:
            if not self._is_over.is_set():
                _in_use.discard(self._claimed)
                if self._lock is not None:
                    os.close(self._lock)
            self._is_over.set()

    def _replace_until_over(self) -> None:
        while not self._is_over.wait(INTERVAL):
            contents = self._alive()
            if contents is not None and not self._is_over.is_set():
                self.replace(contents)

    def replace(self, contents: bytes) -> None:
        """Replace the file in one step, or at least make it young; log the first of several failures."""
        try:
            self._write(contents)
        except OSError as error:
            self._make_young(error)
        else:
            self._is_broken = False

    def _write(self, contents: bytes) -> None:
        scratch = self._new_file(contents)
        try:
            scratch.replace(self._path)
        except OSError:
            _remove(scratch)
            raise

    def _new_file(self, contents: bytes) -> Path:
        scratch = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}.tmp")
        descriptor = os.open(scratch, NEW_FILE, 0o666)  # less the umask: the probe may be another user
        try:
            with open(descriptor, "wb") as file:
                file.write(contents)
        except OSError:
            _remove(scratch)
            raise
        return scratch

    def _make_young(self, error: OSError) -> None:
        try:
            os.utime(self._path, follow_symlinks=os.utime not in os.supports_follow_symlinks)
        except OSError:
            consequence = "it grows old, and probes that look at its age will fail"
        else:
            consequence = "only its time is set, which is enough for probes"
        if not self._is_broken:
            self._is_broken = True
            log.warning("the health file %s cannot be written (%r): %s", self._path, error, consequence)


def _locked(path: Path) -> int | None:
    """Lock the file at *path* for this process, and return it; ``None`` if no lock can be had there at all.

    The lock ends with the process, however that ends, and a child that it forks has none. The file stays.

    :raises OSError: another process has it.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError:  # the disk is full, or it is another user's: no reason not to run
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in HELD:
            raise OSError(errno.EBUSY, "a consumer of another process replaces it", str(path)) from error
        return None  # a file system without locks
    return descriptor


def _remove(scratch: Path) -> None:
    with suppress(OSError):  # the error that counts is that of the write
        scratch.unlink()

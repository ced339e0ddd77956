"""Real servers of PostgreSQL, MariaDB and Redis for tests, from Debian's packages; without them tests are skipped.

Each runs in a folder of its own, listens on the loopback only, and keeps nothing: their data is not synced to the disk.
In CI a server that is missing is an error.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kafka_parallel.testing.pytest_plugin import in_ci

# The longest that a server may take to come up or to end, in seconds.
PATIENCE = 60.0


@contextmanager
def postgres() -> Iterator[str]:
    """A server of PostgreSQL; the text is its URL."""
    initdb = program("initdb", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))))
    with folder() as place:
        user = {"user": "postgres"} if os.getuid() == 0 else {}  # it refuses to run as root
        if user:
            shutil.chown(place, "postgres")
        options = ["-D", place / "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        done = subprocess.run([initdb, *options], capture_output=True, text=True, check=False, cwd=place, **user)
        assert done.returncode == 0, done.stdout + done.stderr
        port = free_port()
        command = [
            Path(initdb).with_name("postgres"), "-D", place / "data", "-h", "127.0.0.1", "-p", port, "-k", "", "-F",
            "-c", "max_connections=200", "-c", "deadlock_timeout=100ms",
        ]  # fmt: skip
        with running(command, place, port, **user):
            import psycopg

            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            until_it_answers(lambda: psycopg.connect(url).close(), psycopg.OperationalError)
            yield url


@contextmanager
def mariadb() -> Iterator[str]:
    """A server of MariaDB with an empty database; the text is its URL."""
    install, server = program("mariadb-install-db"), program("mariadbd", "/usr/sbin")
    with folder() as place:
        data, user = f"--datadir={place / 'data'}", pwd.getpwuid(os.getuid()).pw_name
        options = ["--no-defaults", data, f"--user={user}", "--auth-root-authentication-method=normal"]
        options += [
            "--skip-test-db",
            f"--tmpdir={place}",
        ]  # in one that is shared, two servers delete each other's files
        done = subprocess.run([install, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        port = free_port()
        command = [
            server, "--no-defaults", data, f"--user={user}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--socket={place / 'socket'}", f"--pid-file={place / 'pid'}", "--skip-name-resolve",
            f"--tmpdir={place}", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
        ]  # fmt: skip
        with running(command, place, port):
            import pymysql

            def create() -> None:
                with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
                    connection.cursor().execute("CREATE DATABASE IF NOT EXISTS effects")

            until_it_answers(create, pymysql.err.OperationalError)
            yield f"mysql://root@127.0.0.1:{port}/effects"


@contextmanager
def redis_server() -> Iterator[int]:
    """A server of Redis; the number is its port."""
    server = program("redis-server")
    with folder() as place:
        port = free_port()
        with running([server, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", place], place, port):
            yield port


def program(name: str, *folders: str) -> str:
    """The path of the program *name*, which may be in one of *folders* too."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))
    if found is None:
        reason = f"{name} is not installed: make databases installs it on Debian and Ubuntu"
        pytest.fail(reason) if in_ci() else pytest.skip(reason)
    return found


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that other users may enter, as those of pytest may not."""
    place = Path(tempfile.mkdtemp(prefix="kp-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: Sequence[Any], place: Path, port: int, **options: Any) -> Iterator[None]:
    """Run the server *command* until the end; wait until it listens at *port*."""
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*map(str, command)], stdout=output, stderr=output, cwd=place, **options)
    try:
        until_it_answers(lambda: check(process, port, log), ConnectionError)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    assert process.poll() is None, log.read_text(errors="replace")
    socket.create_connection(("127.0.0.1", port), 1).close()


def until_it_answers(ask: Callable[[], None], failure: type[Exception]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except failure:
            assert time.monotonic() < deadline
            time.sleep(0.05)

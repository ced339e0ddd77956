"""How does Kafka run in a container, from the official image or one that takes the same settings.

The image turns ``KAFKA_*`` variables into the settings of the broker, formats its folder and starts it.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.faults import (
    LOG_TAIL_LINES,
    NotAvailableError,
    broker_failed,
    needs_extra,
    needs_posix,
    with_free_port,
)
from kafka_parallel.testing.guarded import Guarded
from kafka_parallel.testing.jars import kafka_version, read_lock
from kafka_parallel.testing.probe import wait_until_ready
from kafka_parallel.testing.server_config import HOST, cluster_id, free_ports, server_properties

__all__ = ()

IMAGE_VARIABLE = "KAFKA_PARALLEL_IMAGE"
DEFAULT_HOST = "unix:///var/run/docker.sock"
LABEL = "kafka-parallel"
DAEMON_TIMEOUT_S = 60

# The program that the guard runs when our process is gone. Removing a container that never came to be is no failure.
REMOVE = """\
import sys, docker
try:
    docker.from_env().containers.get(sys.argv[1]).remove(force=True, v=True)
except docker.errors.NotFound:
    pass
"""


class DockerBroker:
    """One Kafka node in a container that goes with this process. Methods may be called from any thread, one at a time.

    :param client: of the docker package; used only in the constructor.
    :param config: settings of the broker that are added or replaced.
    :param timeout_ms: how long the broker may take to get ready, in milliseconds.
    :raises BrokerError: it did not get ready; nothing is left of it.
    """

    def __init__(self, client: Any, image: str, config: Mapping[str, str], timeout_ms: int) -> None:
        port, controller_port = free_ports(2)
        self.bootstrap_servers: str = f"{HOST}:{port}"
        self._guard = Guarded()
        try:
            # The port is the same inside, because the broker also talks to itself at the address it tells clients. It
            # listens on all of the container's addresses; of the machine's, only the loopback one is published.
            settings = server_properties(port, controller_port, bind="", config=config)
            container = self._run(client, image, environment_of(settings), port)
            self._wait(container, timeout_ms)
        except BaseException:
            self._guard.close()
            raise

    def stop(self) -> None:
        """Remove the container; a second call does nothing."""
        self._guard.close()

    def _run(self, client: Any, image: str, environment: dict[str, str], port: int) -> Any:
        """Not with auto-remove: a container that ends too early would take its log along. The guard removes it."""
        name = f"kafka-parallel-{secrets.token_hex(6)}"
        self._guard.farewell([sys.executable, "-c", REMOVE, name])
        return client.containers.run(
            image, name=name, detach=True, environment=environment, ports={f"{port}/tcp": (HOST, port)}, labels=[LABEL]
        )

    def _wait(self, container: Any, timeout_ms: int) -> None:
        def check_alive() -> None:
            container.reload()
            if container.status not in {"created", "running"}:
                raise _error(f"the broker's container is {container.status!r} before it was ready", container)

        reason = wait_until_ready(self.bootstrap_servers, timeout_ms / 1000, check_alive)
        if reason is not None:
            raise _error(f"the broker's container was not ready in {timeout_ms} ms: {reason}", container)


def start_docker_broker(config: Mapping[str, str], timeout_ms: int, *, progress: bool) -> DockerBroker:
    """Start Kafka in a container; an image that is missing is pulled first, which *timeout_ms* does not count.

    :raises NotAvailableError: there is no docker package, no daemon that answers, or no image.
    :raises BrokerError: the broker did not get ready.
    """
    needs_posix()
    with _daemon() as client:
        from docker.errors import DockerException

        image = os.environ.get(IMAGE_VARIABLE) or f"apache/kafka:{kafka_version(read_lock())}"
        _make_sure_of(client, image, progress=progress)
        try:
            return with_free_port(lambda: DockerBroker(client, image, config, timeout_ms))
        except DockerException as error:
            raise BrokerError(f"docker could not run the image {image}: {error}") from error


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """The image's variables for *settings* of a broker, and for a JVM that starts fast."""
    return {
        "CLUSTER_ID": cluster_id(),
        "KAFKA_HEAP_OPTS": "-Xmx512m",
        "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        **{variable_of(name): value for name, value in settings.items()},
    }


def variable_of(setting: str) -> str:
    """The image's variable for a setting: the dot is an underscore, the underscore two, the dash three."""
    return "KAFKA_" + setting.replace("_", "__").replace("-", "___").replace(".", "_").upper()


@contextmanager
def _daemon() -> Iterator[Any]:
    with needs_extra("docker"):
        import docker
    _check_socket(os.environ.get("DOCKER_HOST") or DEFAULT_HOST)
    try:
        client = docker.from_env(timeout=DAEMON_TIMEOUT_S)
    except docker.errors.DockerException as error:
        raise NotAvailableError(f"no docker daemon answers: {error}") from error
    with closing(client):
        yield client


def _check_socket(host: str) -> None:
    """Without a daemon, the docker package says so too, but leaves an open socket behind."""
    scheme, _, path = host.partition("://")
    if scheme != "unix":
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            raise NotAvailableError(f"no docker daemon answers at {host}: {error}") from error


def _make_sure_of(client: Any, image: str, *, progress: bool) -> None:
    from docker.errors import DockerException, ImageNotFound
    from requests import RequestException

    try:
        client.images.get(image)
    except ImageNotFound:
        if progress:
            print(f"pulling the image {image}, once", file=sys.stderr)
        try:
            client.images.pull(image)
        except (DockerException, RequestException) as error:
            raise NotAvailableError(f"the image {image} is not here and cannot be pulled: {error}") from error


def _error(what: str, container: Any) -> BrokerError:
    return broker_failed(what, container.logs(tail=LOG_TAIL_LINES).decode(errors="replace"))

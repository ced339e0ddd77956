"""The HTTP server that Prometheus scrapes: the library's own, with our application before its."""

from __future__ import annotations

import errno
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import start_http_server

from kafka_parallel import ConfigurationError, PluginError
from kafka_parallel.plugin_support import class_name, get_logger, shown
from kafka_parallel_plugins.prometheus.exposition import application

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = get_logger("kafka_parallel_plugins.prometheus")

# The longest wait for the server's thread at the end, in seconds; it looks twice a second whether it is to end.
STOP_TIMEOUT = 2.0
# The registries that are served by this process, by port.
_serving: dict[int, CollectorRegistry] = {}
# The longest wait for bytes of a client, and for a client to take some, in seconds.
CLIENT_TIMEOUT = 5.0
# The most connections that are open at once: the library has a thread for each.
MOST_CONNECTIONS = 64


class _Connections:
    """Bounds the connections of *server*, of the standard library's kind, in number and in time.

    The oldest one makes room for the newest, so clients that are slow on purpose keep no scrape out.
    """

    def __init__(self, server: Any) -> None:
        self._open: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        self._begin, self._end, self._show_error = server.process_request, server.shutdown_request, server.handle_error
        server.process_request, server.shutdown_request, server.handle_error = self._began, self._ended, self._failed
        handler = server.RequestHandlerClass
        server.RequestHandlerClass = type(handler.__name__, (handler,), {"timeout": CLIENT_TIMEOUT})

    def hear_no_more(self) -> None:
        """End those that wait for a request; answers may still be sent."""
        with self._lock:
            found = list(self._open)
        for connection in found:
            _shut(connection, socket.SHUT_RD)

    def _began(self, connection: socket.socket, address: Any) -> None:
        oldest = None
        with self._lock:
            self._open[connection] = None
            if len(self._open) > MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
        if oldest is not None:
            _shut(oldest, socket.SHUT_RDWR)  # its thread closes it
        self._begin(connection, address)

    def _ended(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)
        self._end(connection)

    def _failed(self, connection: socket.socket, address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # then the client is gone or slow, which is not an error of ours
            self._show_error(connection, address)


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # the client, or its thread, was quicker
        connection.shutdown(how)


class MetricsServer:
    """Serves a registry from its making until `close`.

    :param host: the address to listen at.
    :param port: the port; 0 = any that is free.
    :ivar port: the port that it has.
    :raises ConfigurationError: it cannot listen there.
    :raises PluginError: the library failed.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
            self._connections = _Connections(self._server)
            self._server.set_app(application(registry, self._server.get_app()))
            self.port: int = self._server.server_port
        except OSError as error:
            raise ConfigurationError(
                f"plugin prometheus cannot listen at host={shown(host)}, port={port}: {error.strerror or error}; "
                f"{_hint(error, port, registry)}"
            ) from error
        except Exception as error:
            raise PluginError(
                f"prometheus_client could not serve at host={shown(host)}, port={port}: {class_name(error)}; "
                "install 'kafka-parallel[prometheus]', or leave port out and serve the registry yourself"
            ) from error
        _serving[self.port] = registry
        log.info("metrics are served at http://%s:%d/metrics", host, self.port)

    def close(self) -> None:
        """Stop listening, and wait up to `STOP_TIMEOUT` seconds; a scrape that is being answered may still end."""
        _serving.pop(self.port, None)
        self._server.shutdown()
        self._server.server_close()
        self._connections.hear_no_more()
        self._thread.join(STOP_TIMEOUT)


def _hint(error: OSError, port: int, registry: CollectorRegistry) -> str:
    """Say what to write instead."""
    if error.errno != errno.EADDRINUSE:
        return "host must be an address of this machine, and port one that this user may open"
    if port not in _serving:
        return "another program listens there: set a free port, or leave port out and serve the registry yourself"
    if _serving[port] is registry:
        return "another consumer of this process serves it, and its scrape has the metrics of both: leave port out here"
    return "another consumer of this process serves it, and the two have a registry each: set another port"

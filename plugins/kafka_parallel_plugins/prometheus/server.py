"""The HTTP server that Prometheus scrapes: the library's own, with our application before its."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from kafka_parallel import ConfigurationError, PluginError
from kafka_parallel.plugin_support import get_logger, shown
from kafka_parallel_plugins.prometheus.exposition import application

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = get_logger("kafka_parallel_plugins.prometheus")

# The longest wait for the server's thread at the end, in seconds; it looks twice a second whether it is to end.
STOP_TIMEOUT = 2.0


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
            self._server.set_app(application(registry, self._server.get_app()))
            self.port: int = self._server.server_port
        except OSError as error:
            raise ConfigurationError(
                f"plugin prometheus cannot listen at host={shown(host)}, port={port}: {error.strerror or error}; set "
                "a free port and an address of this machine, or leave port out and serve the registry yourself"
            ) from error
        except Exception as error:
            raise PluginError(
                f"prometheus_client could not serve at host={shown(host)}, port={port}: {type(error).__name__}; "
                "install 'kafka-parallel[prometheus]', or leave port out and serve the registry yourself"
            ) from error
        log.info("metrics are served at http://%s:%d/metrics", host, self.port)

    def close(self) -> None:
        """Stop listening. A scrape that is being answered may still end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(STOP_TIMEOUT)

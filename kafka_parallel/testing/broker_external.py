"""Does the broker that the environment names answer.

It was started elsewhere, and is stopped there: a broker in a compose file, or the service of a CI job.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.faults import NotAvailableError
from kafka_parallel.testing.probe import wait_until_ready

__all__ = ()

SERVERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"


@dataclass(frozen=True)
class ExternalBroker:
    """A broker that is not ours.

    :ivar bootstrap_servers: one or more ``host:port``, with commas between them.
    """

    bootstrap_servers: str

    def stop(self) -> None:
        """Do nothing: the external broker keeps running."""


def start_external_broker(config: Mapping[str, str], timeout_ms: int) -> ExternalBroker:
    """The broker that ``KAFKA_BOOTSTRAP_SERVERS`` names, once it answers.

    :param config: must be empty: the broker runs already.
    :param timeout_ms: how long it may take to answer, in milliseconds.
    :raises NotAvailableError: the variable is not set.
    :raises BrokerError: no Kafka broker answers there, or there are settings.
    """
    servers = os.environ.get(SERVERS_VARIABLE)
    if not servers:
        raise NotAvailableError(f"{SERVERS_VARIABLE} is not set; set it to the host:port of a running broker")
    if config:
        raise BrokerError(
            f"the settings {sorted(config)} cannot be given to the running broker {SERVERS_VARIABLE}={servers}; "
            "drop them, or unset the variable"
        )
    reason = wait_until_ready(servers, timeout_ms / 1000)
    if reason is not None:
        raise BrokerError(
            f"no broker answered at {SERVERS_VARIABLE}={servers} in {timeout_ms} ms: {reason}; "
            "start it, or unset the variable"
        )
    return ExternalBroker(servers)

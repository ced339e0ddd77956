"""Fixtures for tests that need a real Kafka: ``kafka_broker`` and ``topic``.

Loaded by pytest in every project where kafka-parallel is installed, so nothing is imported before a test asks for it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kafka_parallel.testing.broker import Broker


__all__ = ["kafka_broker", "topic"]

# How long a broker may take to get ready for tests, in milliseconds: on a busy machine 60 s have not been enough.
READY_WITHIN_MS = 180_000


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """A Kafka broker for all tests of the session.

    If there is none, the tests are skipped with the reason; with ``CI`` in the environment they fail. A broker that is
    there and does not work is a failure everywhere.
    """
    with broker_or_skip() as broker:
        yield broker


@pytest.fixture
def topic(kafka_broker: Broker, request: pytest.FixtureRequest) -> Callable[..., str]:
    """A function that creates a topic no other test uses and hands back its name: ``topic(partitions, config=...)``.

    Its arguments are those of :meth:`kafka_parallel.testing.broker.Broker.create_topic` after the name.
    """

    def create(partitions: int = 1, **options: dict[str, str]) -> str:
        name = topic_name(request.node.name)
        kafka_broker.create_topic(name, partitions, **options)
        return name

    return create


def broker_or_skip(kind: str | None = None, config: Mapping[str, str] = MappingProxyType({})) -> Broker:
    """Start a broker for tests, as the fixture does it.

    :param kind: as for :func:`kafka_parallel.testing.broker.start_broker`.
    :param config: likewise.
    :raises NotAvailableError: none is available, and this is CI; elsewhere the test is skipped.
    :raises BrokerError: the broker failed.
    """
    from kafka_parallel.testing.broker import start_broker
    from kafka_parallel.testing.faults import NotAvailableError

    try:
        return start_broker(kind=kind, timeout_ms=READY_WITHIN_MS, config=config)
    except NotAvailableError as error:
        if in_ci():
            raise
        pytest.skip(f"no Kafka broker: {error}")


def in_ci() -> bool:
    """Tell whether a skip would go unnoticed here."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def topic_name(test: str) -> str:
    """A topic name that says which test it is from, and is new."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", test)[:200]
    return f"{readable}-{secrets.token_hex(4)}"

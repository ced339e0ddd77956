"""A start that is refused, before another one on the same consumer: it must leave the consumer as it was."""

from __future__ import annotations

from typing import Any

from kafka_parallel import hookimpl
from kafka_parallel._options import Options
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.loop.assembly import Parts
from kafka_parallel._runtime.loop.engine import Engine
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.errors import PluginError
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.kinds import built_in
from kafka_parallel.testing.simulation.process import Process


class Refusing:
    """A plugin that refuses the start, after everything was taken over."""

    @hookimpl
    def on_start(self) -> None:
        """Refuse."""
        raise PluginError("on purpose")


class Refusal:
    """One refused start of the instance *name*."""

    def __init__(self, checker: Checker, name: str) -> None:
        self._checker = checker
        self._name = name

    def happen(self, consumer: Any, process: Process) -> None:
        """Try to start, and compare *consumer* before and after."""
        before = seen_of(consumer)
        parts = Parts(
            Client(consumer),
            Plugins([built_in("thread-pool")(), Refusing()], {NO_AUTOLOAD_VARIABLE: "1"}),
            Options(revoke_timeout_ms=100),
            Shutdown(1.0, process.monotonic),
            lambda _: None,
            process,
        )
        try:
            Engine(parts).run_until_over()
        except PluginError:
            pass
        else:
            self._checker.violate(f"a start of {self._name} was not refused")
        if (after := seen_of(consumer)) != before:
            self._checker.violate(f"a refused start of {self._name} left {after} of {before}")


def seen_of(consumer: Any) -> dict[str, Any]:
    """The attributes of *consumer* that show that it was taken over."""
    configs = (consumer.config, consumer._coordinator.config, consumer._fetcher.config)  # noqa: SLF001
    return {
        "class": type(consumer),
        "attributes": set(vars(consumer)),
        "auto-commit": [config["enable_auto_commit"] for config in configs],
        "deserialisers": [config["value_deserializer"] for config in configs],
        "listener": consumer._subscription.rebalance_listener,  # noqa: SLF001
        "subscription": consumer.subscription(),
        "assignment": consumer.assignment(),
        "paused": consumer.paused(),
        "is closed": consumer.is_closed,
    }

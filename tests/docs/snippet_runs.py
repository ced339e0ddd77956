"""How a snippet of the documentation is run: by the function it defines."""

from __future__ import annotations

import inspect
import threading
import time
from typing import Any

import kafka

from tests.integration.kafka_app import produce, wait_for


def run(code: str, broker: Any, topic: Any) -> None:
    """Run *code*, then a function that it defines, if there is one: ``main``, ``build`` or a test."""
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(code, "snippet", "exec"), names)
    if "main" in names and inspect.signature(names["main"]).parameters:
        assert len(names["main"](broker.bootstrap_servers)) >= 100
    elif "main" in names:
        _run_main(names, broker)
    elif "build" in names:
        assert [*inspect.signature(names["build"]).parameters] == ["consumer"]
        consumer = kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
        assert names["build"](consumer) is not None
        consumer.close()
    elif test := next((found for name, found in names.items() if name.startswith("test_")), None):
        fixtures = {"kafka_broker": broker, "topic": topic}
        test(**{name: fixtures[name] for name in inspect.signature(test).parameters})


def _run_main(names: dict[str, Any], broker: Any) -> None:
    """Run a main() that consumes "orders" for ever, against this broker, until it has handled a record."""
    seen, built = [], []
    original, parallel = names["KafkaConsumer"], names["ParallelConsumer"]

    def consumer(*topics: str, **config: Any) -> Any:
        return original(*topics, **{**config, "bootstrap_servers": broker.bootstrap_servers,
                                    "group_id": f"docs-{time.time_ns()}", "auto_offset_reset": "earliest"})  # fmt: skip

    def building(*args: Any, **options: Any) -> Any:
        built.append(parallel(*args, **options))
        return built[-1]

    def handled() -> bool:
        return bool(built) and built[0].state == "running" and built[0].statistics().processed >= 3

    produce(broker.bootstrap_servers, "orders", 3)
    names.update(KafkaConsumer=consumer, ParallelConsumer=building, print=lambda *args: seen.append(args))
    thread = threading.Thread(target=names["main"], daemon=True)
    thread.start()
    wait_for(lambda: len(seen) >= 3 or handled(), "the snippet to handle records")
    built[0].stop()
    thread.join(30)
    assert not thread.is_alive()

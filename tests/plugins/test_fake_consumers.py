"""A plugin that writes to a cluster looks for none on the network beside a ``FakeConsumer``."""

from __future__ import annotations

from functools import partial

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel.testing import FakeProducer
from tests.runtime.app import App


@pytest.mark.parametrize(
    ("name", "settings"), [("dlq", {}), ("retry-topics", {"delays_ms": [1]})], ids=["dlq", "retry-topics"]
)
class TestAPluginThatWrites:
    def test_is_refused_with_a_real_producer(self, name, settings):
        error = App(1).run(plugins=[(name, settings)], ordering="unordered")

        assert isinstance(error, ConfigurationError)
        assert str(error) == (
            f"plugin {name} would write to a real cluster, and the consumer is a FakeConsumer: give the plugin "
            "make_producer=functools.partial(FakeProducer, cluster=cluster)"
        )

    def test_writes_with_a_fake_one(self, name, settings):
        app = App(1)
        for topic in ("t-dlq", "t-g-retry-0"):
            app.cluster.create_topic(topic)
        make_producer = partial(FakeProducer, cluster=app.cluster)

        error = app.run(plugins=[(name, {**settings, "make_producer": make_producer})], ordering="unordered")

        assert error is None
        assert app.handled == [0]

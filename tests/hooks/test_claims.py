"""A plugin object that serves one run is in one at a time."""

from __future__ import annotations

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel._plugins.claims import Claims
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel_plugins.retry_topics import RetryTopics


def test_retry_topics_of_another_run_keep_their_topics():
    """Kind: the plugin is asked for its topics before it is told of the start, and had those of the second run."""
    plugins = Plugins([RetryTopics(delays_ms=[1])], {NO_AUTOLOAD_VARIABLE: "1"})
    first, second = Claims(plugins), Claims(plugins)
    first.take()

    with pytest.raises(ConfigurationError, match="RetryTopics is in another run"):
        second.take()
    second.release()
    with pytest.raises(ConfigurationError, match="RetryTopics is in another run"):
        second.take()
    first.release()
    second.take()
    second.release()

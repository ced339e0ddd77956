"""The parts of `kafka_parallel.testing.PluginContract`."""

"""The test modules of `kafka_parallel/_runtime/handlers`."""

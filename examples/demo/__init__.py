"""A demonstration of kafka-parallel on a real Kafka: run it with ``make demo``."""

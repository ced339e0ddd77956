"""What kafka-parallel does, shown on a real Kafka: run it with ``make demo``."""

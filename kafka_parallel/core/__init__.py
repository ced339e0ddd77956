"""Pure decisions: no I/O, no thread, no clock, no Kafka. Time is an argument."""

"""Kills consumers and counts what is handled again: kafka-parallel beside Confluent's Parallel Consumer."""

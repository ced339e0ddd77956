"""The client of the loop and of kafka-parallel alike: kafka-python's."""

from __future__ import annotations

from kafka import KafkaConsumer

from benchmarks.delays.programs.setup import Setup


def consumer(setup: Setup) -> KafkaConsumer:
    """A consumer that commits by itself, as most have it."""
    config = setup.client()
    if setup.is_cooperative:
        from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

        config["partition_assignment_strategy"] = [CooperativeStickyAssignor]
    return KafkaConsumer(*setup.topics, **config)

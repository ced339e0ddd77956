"""Bugs about groups beside each other, which share nothing but the topics that both read."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "name retry topics after one group, whatever that of the consumer is",
        where="kafka_parallel_plugins.retry_topics:_topic",
        old="name.format(topic=topic, number=number, group=group)",
        new='name.format(topic=topic, number=number, group="group")',
    ),
]

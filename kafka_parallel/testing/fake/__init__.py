"""A Kafka without Kafka: cluster, consumer, producer and clock, for tests that must be fast and exact."""

from kafka_parallel.testing.fake.clock import ManualClock, ThreadClock, Timeline
from kafka_parallel.testing.fake.cluster import FakeCluster
from kafka_parallel.testing.fake.consumer import FakeConsumer
from kafka_parallel.testing.fake.producer import FakeProducer

__all__ = ["FakeCluster", "FakeConsumer", "FakeProducer", "ManualClock", "ThreadClock", "Timeline"]

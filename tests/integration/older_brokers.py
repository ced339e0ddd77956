"""The differences of the brokers of ``make older-brokers``."""

from __future__ import annotations

import os

from kafka_parallel.testing.jars import VERSION_VARIABLE

# Kafka 2.8 keeps its metadata in a ZooKeeper: one more process with a folder and a port.
HAS_ZOOKEEPER = os.environ.get(VERSION_VARIABLE, "").startswith("2.")
AUTHORIZER = (
    "kafka.security.authorizer.AclAuthorizer"
    if HAS_ZOOKEEPER
    else "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
)

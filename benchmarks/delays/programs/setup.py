"""The order for one consumer: plain data, so that it can be handed to any program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setup:
    """One consumer.

    :ivar log: the file that it notes its handlers' starts in; see `benchmarks.delays.programs.notes`.
    :ivar config: settings of the client beside those that all have.
    :ivar is_cooperative: whether its group gives partitions away one by one.
    :ivar workers: how many handlers may run at once, where that can be set.
    """

    bootstrap_servers: str
    topics: tuple[str, ...]
    group: str
    log: str
    config: dict[str, Any] = field(default_factory=dict)
    is_cooperative: bool = False
    workers: int = 16

    def client(self) -> dict[str, Any]:
        """The settings that kafka-python and aiokafka share."""
        shared = {"bootstrap_servers": self.bootstrap_servers, "group_id": self.group, "auto_offset_reset": "earliest"}
        return {**shared, **self.config}

    def to_json(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Setup:
        """Read the output of `to_json`."""
        found = json.loads(text)
        return cls(**{**found, "topics": tuple(found["topics"])})

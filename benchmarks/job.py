"""The order for one measurement: plain data, so that it can be handed to any program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from benchmarks.workloads import Kind


@dataclass(frozen=True)
class Job:
    """One measurement of one runner.

    :ivar kind: the behaviour of the handler; see `Workload`.
    :ivar records: how many records to handle before the clock stops.
    :ivar workers: how many handlers may run at once.
    :ivar group: a consumer group that was never used before.
    """

    kind: Kind
    records: int
    workers: int
    bootstrap_servers: str
    topic: str
    group: str

    def to_json(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read the output of `to_json`."""
        return cls(**json.loads(text))

"""The bounds on handlers: how many run at once, how often one begins, and which records are a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from kafka_parallel.testing.simulation.calls import place_of
from kafka_parallel.testing.simulation.holdings import Holdings, size_of

# The seconds by which the start of a batch may be late.
PUNCTUALLY = 0.25
# Within how many seconds a request to stop must be noticed.
PROMPTLY = 1.0


class HandlerBounds:
    """The bounds on the handlers of all instances.

    :param lane_of: the ordering key of a record; ``None`` = it needs no order.
    :param holdings: knows when a record was fetched.
    :param violate: is called with what is wrong.
    """

    def __init__(
        self, lane_of: Callable[[Any], Hashable | None], holdings: Holdings, violate: Callable[[str], object]
    ) -> None:
        self._lane_of = lane_of
        self._holdings = holdings
        self._violate = violate
        self._begun: dict[Hashable, list[float]] = defaultdict(list)

    def paced(
        self,
        instance: str,
        record: Any,
        now: float,
        *,
        records_per_second: float | None,
        per_key_per_second: float | None,
        burst: int,
    ) -> None:
        """Note that a handler began *now*: within no time may more have begun than the rates allow."""
        partition, lane = place_of(record)[0], self._lane_of(record)
        rates: dict[Hashable, float | None] = {(instance,): records_per_second}
        if lane is not None:
            rates[instance, partition, lane] = per_key_per_second
        for place, rate in rates.items():
            begun = self._begun[place]
            begun.append(now)
            for count, since in enumerate(reversed(begun), 1):
                if rate is not None and count > burst + rate * (now - since) + 1e-6:
                    self._violate(f"{count} records of {place} began in {now - since:.3f} s, at a rate of {rate}")

    def runs(self, instance: str, handlers: int, most: int) -> None:
        """Note how many handlers of *instance* run at once."""
        if handlers > most:
            self._violate(f"{instance} runs {handlers} handlers at once, more than {most}")

    def retries(self, instance: str, running: int, most: int) -> None:
        """Note how many retries of *instance* run at once."""
        if running > most:
            self._violate(f"{instance} runs {running} retries at once, more than {most}")

    def batched(self, records: Sequence[Any], batch: Mapping[str, Any]) -> None:
        """Note that a handler got *records* together, which *batch* must allow."""
        lanes = {(record.partition, self._lane_of(record)) for record in records}
        together = {"key": len(lanes), "partition": len({partition for partition, _ in lanes}), "mixed": 1}[batch["of"]]
        if together > 1 or not 0 < len(records) <= batch["max_records"]:
            self._violate(f"{len(records)} records of {lanes} are a batch, in spite of {batch}")
        size = sum(map(size_of, records))
        if len(records) > 1 and size > batch["max_bytes"]:
            self._violate(f"{len(records)} records of {size} bytes are a batch, in spite of {batch}")

    def waited(self, instance: str, record: Any, now: float, since: float, longest: float, stops_at: float) -> None:
        """Note that a record is in a batch *now*; since *since* it waits for nothing but company, until *stops_at*."""
        due = min(self._holdings.fetched_at(instance, place_of(record)) + longest, stops_at + PROMPTLY)
        late = now - max(since, due)
        if late > PUNCTUALLY:
            self._violate(f"{place_of(record)} waited {late:.3f} s longer for company than it may")

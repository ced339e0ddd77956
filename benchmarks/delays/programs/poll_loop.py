"""kafka-python alone: poll, handle one by one, and let the client commit."""

from __future__ import annotations

import threading

from benchmarks.delays.programs.ending import at_end_of_input
from benchmarks.delays.programs.handlers import function
from benchmarks.delays.programs.kafka_python import consumer
from benchmarks.delays.programs.notes import Notes
from benchmarks.delays.programs.setup import Setup

# No longer than leaving the group may take.
POLL_MS = 200


def run(setup: Setup) -> None:
    """Consume until the input ends."""
    client, handle, ended = consumer(setup), function(Notes(setup.log)), threading.Event()
    at_end_of_input(ended.set)
    while not ended.is_set():
        for records in client.poll(timeout_ms=POLL_MS).values():
            for record in records:
                handle(record)
    client.close()

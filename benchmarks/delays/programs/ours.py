"""kafka-parallel as it is installed, with handlers on threads or on an event loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.delays.programs.ending import at_end_of_input
from benchmarks.delays.programs.handlers import coroutine, function
from benchmarks.delays.programs.kafka_python import consumer
from benchmarks.delays.programs.notes import Notes
from benchmarks.delays.programs.setup import Setup
from kafka_parallel import ParallelConsumer


def _run(setup: Setup, *, make: Callable[[Notes], Callable[[Any], Any]]) -> None:
    parallel = ParallelConsumer(consumer(setup), workers=setup.workers)
    at_end_of_input(parallel.stop)
    parallel.run(make(Notes(setup.log)))


run = partial(_run, make=function)
run_asyncio = partial(_run, make=coroutine)

"""kafka-parallel on threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.job import Job
from benchmarks.runners.handlers import handler
from benchmarks.runners.ours import clients_decoder, compiled_decoder, measure, three_plugins
from benchmarks.runners.stopwatch import Stopwatch


def _timed(job: Job, watch: Stopwatch) -> Callable[[Any], Any]:
    return watch.timing(handler(job))


run = partial(measure, timed_handler=_timed)
run_by_key = partial(measure, timed_handler=_timed, ordering="key")
run_with_plugins = partial(measure, timed_handler=_timed, plugins=three_plugins)
run_with_compiled_decoder = partial(measure, timed_handler=_timed, plugins=compiled_decoder)
run_with_clients_decoder = partial(measure, timed_handler=_timed, plugins=clients_decoder)

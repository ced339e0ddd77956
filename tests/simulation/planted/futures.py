"""Bugs of handlers on an executor of the application: the end of a future, and the end of the executor."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "decide about the records of a broken executor before its workers are gone",
        where="kafka_parallel_plugins.futures.executor_source:ExecutorSource.replace",
        old="self._shut_down(broken, waits=True)",
        new="self._shut_down(broken, waits=False)",
        executor="futures",
    ),
    Bug(
        "shut down an executor that the application has given",
        where="kafka_parallel_plugins.futures.executor_source:ExecutorSource.close",
        old="self._make is not None and self._executor is not None",
        new="self._executor is not None",
        executor="futures",
    ),
    Bug(
        "take the record of a lost worker for one that is handled",
        where="kafka_parallel_plugins.futures.waiting_threads:WaitingThreads._report",
        old="Report(place, 0, death)",
        new="Report(place, 1)",
        executor="futures",
    ),
]

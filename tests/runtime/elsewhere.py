"""An executor that runs handlers by the code of a pool's process, with all that is pickled, in this process."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from types import SimpleNamespace

from kafka_parallel import hookimpl
from kafka_parallel_plugins.process_pool.child import BatchRunner, Runner
from kafka_parallel_plugins.process_pool.sent_units import SentUnits


class Elsewhere:
    """One thread that sends its tasks to the real code of a child."""

    @hookimpl
    def provide_executor(self, settings):
        return self

    def bind(self, program):
        self._program = program

    def start(self, work):
        self._thread = threading.Thread(target=self._pull, args=(work,), daemon=True)
        self._thread.start()

    def join(self, timeout_ms):
        self._thread.join(timeout_ms / 1000)
        return not self._thread.is_alive()

    def call(self, record):
        """Run one record, or a list of them, and return the handler's value or raise its error."""
        result = None
        for reports, pickled in self._sent([record if isinstance(record, list) else [record]], wants_result=True):
            result = pickled
            for report in reports:
                if report.error is not None:
                    raise report.error
        return None if result is None else pickle.loads(result)

    def _pull(self, work):
        try:
            while (chunk := work.next_chunk(3)) is not None:
                if not (self._program.is_surrounded or self._program.is_batch):
                    work.run_remote(chunk, self._exchange)
                    continue
                for task in chunk:
                    work.run(chunk, task)
                work.finish(chunk)
        except BaseException as error:
            work.fail(error)

    def _exchange(self, records, wants):
        for reports, _ in self._sent(records, wants_result=False):
            yield reports

    def _sent(self, records, *, wants_result):
        """A child's messages about *records*, each with the result in it."""
        handler, prepare = pickle.loads(self._program.payload)
        said, batch = [], SentUnits(records)
        kind = BatchRunner if self._program.is_batch else Runner
        units = pickle.loads(pickle.dumps([[tuple(record) for record in unit] for unit in records]))
        runner = kind(handler, prepare, deque(), SimpleNamespace(value=0), SimpleNamespace(send_bytes=said.append))
        runner.run_units(1, units, wants_result=wants_result)
        news = [pickle.loads(message) for message in said]
        return [(batch.done(progress.done), progress.result) for progress in news]

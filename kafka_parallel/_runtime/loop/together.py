"""How several runs of one process begin and end together: one request stops all, and so does the first error.

Each run has a thread of its own; the caller's thread only waits, so that it can answer signals. A run that ends well,
because its consumer has been idle for long enough say, ends alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger
from kafka_parallel.errors import FATAL

if TYPE_CHECKING:
    from kafka_parallel._runtime.loop.explain_signal import ExplainSignal
    from kafka_parallel._runtime.loop.shutdown import Shutdown

log = area_logger("run")

# The interval at which the waiting thread looks for signals, in seconds: on some systems they do not end a wait.
LOOK_EVERY = 0.2


@dataclass(frozen=True, eq=False)
class BegunRun:
    """One of the runs; nothing of it has begun.

    :ivar run_until_over: does it; may raise.
    :ivar cancel: called in the place of ``run_until_over`` if there is nothing to begin any more.
    :ivar shutdown: stops it.
    :ivar explain_signal: to be entered on the thread that answers signals.
    :ivar consumer: the KafkaConsumer that it reads.
    :ivar name: the topics of that, for the log.
    :ivar installs_signal_handlers: whether SIGTERM and SIGINT stop it.
    """

    run_until_over: Callable[[], None]
    cancel: Callable[[], None]
    shutdown: Shutdown
    explain_signal: ExplainSignal
    consumer: object
    name: str
    installs_signal_handlers: bool


# see docs/decisions/0089-runs-end-together.md
class Together:
    """Runs *runs* until each has ended."""

    def __init__(self, runs: Sequence[BegunRun]) -> None:
        self._runs = [*runs]
        self._unstarted = [*runs]  # those without a thread
        self._lock = threading.Lock()  # guards the three below
        self._unbegun = [*runs]  # those that may still be cancelled
        self._unended = [*runs]
        self._error: BaseException | None = None
        self._have_ended = threading.Event()

    def run_until_over(self) -> None:
        """Begin all, and wait until each has left in good order; raise the first error.

        An error that is raised here meanwhile, Ctrl-C without a signal handler say, counts as a signal does: the first
        one stops all, the second one abandons the running records.
        """
        interruption: BaseException | None = None
        while interruption is not None or not self._have_ended.is_set():
            try:
                if interruption is not None:
                    self._stop_by(interruption)
                    interruption = None
                self._start_all()
                self._wait()
            except BaseException as error:  # noqa: BLE001 - raised below, when all have ended
                interruption = error
        if self._error is not None:
            raise self._error

    def signalled(self, requested_by: str) -> None:
        """Ask all to stop; the second time, not to wait for anything any more."""
        for run in self._runs:
            run.shutdown.signalled(requested_by)

    def _stop_by(self, error: BaseException) -> None:
        if not self._is_raised(error):
            log.error("an error on the thread of run_all(), which raises the one before it", exc_info=error)
        self.signalled(type(error).__name__)
        for run in self._runs:
            if self._take(run):
                run.cancel()
                self._end(run)

    def _start_all(self) -> None:
        while self._unstarted:
            run = self._unstarted.pop(0)
            threading.Thread(target=self._run, args=(run,), name="kafka-parallel-loop").start()

    def _wait(self) -> None:
        while not self._have_ended.wait(LOOK_EVERY):
            pass

    # The threads of the runs

    def _run(self, run: BegunRun) -> None:
        if not self._take(run):
            return
        try:
            run.run_until_over()
        except BaseException as error:
            self._is_raised(error)
            for other in self._runs:
                other.shutdown.request(requested_by=f"an error in the run of {run.name}")
            log.exception("the run of %s has failed, and all that run_all() runs stop", run.name)
        finally:
            self._end(run)

    def _take(self, run: BegunRun) -> bool:
        """Tell whether *run* is the caller's to begin or to cancel."""
        with self._lock:
            is_unbegun = run in self._unbegun
            if is_unbegun:
                self._unbegun.remove(run)
            return is_unbegun

    def _end(self, run: BegunRun) -> None:
        with self._lock:
            self._unended.remove(run)
            if not self._unended:
                self._have_ended.set()

    def _is_raised(self, error: BaseException) -> bool:
        """Keep *error* to be raised if it is the first, or the first that must not be caught; tell whether it was."""
        with self._lock:
            before = self._error
            is_raised = before is None or (isinstance(error, FATAL) and not isinstance(before, FATAL))
            if is_raised:
                self._error = error
            return is_raised

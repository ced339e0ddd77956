"""The code that runs inside a process of the pool.

The main thread runs handlers; it gets units from one pipe and answers on it. A second thread watches another pipe: it
hands back units that were not begun when the parent asks for them, because the main thread is stuck in a long one, and
it ends the process at once when the parent is gone. As little as possible is imported: each process has to wait for it.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from time import perf_counter
from typing import TYPE_CHECKING, Any

from kafka_parallel_plugins.process_pool.messages import END, READY, Done, Progress, number_of
from kafka_parallel_plugins.sent_errors import Raised, pickled_result, raised

if TYPE_CHECKING:
    from kafka_parallel.values import Stage

__all__ = ()

# The time for which outcomes may be kept back, in seconds: others may wait for them.
REPORT_EVERY = 0.005


def main(
    work: Connection,
    control: Connection,
    stacks: Connection,
    begun: Any,
    payload: bytes,
    *,
    is_batch: bool,
    is_timed: bool,
) -> None:
    """Run the units that arrive until the parent says it is over.

    :param work: units come from it, and reports go to it.
    :param control: the parent asks for units on it; its end is the parent's end.
    :param stacks: `faulthandler` writes to it.
    :param begun: the shared number that tells which record was begun.
    :param payload: the pickled handler, and the function that makes a record of its fields.
    :param is_batch: whether the handler gets all records of a unit at once.
    :param is_timed: whether reports say how long single records took.
    """
    _leave_signals_to_parent()
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=lambda: _start_anew((work, control, stacks)))
    _write_stacks_to(stacks)
    try:
        handler, prepare = pickle.loads(payload)  # noqa: S301 - the parent's, through its own pipe
    except BaseException:  # noqa: BLE001 - told to the parent, which stops the consumer with it
        work.send_bytes(traceback.format_exc().encode())
        return
    units: deque[tuple[int, list[Any]]] = deque()
    threading.Thread(target=_watch, args=(control, units), name="kafka-parallel-watch", daemon=True).start()
    work.send_bytes(READY)
    kind = BatchRunner if is_batch else TimedRunner if is_timed else Runner
    runner = kind(handler, prepare, units, begun, work)
    while (message := _next(work)) != END:
        number, sent, wants_result = pickle.loads(message)  # noqa: S301 - the parent's, through its own pipe
        runner.run_units(number, sent, wants_result=wants_result)


def _next(work: Connection) -> bytes:
    try:
        return work.recv_bytes()
    except (EOFError, OSError):  # the parent is gone
        return END


def _leave_signals_to_parent() -> None:
    """Ignore the signals that a terminal and a service manager send to every process: the parent answers them.

    With a function instead of ``SIG_IGN``, which programs that a handler starts would inherit. A signal that the parent
    itself was started to ignore stays so.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


def _start_anew(connections: Iterable[Connection]) -> None:
    """Undo our settings in a process that a handler has forked: it answers its own signals and reports nothing."""
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, default)
    faulthandler.unregister(signal.SIGUSR1)
    faulthandler.disable()
    for connection in connections:
        connection.close()


def _write_stacks_to(stacks: Connection) -> None:
    faulthandler.enable(stacks.fileno())
    if hasattr(faulthandler, "register"):  # not on Windows
        faulthandler.register(signal.SIGUSR1, stacks.fileno(), all_threads=True)


def _watch(control: Connection, units: deque[tuple[int, list[Any]]]) -> None:
    """Give back unbegun units on request. The parent sends nothing to run before it has the answer."""
    while True:
        try:
            control.recv_bytes()
            control.send_bytes(pickle.dumps(_take_all(units)))
        except (EOFError, OSError):
            os._exit(1)  # the parent is gone: no one waits for the running record


def _take_all(units: deque[tuple[int, list[Any]]]) -> list[int]:
    unbegun: list[int] = []
    while True:
        try:
            unbegun.append(units.pop()[0])
        except IndexError:
            return unbegun[::-1]


# see docs/decisions/0034-shared-progress.md
# see docs/decisions/0035-units-come-back.md
class Runner:
    """Runs units, and reports."""

    def __init__(
        self,
        handler: Callable[[Any], Any],
        prepare: Callable[[tuple[Any, ...]], Any],
        units: deque[tuple[int, list[Any]]],
        begun: Any,
        work: Connection,
    ) -> None:
        self._handler = handler
        self._prepare = prepare
        self._units = units
        self._begun = begun
        self._work = work
        self._done: list[Done] = []
        self._since = 0.0
        self._result: bytes | None = None

    def run_units(self, message: int, units: list[list[Any]], *, wants_result: bool) -> None:
        """Run *units*; report the outcomes that were not reported yet."""
        self._since = perf_counter()
        self._units.extend(enumerate(units))
        while True:
            try:
                place, records = self._units.popleft()
            except IndexError:
                break
            self._run_unit(place, records, number_of(message, place), wants_result=wants_result)
        if self._done:
            self._report()

    def _run_unit(self, place: int, records: list[Any], number: int, *, wants_result: bool) -> None:
        """Run records until one fails. A failure is reported at once, and so is a record that took long."""
        reported = 0
        for returned, fields in enumerate(records):
            self._begun.value = number + returned
            failure, result = self._attempt(self._prepare, fields)
            if failure is not None:
                self._note(place, returned - reported, failure)
                return self._report()
            self._begun.value = number + returned + 1
            if wants_result:
                self._result = pickled_result(result)
            if perf_counter() - self._since >= REPORT_EVERY:
                self._note(place, returned + 1 - reported)
                reported = returned + 1
                self._report()
        if reported < len(records):
            self._note(place, len(records) - reported)
        return None

    def _note(self, place: int, returned: int, failure: Raised | None = None) -> None:
        self._done.append(Done(place, returned, failure))

    def _attempt(self, prepare: Callable[[Any], Any], fields: Any) -> tuple[Raised | None, Any]:
        stage: Stage = "prepare"
        try:
            record = prepare(fields)
            stage = "handle"
            return None, self._handler(record)
        except BaseException as error:  # noqa: BLE001 - the parent decides what it means
            return raised(stage, error), None

    def _report(self) -> None:
        now = perf_counter()
        self._work.send_bytes(pickle.dumps(Progress(self._done, now - self._since, self._result)))
        self._done, self._since, self._result = [], now, None


class TimedRunner(Runner):
    """Also tells how long each record took, with making it: reports come too late for the parent to know."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._durations_ms: list[float] = []

    def _attempt(self, prepare: Callable[[Any], Any], fields: Any) -> tuple[Raised | None, Any]:
        began = perf_counter()
        outcome = super()._attempt(prepare, fields)
        self._durations_ms.append((perf_counter() - began) * 1000)
        return outcome

    def _note(self, place: int, returned: int, failure: Raised | None = None) -> None:
        self._done.append(Done(place, returned, failure, self._durations_ms))
        self._durations_ms = []


class BatchRunner(Runner):
    """Runs each unit with one call: it succeeds or fails as a whole, and the parent decides the consequence."""

    def _run_unit(self, place: int, records: list[Any], number: int, *, wants_result: bool) -> None:
        self._begun.value = number
        failure, result = self._attempt(self._prepare_all, records)
        if wants_result:
            self._result = pickled_result(result)
        self._note(place, 0 if failure else len(records), failure)

    def _prepare_all(self, records: list[Any]) -> list[Any]:
        return [self._prepare(fields) for fields in records]

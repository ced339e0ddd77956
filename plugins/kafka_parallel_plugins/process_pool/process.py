"""One process of the pool, as the thread sees it that it belongs to.

A process is used by one thread; only `stack_of` and `kill` may be called from others. It is dead when its pipe is: then
its earlier reports count, the record it had begun has failed, the others come back, and the caller starts another
process.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import Any, Literal, TypeAlias

from kafka_parallel.errors import ConfigurationError, HandlerTimeout, RemoteTraceback, WorkerDied
from kafka_parallel.executors import Program, Report
from kafka_parallel_plugins.process_pool import child
from kafka_parallel_plugins.process_pool.messages import END, FIELD, GIVE_BACK, READY, Place, Progress, place_of
from kafka_parallel_plugins.process_pool.sent_units import SentUnits

__all__ = ()

# The child starts from nothing: no thread, lock or connection of ours is in it in some half-way state, as after a fork.
# "forkserver" would do as well, but a SIGTERM to all processes of a service kills the server, and with it the news of
# how a child ended.
CONTEXT = get_context("spawn")
# The interval, in seconds, at which the child's life and the demand for its results are checked.
LONGEST_POLL = 3600.0  # poll() takes milliseconds as a C int: 24 days at most
LOOK_EVERY = 0.1
# The time without news after which unbegun units are asked back, in seconds: more than the child keeps news back.
ASK_BACK_AFTER = 0.01
# The time that a child gets to end by itself, in seconds.
END_TIMEOUT = 1.0
# The time that a killed child may take to be gone, in seconds.
KILL_TIMEOUT = 5.0
# The interval at which the end of a child is looked for that does not show, in seconds.
LOOK_FOR_END = 0.02
# The time that a stack may take to be written, and that the writer may pause in between, in seconds.
STACK_TIMEOUT, STACK_PAUSE = 1.0, 0.05

Cause: TypeAlias = Literal["died", "timeout", "unwanted"]


# see docs/decisions/0034-shared-progress.md
# see docs/decisions/0036-spawn-not-forkserver.md
class Process:
    """A child, from its start to its end.

    :param program: its program.
    :param timeout: seconds that one exchange may take before the child is killed; ``None`` = no limit.
    :param saw: is told how long how many records took, in seconds each.
    :ivar result: the value that the handler returned, pickled, after an exchange that wanted it.
    """

    def __init__(self, program: Program, timeout: float | None, saw: Callable[[float, int], None]) -> None:
        self._program = program
        self._timeout = timeout
        self._saw = saw
        self.result: bytes | None = None
        self._work, work = CONTEXT.Pipe()
        self._control, control = CONTEXT.Pipe()
        self._stacks, stacks = CONTEXT.Pipe(duplex=False)
        self._begun = CONTEXT.Value("Q", 0, lock=False)
        self._message = 0
        self._asked_back = False
        self._records: list[list[Any]] = []
        self._stack_lock = threading.Lock()
        arguments = (work, control, stacks, self._begun, program.payload)
        self._process = CONTEXT.Process(
            target=child.main,
            args=arguments,
            kwargs={"is_batch": program.is_batch, "is_timed": program.is_timed},
            name="kafka-parallel",
        )
        self._process.start()
        for theirs in (work, control, stacks):
            theirs.close()

    @property
    def pid(self) -> int:
        """The id of the process for the operating system."""
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        """True while the process can be sent records."""
        return not self._work.closed and self._lives()

    def _lives(self) -> bool:
        """Tell whether it has not ended; an application that ignores SIGCHLD leaves no status of it behind."""
        return self._process.is_alive() and (os.name != "posix" or _exists(self.pid))

    def _wait_for_end(self, timeout: float) -> None:
        """Wait *timeout* seconds at most; a program that the handler left running keeps the sentinel open."""
        end = time.monotonic() + timeout
        while self._lives() and (left := end - time.monotonic()) > 0:
            wait([self._process.sentinel], min(LOOK_FOR_END, left))

    @property
    def has_begun(self) -> bool:
        """True once the process has begun its first record."""
        return bool(self._begun.value)

    # Beginning and end

    def wait_until_ready(self, deadline: float, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the handler was imported, or until *is_over*; tell whether it was.

        :raises ConfigurationError: it cannot be, or not before *deadline*; the process is gone then.
        """
        said: bytes | None = None
        is_late = False
        with contextlib.suppress(EOFError, OSError):  # it died: it said nothing
            while not self._work.poll(max(0.0, min(LOOK_EVERY, deadline - time.monotonic()))) and not is_late:
                if is_over():
                    return False
                is_late = time.monotonic() >= deadline
            said = None if is_late else self._work.recv_bytes()
        if said == READY:
            return True
        self._wait_for_end(0 if is_late else END_TIMEOUT)
        exitcode = self._process.exitcode
        self.close()
        raise ConfigurationError(self._why_not_ready(said, exitcode, is_late=is_late))

    def _why_not_ready(self, said: bytes | None, exitcode: int | None, *, is_late: bool) -> str:
        name = self._program.name
        if said is not None:
            return f"a worker process cannot import {name}:\n{said.decode(errors='replace')}"
        if is_late:
            return f"a worker process did not get ready to run {name} in time: check its module's import"
        return (
            f"a worker process for {name} ended with {_ending(exitcode)} before it was ready; stderr may say why. Its "
            "main module is imported there: call run() under 'if __name__ == \"__main__\":'"
        )

    def end(self) -> None:
        """Ask the process to end, and kill it if it has not ended within `END_TIMEOUT` seconds."""
        with contextlib.suppress(OSError):  # it is dead: nothing to be told
            self._work.send_bytes(END)
        self._wait_for_end(END_TIMEOUT)
        self.close()

    def kill(self) -> None:
        """Kill the process at once, without waiting for its end; its handler has no chance to clean up."""
        self._process.kill()

    def wait_until_gone(self) -> None:
        """Wait for the end of a killed process. It comes at once, unless the machine is overloaded."""
        self._wait_for_end(KILL_TIMEOUT)

    def close(self) -> None:
        """Kill the process, wait up to `KILL_TIMEOUT` seconds until it is gone, and close its pipes."""
        self.kill()
        self.wait_until_gone()
        for ours in (self._work, self._control):
            ours.close()
        with self._stack_lock:
            self._stacks.close()

    # Work

    def exchange(
        self, records: list[list[Any]], wants: Callable[[int], bool], *, wants_result: bool = False
    ) -> Iterator[Sequence[Report]]:
        """Have units of raw *records* run; see `kafka_parallel.executors.Exchange`. Afterwards it may be dead."""
        batch = SentUnits(records)
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        cause: Cause = "died"
        try:
            self._send(records, wants_result=wants_result)
            while batch.is_open or self._asked_back:
                yield self._next(batch, wants, deadline)
        except _MustDie as reason:
            cause = reason.cause
        except (EOFError, OSError):
            pass  # it is dead: settled below
        finally:
            self._records = []
        if batch.is_open or self._asked_back:
            yield self._died(batch, records, wants, cause)

    def _send(self, records: list[list[Any]], *, wants_result: bool) -> None:
        self._message, self._records, self._asked_back = (self._message + 1) & FIELD, records, False
        units = [[tuple(record) for record in unit] for unit in records]
        self._work.send_bytes(pickle.dumps((self._message, units, wants_result)))

    def _next(self, batch: SentUnits, wants: Callable[[int], bool], deadline: float | None) -> Sequence[Report]:
        """Wait for the next news.

        :raises _MustDie: the child must not go on.
        :raises EOFError: it is dead.
        """
        while True:
            may_ask = batch.may_come_back and not self._asked_back
            patience = ASK_BACK_AFTER if may_ask else LOOK_EVERY
            if deadline is not None:
                patience = max(0.0, min(patience, deadline - time.monotonic()))
            ready = wait([self._work, self._control], patience)
            if self._work in ready:
                return self._read(batch)
            if self._control in ready:
                unbegun = pickle.loads(self._control.recv_bytes())  # noqa: S301 - our own envelope
                self._asked_back = False
                return batch.unbegun(unbegun)
            self._look(batch, wants, deadline)
            if may_ask:
                self._control.send_bytes(GIVE_BACK)
                self._asked_back = True

    def _read(self, batch: SentUnits) -> Sequence[Report]:
        progress: Progress = pickle.loads(self._work.recv_bytes())  # noqa: S301 - our own envelope
        count = sum(done.returned + (done.raised is not None) for done in progress.done)
        self._saw(progress.seconds / count, count)
        self.result = progress.result
        return batch.done(progress.done)

    def _look(self, batch: SentUnits, wants: Callable[[int], bool], deadline: float | None) -> None:
        """Look for a reason why nothing will come any more, or should not."""
        if deadline is not None and time.monotonic() >= deadline:
            raise _MustDie("timeout")
        at = self._at
        if at is not None and batch.is_running(at) and not wants(at.unit):
            raise _MustDie("unwanted")
        if not self._lives() and not self._work.poll():
            raise EOFError  # a process that the handler started may hold the other end of the pipe

    @property
    def _at(self) -> Place | None:
        """The record it is at; ``None`` if it has begun none of the last message."""
        at = place_of(self._begun.value)
        return at if at.message == self._message else None

    def _died(
        self, batch: SentUnits, records: list[list[Any]], wants: Callable[[int], bool], cause: Cause
    ) -> Sequence[Report]:
        """Make sure that it is dead, read its last reports, and settle the records it had.

        Only then is its position known: it may have gone on between a look at it and its end.
        """
        if cause == "died":
            self._wait_for_end(END_TIMEOUT)  # so that it is its own end that is told, not ours
        self.kill()
        self.wait_until_gone()
        return [*self._last_words(batch), *self._what_is_left(batch, records, wants, cause)]

    # see docs/decisions/0057-hear-the-dead-out.md
    def _last_words(self, batch: SentUnits) -> list[Report]:
        """Take in the reports that a process had sent before its end and that were not read yet."""
        reports: list[Report] = []
        if hasattr(os, "set_blocking"):  # a process that the handler started may hold the other end of the pipe
            with contextlib.suppress(OSError):
                os.set_blocking(self._work.fileno(), False)
        with contextlib.suppress(EOFError, OSError):  # there is no more, or it was killed in the middle of it
            while self._work.poll():
                reports += self._read(batch)
        return reports

    def _what_is_left(
        self, batch: SentUnits, records: list[list[Any]], wants: Callable[[int], bool], cause: Cause
    ) -> Sequence[Report]:
        at = self._at
        if at is None or not batch.is_running(at):
            return batch.died(at, WorkerDied("it had begun nothing", self._process.exitcode))
        if cause == "unwanted" and wants(at.unit):  # it had gone on to this one when it was killed for another
            return batch.interrupted(at)
        name = self._named(records[at.unit], at.record)
        if cause == "timeout":
            return batch.died(at, HandlerTimeout(
                f"the handler of record {name} took longer than handler_timeout_ms={(self._timeout or 0) * 1000:g}: "
                "its process was killed"
            ))  # fmt: skip
        return batch.died(at, self._death(name, is_unwanted=not wants(at.unit)))

    def _named(self, unit: list[Any], place: int) -> str:
        """The record of *unit* at *place*, and how many others a batch has, for a message."""
        record = unit[place]
        name = f"{record.topic}[{record.partition}]@{record.offset}"
        return f"{name} and {len(unit) - 1} more" if self._program.is_batch and len(unit) > 1 else name

    def _death(self, name: str, *, is_unwanted: bool) -> WorkerDied:
        """The error of the record *name*, at which it died, with the last words of a crash."""
        error = WorkerDied(
            f"the process that ran {self._program.name} on {name} ended with {_ending(self._process.exitcode)}",
            self._process.exitcode,
            is_unwanted=is_unwanted,
        )
        with self._stack_lock:
            if crash := self._read_stacks(0.0):
                error.__cause__ = RemoteTraceback(crash)
        return error

    # Position

    def is_at(self, topic: str, partition: int, offset: int) -> bool:
        """Tell whether the process has this record now, begun or not."""
        return any(
            record.offset == offset and record.partition == partition and record.topic == topic
            for unit in self._records
            for record in unit
        )

    def stack(self) -> str:
        """Return where its threads are now; nothing if it cannot be told (it has ended, or this is Windows)."""
        with self._stack_lock:
            if self._stacks.closed or not hasattr(signal, "SIGUSR1"):
                return ""
            self._read_stacks(0.0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGUSR1)
            return self._read_stacks(STACK_TIMEOUT)

    def _read_stacks(self, patience: float) -> str:
        """Read the stacks until the writer pauses."""
        if not hasattr(signal, "SIGUSR1"):
            return ""
        found = b""
        while self._stacks.poll(patience) and (data := os.read(self._stacks.fileno(), 65536)):
            found += data
            patience = STACK_PAUSE
        return found.decode(errors="replace")


class _MustDie(Exception):  # noqa: N818 - a reason, not an error
    def __init__(self, cause: Cause) -> None:
        self.cause = cause


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _ending(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return signal.Signals(-exitcode).name
    except ValueError:  # a real-time signal
        return f"signal {-exitcode}"

"""How a run goes on beside the program that started it, and how it ends when that program does.

A loop on a thread of its own keeps the process alive after the main thread has ended. If that ended by an error or by
Ctrl-C, there is no code left that could call stop(), so the run stops by itself, as run() would have. If it ended well,
the run goes on: a program may start its consumer in the last line. A signal that comes then ends the interpreter, which
stops the run on its way out.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.clock import join
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.errors import StateError

log = area_logger("run")

# The interval at which the main thread's life is checked, in seconds.
LOOK_EVERY = 0.2


class Background:
    """One run on a thread of its own.

    :param run: the run; may raise.
    :param shutdown: stops it.
    :param is_handler: tells whether the caller is a handler that it runs.
    """

    def __init__(self, run: Callable[[], None], shutdown: Shutdown, is_handler: Callable[[], bool]) -> None:
        self._run = run
        self._is_handler = is_handler
        self._shutdown = shutdown
        self._thread = threading.Thread(target=self._run_and_report, name="kafka-parallel-loop")
        self._has_ended = threading.Event()
        self._owner = os.getpid()
        self._watch = threading.Thread(target=self._watch_main_thread, name="kafka-parallel-main-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        atexit.register(self._stop_at_exit)
        self._thread.start()
        self._watch.start()

    def join(self, timeout: float | None) -> bool:
        """Wait *timeout* seconds (``None`` = for ever) for the end; tell whether it has come.

        :raises StateError: the run called it itself, from a handler, a hook or a listener, and would wait for itself;
            or the caller is a forked child of the process that has the run.
        """
        if os.getpid() != self._owner:
            raise StateError(
                f"join() in process {os.getpid()}, a fork of process {self._owner}, to which the run belongs: it "
                "goes on there, and no end of it is seen here; call join() in the process that called start()"
            )
        if self._has_ended.is_set():
            return self._wait(timeout)
        if threading.current_thread() is self._thread:
            raise StateError("join() on the thread of the run itself waits for its own end: call stop() there")
        if self._is_handler():
            raise StateError(
                "join() in a handler of the run waits for an end that waits for this very handler: call stop() there, "
                "and join() where start() was called"
            )
        return self._wait(timeout)

    def _wait(self, timeout: float | None) -> bool:
        """Wait as `join` does, on an event: before 3.13, Ctrl-C in a thread's own join() takes the thread for ended."""
        has_ended = self._has_ended.wait(None if timeout is None else min(timeout, threading.TIMEOUT_MAX))
        return has_ended and join(self._thread, None)

    def _run_and_report(self) -> None:
        try:
            self._run()
        except BaseException:
            log.exception("the consumer has failed and is stopped: no record is processed any more")
        finally:
            atexit.unregister(self._stop_at_exit)
            self._has_ended.set()

    def _watch_main_thread(self) -> None:
        main = threading.main_thread()
        while main.is_alive():
            if self._has_ended.wait(LOOK_EVERY):
                return
        if (error := getattr(sys, "last_value", None)) is None:
            log.warning("the main thread has ended and the consumer goes on; a program that shall end with it calls "
                        "stop() and join() before")  # fmt: skip
            return
        self._shutdown.request(requested_by=f"the end of the main thread by {type(error).__name__}")

    def _stop_at_exit(self) -> None:
        """Stop, and wait for it: the interpreter has been told to end although the run goes on.

        In a forked child of the program there is nothing to wait for: the run is its parent's.
        """
        if os.getpid() != self._owner:
            return
        self._shutdown.request(requested_by="the end of the interpreter")
        self._wait(None)

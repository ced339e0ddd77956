"""How does a process of ours talk to the guard of its broker.

:mod:`kafka_parallel.testing.guard` is the other end of the pipe and says why there is one.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing import guard

__all__ = ()

LEAVE_S = 40.0

# Options for the user's own Java programs would change ours.
NOT_PASSED_ON = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")


class Guarded:
    """A temporary folder, and at most one child process, that go when this process goes. Any thread may call.

    :raises BrokerError: the guard could not be started.
    """

    def __init__(self, prefix: str = "kafka-parallel-") -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        # A session of its own: Ctrl-C in the terminal is for the parent, which then stops the broker in its own time.
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", guard.__file__, prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        self.directory: Path = Path(self._read()["directory"])

    def run(self, argv: list[str], log: Path) -> int:
        """Start *argv* in the folder, its output appended to *log*; the process id is handed back."""
        return int(self._ask(do="run", argv=argv, log=str(log))["pid"])

    def exit_code(self) -> int | None:
        """The exit code of the child: None while it runs, negative for the number of a signal."""
        code: int | None = self._ask(do="poll")["code"]
        return code

    def kill(self) -> None:
        """Kill the child (SIGKILL) and wait until it is gone; nothing happens without one."""
        self._ask(do="kill")

    def terminate(self) -> None:
        """Ask the child to end (SIGTERM), without waiting; nothing happens without one."""
        self._ask(do="terminate")

    def farewell(self, argv: list[str]) -> None:
        """Run *argv* when this process goes or closes the guard."""
        self._ask(do="farewell", argv=argv)

    def close(self) -> None:
        """Let the guard kill the child, remove the folder and leave; a second call does nothing.

        In a forked child of the owner it only does nothing: the broker is the parent's.
        """
        if os.getpid() != self._owner or self._process.stdin is None:
            return
        with self._lock:
            with contextlib.suppress(BrokenPipeError):  # the guard is gone already
                self._process.stdin.close()
            self._process.wait(LEAVE_S)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            return self._exchange(request)

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            raise BrokerError("the broker was stopped; start a new one")
        try:
            pipe.write(json.dumps(request).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise self._lost() from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise self._lost()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _lost(self) -> BrokerError:
        code = self._process.wait(LEAVE_S)
        return BrokerError(f"the guard process of the broker ended with exit code {code}; the broker went with it")


def _environment() -> dict[str, str]:
    """Ours, with error messages in English: some are recognised by their text."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    return {**kept, "LC_ALL": "C"}

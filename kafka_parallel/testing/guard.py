"""How does a broker disappear with its parent, even when the parent is killed.

Run as a script, this file is a process of its own between the parent and the broker. It owns a temporary folder and at
most one child process. The parent talks to it through a pipe, one JSON object a line. Whatever happens to the parent,
the pipe ends, and the guard kills the child, removes the folder and leaves.

Rule 1: the child is started, killed and reaped here and nowhere else, so its process id is never a stranger's.
Rule 2: only the standard library is imported, because the guard runs isolated from the parent's environment.

The pipe alone would not do: a parent that forked (a process pool does) leaves copies of its end in children that may
live on. So the guard also looks whether it still has the same parent.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ()

PARENT_CHECK_S = 0.5
FAREWELL_S = 30.0


class Guard:
    """The folder and the child that must not outlive the parent."""

    def __init__(self, prefix: str) -> None:
        self.directory: Path = Path(tempfile.mkdtemp(prefix=prefix))
        self._child: subprocess.Popen[bytes] | None = None
        self._farewell: list[str] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Execute one line of the parent; unknown requests are a bug of the parent and end the guard."""
        acts: dict[str, Callable[..., dict[str, Any]]] = {
            "run": self._run,
            "poll": self._poll,
            "kill": self._kill,
            "terminate": self._terminate,
            "farewell": self._set_farewell,
        }
        return acts[request.pop("do")](**request)

    def leave(self) -> None:
        """Kill the child, remove the folder, run the farewell command."""
        self._kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._farewell:
            subprocess.run(  # noqa: S603 - the parent's command
                self._farewell, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False, timeout=FAREWELL_S
            )

    def _run(self, argv: list[str], log: str) -> dict[str, Any]:
        with Path(log).open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - the parent's command
                argv,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread
            )
        return {"pid": self._child.pid}

    def _poll(self) -> dict[str, Any]:
        return {"code": self._child.poll() if self._child else None}

    def _kill(self) -> dict[str, Any]:
        if self._child is None:
            return {"code": None}
        self._child.kill()
        return {"code": self._child.wait()}

    def _terminate(self) -> dict[str, Any]:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
        return {}

    def _set_farewell(self, argv: list[str]) -> dict[str, Any]:
        self._farewell = argv
        return {}


def _die_with_parent() -> None:
    """Between fork and exec of the child: should the guard itself be killed, the kernel kills the child.

    The kernel means the thread that forked, which is why the guard has only one.
    """
    import ctypes

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _lines_of_parent() -> Iterator[bytes]:
    """Yield the parent's requests until it is gone."""
    parent = os.getppid()
    buffered = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], PARENT_CHECK_S)[0]:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, buffered = (buffered + chunk).split(b"\n")
        yield from lines


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    """Announce the folder, serve the parent until it is gone, clean up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    guard = Guard(sys.argv[1])
    try:
        _say({"directory": str(guard.directory)})
        for line in _lines_of_parent():
            _say(guard.answer(json.loads(line)))
    except BrokenPipeError:
        pass  # the parent was killed between its question and our answer
    finally:
        guard.leave()


if __name__ == "__main__":
    main()

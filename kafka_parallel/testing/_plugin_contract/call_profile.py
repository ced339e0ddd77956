"""How many functions a run calls, and which calls of the plugin wait: counted, not timed."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest, place_of

__all__: list[str] = []

# The name of the thread of run() in a trial.
LOOP = "contract-loop"
# Calls that wait for the time, for a network or for a process.
WAITING = {
    time.sleep: "time.sleep()",
    select.select: "select.select()",
    os.waitpid: "os.waitpid()",
    os.system: "os.system()",
}
SOCKET_CALLS = frozenset({"accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall"})
# Functions of Python's own that wait, by the file and the name of their code.
WAITS = {(threading.__file__, "wait"), (threading.__file__, "join")}


class CallProfile:
    """Counts the calls of functions on all threads that start meanwhile.

    The thread of run() looks around as long as the run lasts, so only calls on other threads are compared.

    :ivar calls: how many functions of Python were called there, outside of the plugin.
    :ivar own_calls: how many were called by the plugin, itself or further down, on any thread.
    :ivar waits: for each hook of the plugin that waited, where.
    """

    def __init__(self, under_test: PluginUnderTest) -> None:
        self._under_test = under_test
        self._hooks = under_test.hooks()
        self.calls = self.own_calls = 0
        self._depths: dict[int, int] = {}
        self._loops: dict[int, bool] = {}
        self.waits: dict[str, str] = {}

    def during(self, act: Callable[[], None]) -> None:
        """Call *act*; threads that it starts are counted, the caller's own is not."""
        before = threading.getprofile() if hasattr(threading, "getprofile") else None
        threading.setprofile(self._happened)
        try:
            act()
        finally:
            threading.setprofile(before)

    def _happened(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in {"call", "return"}:
            self._count(frame, 1 if event == "call" else -1)
        if event == "call":
            code = frame.f_code
            if (code.co_filename, code.co_name) in WAITS:
                self._note(frame.f_back, f"{code.co_name}() of threading")
        elif event == "c_call" and (name := _waiting(argument)):
            self._note(frame, name)

    def _count(self, frame: FrameType, step: int) -> None:
        """Count a call, or the return from one; a generator returns when it yields, and is called when it goes on."""
        me = threading.get_ident()
        depth = self._depths.get(me, 0)
        if step == 1 and (depth or self._under_test.owns(frame.f_code)):
            self.own_calls += 1
        elif step == 1 and not self._is_loop(me):
            self.calls += 1
        if self._under_test.owns(frame.f_code):
            self._depths[me] = max(0, depth + step)

    def _is_loop(self, me: int) -> bool:
        if me not in self._loops:
            self._loops[me] = threading.current_thread().name == LOOP
        return self._loops[me]

    def _note(self, frame: FrameType | None, call: str) -> None:
        own = self._under_test.own_frame(frame)
        hook = self._hook_of(own)
        if own is not None and hook:
            self.waits.setdefault(hook, f"{place_of(own)} calls {call}")

    def _hook_of(self, frame: FrameType | None) -> str:
        """The hook of the plugin that *frame* runs in; empty if there is none."""
        while frame is not None:
            name = frame.f_code.co_name
            if name in self._hooks and self._under_test.owns(frame.f_code):
                return str(self._hooks[name].get("specname") or name)
            frame = frame.f_back
        return ""


def _waiting(function: Any) -> str:
    """The name of a call of C that waits; empty if it does not."""
    try:
        if (name := WAITING.get(function)) is not None:
            return name
    except TypeError:  # it cannot be hashed
        return ""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, socket.socket) and function.__name__ in SOCKET_CALLS:
        return f"{function.__name__}() of a socket"
    return ""

"""A signal asks why a run does not go on; the thread of run() may be what is stuck."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel._runtime.loop.explain_signal import ExplainSignal
from kafka_parallel.explanations import Explanation
from tests.runtime.app import App
from tests.runtime.loop.test_run_state import until


def asked(caplog):
    return [line for line in caplog.messages if line.startswith("asked by a signal")]


def test_the_sentences_are_logged(caplog):
    found = [Explanation("broker", "no broker"), Explanation("idle", "nothing")]

    with ExplainSignal(signal.SIGUSR1, lambda: found):
        signal.raise_signal(signal.SIGUSR1)
        until("the lines", lambda: len(asked(caplog)) == 2)

    assert asked(caplog) == ["asked by a signal, 1 of 2: no broker", "asked by a signal, 2 of 2: nothing"]


def test_the_users_own_handler_is_called_too_and_comes_back():
    called = []

    def own(number, frame):
        called.append(number)

    before = signal.signal(signal.SIGUSR1, own)
    try:
        with ExplainSignal(signal.SIGUSR1, list):
            signal.raise_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) is own
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert called == [signal.SIGUSR1]


def test_who_cannot_be_asked_is_asked_again(caplog):
    answers = [ValueError("a broken key")]

    def explain():
        if answers:
            raise answers.pop()
        return [Explanation("idle", "nothing")]

    with ExplainSignal(signal.SIGUSR1, explain):
        signal.raise_signal(signal.SIGUSR1)
        until("the error", lambda: "cannot be explained" in caplog.text)
        signal.raise_signal(signal.SIGUSR1)
        until("the line", lambda: asked(caplog))


def test_a_thousand_signals_do_not_fill_anything(caplog):
    asking, go_on = threading.Event(), threading.Event()

    def explain():
        asking.set()
        assert go_on.wait(60)
        return []

    with ExplainSignal(signal.SIGUSR1, explain):
        signal.raise_signal(signal.SIGUSR1)
        assert asking.wait(60)
        for _ in range(100_000):
            signal.raise_signal(signal.SIGUSR1)
        go_on.set()


def test_no_file_stays_open():
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    for _ in range(20):
        with ExplainSignal(signal.SIGUSR1, list):
            pass
    until("all closed", lambda: open_files() <= before)


def test_a_handler_that_was_installed_meanwhile_stays_and_may_go_on_to_call_ours(caplog):
    """Libraries chain handlers so. Their call of ours after the run writes into no file that is open by then."""
    previous = signal.getsignal(signal.SIGUSR1)
    calls = []

    def of_a_library(number, frame):
        calls.append(number)
        ours(number, frame)

    try:
        with ExplainSignal(signal.SIGUSR1, list):
            before = set(os.listdir("/proc/self/fd"))
            ours = signal.signal(signal.SIGUSR1, of_a_library)
        assert signal.getsignal(signal.SIGUSR1) is of_a_library

        pipes = [os.pipe() for _ in before]
        signal.raise_signal(signal.SIGUSR1)
        for reader, _ in pipes:
            os.set_blocking(reader, False)
            with pytest.raises(BlockingIOError):
                os.read(reader, 1)
        assert calls == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, previous)
    for pipe in pipes:
        os.close(pipe[0])
        os.close(pipe[1])


def fork_that_waits():
    """Fork a child that lives until a byte comes; return its process id and the descriptor to write to."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    return child, writer


def test_a_child_that_lives_longer_does_not_keep_the_thread():
    with ExplainSignal(signal.SIGUSR1, list) as found:
        child, writer = fork_that_waits()

    has_ended = not found._thread.is_alive()
    os.close(writer)
    os.waitpid(child, 0)
    assert has_ended


def test_a_signal_to_a_forked_child_is_not_answered_by_its_parent(caplog):
    asked_for = []

    with ExplainSignal(signal.SIGUSR1, lambda: asked_for.append(1) or []):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            signal.raise_signal(signal.SIGUSR1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    assert asked_for == []


def test_off_the_main_thread_no_signal_is_touched():
    def use():
        with ExplainSignal(signal.SIGUSR1, list):
            found.append(signal.getsignal(signal.SIGUSR1))

    found = []
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()

    assert found == [signal.getsignal(signal.SIGUSR1)]


def test_a_hook_that_blocks_the_loop_is_found(caplog):
    """The thread of run() is in a plugin: the line says where."""

    class Blocks:
        @hookimpl
        def on_assign(self):
            signal.raise_signal(signal.SIGUSR1)
            until("the line", lambda: asked(caplog))

    app = App(3)
    app.parallel(plugins=[Blocks()], explain_signal=signal.SIGUSR1).run(app.handle(lambda _: None))

    assert asked(caplog)
    assert app.handled == [0, 1, 2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, 0, 999, "SIGUSR1", True, 1.5, []])
def test_a_signal_that_cannot_be_used_is_refused(number):
    with pytest.raises(ConfigurationError, match="explain_signal="):
        App().parallel(explain_signal=number)


def start(parallel):
    parallel.start(lambda _: None)


def run_async(parallel):
    async def handle(_):
        """Handle nothing."""

    asyncio.run(parallel.run_async(handle))


def run_off_the_main_thread(parallel):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(parallel.run, lambda _: None).result()


@pytest.mark.parametrize("begin", [start, run_async, run_off_the_main_thread])
def test_a_run_that_could_not_catch_the_signal_is_refused_with_the_line_to_write(begin):
    app = App()
    parallel = app.parallel(explain_signal=signal.SIGUSR1)

    with pytest.raises(ConfigurationError, match=r"signal\.signal\(signal\.SIGUSR1, lambda .*consumer\.explain"):
        begin(parallel)

    parallel.run(app.handle(lambda _: None))
    assert len(app.handled) == 6, "nothing had begun"

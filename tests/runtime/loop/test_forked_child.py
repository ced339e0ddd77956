"""A handler (or a hook) that forks: its child handles nothing, commits nothing, and ends."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent

import pytest

PROGRAM = """
import asyncio, json, os, sys, time
from kafka_parallel import Batch, hookimpl
from tests.runtime.app import App

app, me, (read, write) = App(40), os.getpid(), os.pipe()
children = []

def note(text):
    os.write(write, text.encode() + b"\\n")

def fork_and_wait():
    if (pid := os.fork()) == 0:
        CHILD
        return
    children.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

def handle(record):
    note(f"{os.getpid() == me} {record.offset}")
    if record.offset == 5:
        fork_and_wait()
    time.sleep(0.001)

async def handle_async(record):
    note(f"{os.getpid() == me} {record.offset}")
    await asyncio.sleep(0.001)
    if record.offset == 5:
        fork_and_wait()
        await asyncio.sleep(0)
    if record.offset % 2:
        await asyncio.sleep(0.01)
    note(f"{os.getpid() == me} {record.offset} end")

def order(record):
    if record.offset == 3:
        if (pid := os.fork()) == 0:
            IN_ORDER
        children.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return record.key

class Watching:
    @hookimpl(wrapper=True)
    def on_commit(self, offsets):
        note(f"{os.getpid() == me} commit")
        return (yield)

error = RUN
os.close(write)
lines = open(read).read().splitlines()
print(json.dumps({"children": children, "error": repr(error), "committed": app.committed,
                  "by child": [line for line in lines if line.startswith("False")]}))
"""
RUNS = {
    "thread-pool": "app.run_coroutine(handle, ordering='unordered', plugins=[Watching()])",
    "one thread": "app.run_coroutine(handle, workers=1, plugins=[Watching()])",
    "with deadline": "app.run_coroutine(handle, handler_timeout_ms=60_000, plugins=[Watching()])",
    "asyncio": "app.run_coroutine(handle_async, ordering='unordered', workers=8, plugins=[Watching()])",
    "asyncio with deadline":
        "app.run_coroutine(handle_async, ordering='unordered', workers=8, handler_timeout_ms=60_000)",
}  # fmt: skip
CHILDREN = {
    "sys.exit(3)": 3,
    "sys.exit()": 0,
    "sys.exit('no')": 1,
    "os._exit(7)": 7,
    "raise ValueError('in the child')": 1,
    "return": 0,
}


def run(how, child):
    """Run the program *how*, with a *child* of the handler, or of the ordering."""
    is_in_order = "ordering=order" in how
    in_handler, in_order = ("return", child) if is_in_order else (child, "pass")
    program = dedent(PROGRAM).replace("CHILD", in_handler).replace("IN_ORDER", in_order).replace("RUN", how)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("child", CHILDREN)
@pytest.mark.parametrize("how", RUNS)
def test_the_child_of_a_handler_ends_as_it_says_and_handles_nothing(how, child):
    found, _ = run(RUNS[how], child)
    if how == "asyncio with deadline" and child != "os._exit(7)":  # it ends as soon as its event loop goes on
        assert found.pop("children") == [0]
        found["children"] = [CHILDREN[child]]

    assert found == {"children": [CHILDREN[child]], "error": "None", "committed": 40, "by child": []}


def test_the_error_of_a_child_is_shown():
    _, said = run(RUNS["thread-pool"], "raise ValueError('in the child')")

    assert "ValueError: in the child" in said


def test_a_child_that_comes_back_from_the_handler_is_said():
    _, said = run("(__import__('logging').basicConfig(), app.run_coroutine(handle))[1]", "return")

    assert "a process that a handler forked came back from the handler" in said


@pytest.mark.parametrize(("child", "code"), [("return record.key", 11), ("raise SystemExit(4)", 4)])
def test_on_the_thread_of_run_the_child_cannot_go_on(child, code):
    end = (
        "(lambda error: error if os.getpid() == me else os._exit(error.code if isinstance(error, SystemExit) else 11))"
    )
    found, _ = run(f"{end}(app.run_coroutine(handle, ordering=order, plugins=[Watching()]))", child)

    assert found == {"children": [code, 0], "error": "None", "committed": 40, "by child": []}


def test_a_run_that_was_forked_says_so():
    _, said = run("(lambda error: error if os.getpid() == me else (sys.stderr.write(str(error)), os._exit(0)))"
                  "(app.run_coroutine(handle, ordering=order))", "return record.key")  # fmt: skip

    assert "run() in a process that was forked in the middle of it: the run goes on in the parent" in said

"""Handlers for processes: their acts go to a file, one line at a time, because nothing else is shared."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import threading
from pathlib import Path

from kafka_parallel.errors import BatchFailed

LOG = "PROCESS_POOL_LOG"
RAISES = "PROCESS_POOL_RAISES"
COUNT = "PROCESS_POOL_COUNT"


def note(what, record):
    line = f"{what} {record.partition} {record.offset} {os.getpid()}\n".encode()
    with Path(os.environ[LOG]).open("ab", buffering=0) as file:
        file.write(line)


def noted(what):
    """The offsets of one kind, in order."""
    lines = [line.split() for line in Path(os.environ[LOG]).read_text().splitlines()]
    return [int(offset) for kind, _, offset, _ in lines if kind == what]


def pids():
    return {int(line.split()[3]) for line in Path(os.environ[LOG]).read_text().splitlines()}


def handle(record):
    note("begin", record)
    note("end", record)


def handle_for_a_while(record):
    note("begin", record)
    threading.Event().wait(0.05)
    note("end", record)


def fail_at_three(record):
    note("begin", record)
    if record.offset == 3:
        raise ValueError(f"no {record.value!r}")


def fail_at_odd(record):
    note("begin", record)
    if record.offset % 2:
        raise ValueError("odd")


def raise_named(record):
    raise {"KeyboardInterrupt": KeyboardInterrupt, "SystemExit": SystemExit, "MemoryError": MemoryError}[
        os.environ[RAISES]
    ]


class StubbornError(Exception):
    """It can be pickled, but not made again."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError

    def __reduce__(self):
        raise RuntimeError


def raise_stubborn(record):
    raise StubbornError("this", "that")


def raise_mute(record):
    raise MuteError


def die_at_three_once(record):
    note("begin", record)
    if record.offset == 3 and noted("begin").count(3) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    note("end", record)


def exit_always(record):
    note("begin", record)
    os._exit(7)


def crash(record):
    faulthandler._sigsegv()


def stay(record):
    note("begin", record)
    threading.Event().wait(600)


def stay_with_any(_):
    threading.Event().wait(600)


def stay_at_three(record):
    note("begin", record)
    if record.offset == 3:
        threading.Event().wait(600)
    note("end", record)


def wait_at_three(record):
    note("begin", record)
    if record.offset == 3:
        threading.Event().wait(0.2)
        raise ValueError("late")


def wait_for_all_others(record):
    """The 300th record ends after all others have."""
    if record.offset == 300:
        for _ in range(3000):
            if len(noted("end")) == int(os.environ[COUNT]) - 1:
                break
            threading.Event().wait(0.01)
        else:
            raise TimeoutError("the others wait for this one")
    note("end", record)


def check_bytes(record):
    """The key, the value and the header are the bytes that were sent."""
    assert type(record.value) is bytes
    assert record.key == record.value == record.headers[0][1]
    note("end", record)


def check_kind(record):
    from kafka.consumer.fetcher import ConsumerRecord

    assert type(record) is ConsumerRecord
    assert record.value == {"n": record.offset}
    note("end", record)


def check_size(record):
    assert len(record.value) == 1 << 20
    note("end", record)


def number(record):
    note("begin", record)
    return record.offset


def ignore_signals(record):
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), signal_number)
    note("end", record)


def parse(data):
    return json.loads(data)


class Bound:
    def __init__(self):
        self.lock = threading.Lock()

    def handle(self, record):
        pass


class Callable:
    def __call__(self, record):
        note("end", record)


def handle_batch(records):
    for record in records:
        note("begin", record)
    failed = {index: ValueError("odd") for index, record in enumerate(records) if record.offset % 2}
    if failed:
        failed[min(failed)] = StubbornError("this", "that")
        raise BatchFailed(failed)


def handle_batch_plainly(records):
    for record in records:
        note("end", record)


def die_in_batch_once(records):
    for record in records:
        note("begin", record)
    if len(noted("begin")) == len(records):
        os._exit(3)


async def work(record):
    raise AssertionError("it is not awaited")


def leave_it_to_an_await(record):
    return work(record)

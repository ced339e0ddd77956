"""The place of a handler that runs, out of the stack that its executor tells."""

from __future__ import annotations

import faulthandler
import queue
import sys
import tempfile
import threading
import traceback
from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel._runtime.handlers.whereabouts import Whereabouts, place_in, running_record

HERE = __file__


@pytest.fixture
def waiting():
    """The stack of a handler that waits in a function of the standard library."""
    told, begun = queue.Queue(), threading.Event()

    def handle():
        begun.set()
        told.get()  # the line that is wanted

    thread = threading.Thread(target=handle)
    thread.start()
    assert begun.wait(60)
    while (frame := sys._current_frames()[thread.ident]).f_code.co_filename == HERE:
        pass
    yield frame
    told.put(None)
    thread.join()


def wanted_line():
    with open(HERE) as source:
        return next(number for number, line in enumerate(source, 1) if "the line that is wanted" in line)


def test_the_place_is_the_users_line_and_not_the_one_it_waits_in(waiting):
    assert place_in("".join(traceback.format_stack(waiting))) == f"{HERE}:{wanted_line()}"


def test_of_the_threads_of_another_process_it_is_the_one_that_runs_the_handler(waiting):
    with tempfile.TemporaryFile("w+") as told:
        faulthandler.dump_traceback(told, all_threads=True)
        told.seek(0)
        threads = told.read().split("\n\n")
    [of_handler] = [found for found in threads if f"line {wanted_line()} in handle" in found]
    [of_test] = [found for found in threads if "Current thread" in found]
    watch = of_handler.replace(HERE, "/app/plugins/kafka_parallel_plugins/process_pool/child.py")
    current = of_handler.replace("Thread", "Current thread", 1)
    other = place_in("\n\n".join([of_handler, of_test]))

    assert place_in("\n\n".join([watch, current])) == f"{HERE}:{wanted_line()}"
    assert other.startswith(f"{HERE}:")
    assert other != f"{HERE}:{wanted_line()}"


def test_without_a_line_of_the_user_it_is_the_innermost():
    stack = f'  File "{queue.__file__}", line 1, in a\n  File "{threading.__file__}", line 2, in b\n'

    assert place_in(stack) == f"{threading.__file__}:2"
    assert place_in("nothing is known") is None


@pytest.mark.parametrize("stack", [None, ""])
def test_what_an_executor_does_not_say_is_not_known(stack):
    items = [object(), object()]
    silent, speaks = Whereabouts(SimpleNamespace()), Whereabouts(SimpleNamespace(stack_of=lambda _: stack))

    assert silent.workers_of(items) == [None, None]
    assert silent.stack_of(items[0]) is silent.place_of(items[0]) is None
    assert speaks.stack_of(items[0]) is speaks.place_of(items[0]) is None


def test_a_batch_tells_the_partitions_of_all_its_records():
    records = [SimpleNamespace(topic="orders", partition=partition, key=None) for partition in (0, 1, 1)]
    batch = SimpleNamespace(tasks=[SimpleNamespace(record=record, offset=7, attempt=1) for record in records])

    found = running_record(batch, 5.0, None, None)

    assert (found.partition, found.batch_size) == (0, 3)
    assert found.partitions == {TopicPartition("orders", 0), TopicPartition("orders", 1)}

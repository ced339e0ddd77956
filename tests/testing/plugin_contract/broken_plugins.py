"""Plugins with one fault each, as authors make them."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from typing import ClassVar

from kafka_parallel import Skip, hookimpl
from kafka_parallel.testing import FakeConsumer


class SleepsInBackpressure:
    @hookimpl
    def on_backpressure(self, event):
        time.sleep(0.001)


class CountsUnguarded:
    def __init__(self):
        self.seen = 0

    @hookimpl(wrapper=True)
    def on_record(self, record):
        self.seen += 1
        return (yield)


class CountsInADict:
    def __init__(self):
        self.by_topic = {}

    @hookimpl
    def on_handled(self, handled):
        for record, *_ in handled:
            self.by_topic[record.topic] = self.by_topic.get(record.topic, 0) + 1


class AnswersJunk:
    @hookimpl
    def on_error(self, error):
        return "retry"


class AnswersJunkOffsets:
    @hookimpl
    def on_assign(self, partitions):
        return "all of them"


class SwallowsResults:
    @hookimpl(wrapper=True)
    def on_record(self, record):
        yield


class SwallowsErrors:
    @hookimpl(wrapper=True)
    def on_record(self, record):
        try:
            return (yield)
        except ValueError:
            return None


class LeaksAThread:
    @hookimpl
    def on_start(self, settings):
        self.over = threading.Event()
        threading.Thread(target=self.over.wait, args=(60,), name="pusher", daemon=True).start()


class LeaksAFile:
    @hookimpl
    def on_start(self, settings):
        self.file = os.open(os.devnull, os.O_RDONLY)


class LeaksALoop:
    kept: ClassVar = []

    @hookimpl
    def on_start(self, settings):
        self.kept.append(asyncio.new_event_loop())


class ChangesAnOffset:
    @hookimpl(wrapper=True)
    def on_commit(self, offsets):
        for place, offset in offsets.items():
            offsets[place] = offset._replace(offset=offset.offset + 1)
        return (yield)


class AnswersCommits:
    @hookimpl
    def on_commit(self, offsets):
        return True


class RaisesAtStop:
    @hookimpl
    def on_stop(self, settings):
        raise OSError("the connection was closed already")


class MisspellsAnArgument:
    @hookimpl
    def on_handled(self, handeld):
        pass


class MisspellsAHook:
    @hookimpl
    def on_recrod(self, record):
        pass


class ForgetsTheMark:
    @hookimpl
    def on_start(self, settings):
        pass

    def on_stop(self, settings):
        pass


class HoldsARecord:
    def __init__(self):
        self.over = threading.Event()

    @hookimpl(wrapper=True)
    def on_record(self, record):
        if record.offset == 3:
            self.over.wait(30)
        return (yield)


class ChangesRecords:
    @hookimpl(wrapper=True)
    def on_record(self, record):
        record.headers.append(("trace", b"1"))
        return (yield)


class ClosesTheConsumer:
    @hookimpl
    def on_handled(self, handled):
        for consumer in gc.get_objects():
            # Its class, and not what it says of it: a proxy whose object is gone raises.
            if issubclass(type(consumer), FakeConsumer) and consumer.__dict__.get("under_test") is not None:
                consumer.close()


class SkipsAllErrors:
    @hookimpl
    def on_error(self, error):
        return Skip("too bad")


class Unpicklable:
    @hookimpl
    def provide_child_wrapper(self, settings):
        return lambda record, context: threading.Lock()


class RemembersForAll:
    seen: ClassVar = set()

    @hookimpl
    def on_record(self, context):
        place = context.raw.topic, context.raw.partition, context.raw.offset
        if place in self.seen:
            return Skip("it was here before")
        self.seen.add(place)
        return None


class LeavesRecordsOut:
    @hookimpl
    def on_record(self, record):
        return Skip("odd") if record.offset % 2 else None


class Costly:
    @hookimpl(wrapper=True)
    def on_record(self, record):
        for number in range(5000):
            self.work(number)
        return (yield)

    def work(self, number):
        return number


class KnowsNoSecondMember:
    """Takes each revocation for the end."""

    def __init__(self):
        self.is_over = False

    @hookimpl
    def on_revoke(self, partitions):
        self.is_over = True

    @hookimpl(wrapper=True)
    def on_record(self, record):
        if self.is_over:
            raise RuntimeError("it is over")
        return (yield)


class ExpectsResults:
    @hookimpl(wrapper=True)
    def on_record(self, record):
        result = yield
        assert len(result) == 3
        return result


class TakesBegunForDone:
    """Keeps the offsets that it has seen beside the process, and tells them as done."""

    begun: ClassVar = {}

    @hookimpl(wrapper=True)
    def on_record(self, context):
        raw = context.raw
        self.begun.setdefault((raw.topic, raw.partition), set()).add(raw.offset)
        return (yield)

    @hookimpl
    def on_assign(self, partitions):
        return {place: self.begun[tuple(place)] for place in partitions if tuple(place) in self.begun}


class LocksTheHandler:
    def __init__(self):
        self.lock = threading.Lock()

    @hookimpl(wrapper=True)
    def on_record(self, record):
        with self.lock:
            return (yield)

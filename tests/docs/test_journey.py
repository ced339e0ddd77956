"""The journey of a record: every file and function that the page names exists, and one record really passes them."""

from __future__ import annotations

import importlib
import re
import threading
from operator import attrgetter
from pathlib import Path

from kafka import TopicPartition

from docs._site import picture
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer
from tests.integration.kafka_app import wait_for

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "explanation" / name for name in ("journey-of-a-record.md", "architecture.md")]
STEP = re.compile(r"^\| `(\S+\.py)` \| `([\w.]+)` \| (loop|worker) \| (-|taken|held) \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:kafka_parallel|plugins)/[\w/]+(?:\.py)?)`")


def steps():
    return STEP.findall(PAGES[0].read_text())


def calls_of_one_record():
    """Run one record; return the file, the function, the kind of thread and whether it has the lock, for each call."""
    calls, locks = [], set()

    def profile(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(ROOT)):
            if code.co_filename.endswith("locked_scheduler.py"):
                locks.update(filter(None, [getattr(frame.f_locals.get("self"), "_lock", None)]))
            has_lock = any(lock._is_owned() for lock in tuple(locks))  # another thread may add one
            calls.append((code.co_filename[len(str(ROOT)) + 1 :], code.co_name, thread_kind(), has_lock))

    cluster = FakeCluster()
    cluster.create_topic("orders", partitions=1)
    cluster.append("orders", b"1 book", key=b"alice")
    consumer = FakeConsumer("orders", cluster=cluster, group_id="billing", auto_offset_reset="earliest",
                            auto_commit_interval_ms=50)  # fmt: skip
    parallel = ParallelConsumer(consumer, workers=2)
    threading.setprofile(profile)
    try:
        parallel.start(lambda record: None)
        wait_for(lambda: parallel.statistics().committed.get(TopicPartition("orders", 0)) == 1, "the commit")
        parallel.stop()
        assert parallel.join(60_000)
    finally:
        threading.setprofile(None)
    return calls


def thread_kind():
    return "worker" if re.fullmatch(r"kafka-parallel-\d+", threading.current_thread().name) else "loop"


def test_one_record_passes_the_functions_in_the_order_of_the_page():
    expected = [(path, name.split(".")[-1], thread, lock == "held") for path, name, thread, lock in steps()]
    left = iter(calls_of_one_record())

    missing = [step for step in expected if step not in left]  # consumes the calls up to the step

    assert len(expected) > 30
    assert missing == []


def test_every_function_that_the_page_names_exists():
    for path, name, _, _ in steps():
        module = importlib.import_module(path.removeprefix("plugins/").removesuffix(".py").replace("/", "."))

        assert attrgetter(name)(module) is not None


def test_every_file_that_the_pages_name_exists():
    named = {path for page in PAGES for path in NAMED.findall(page.read_text())}

    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_picture_is_what_its_text_says():
    assert picture.PICTURE.read_text() == picture.picture(picture.SOURCE.read_text())

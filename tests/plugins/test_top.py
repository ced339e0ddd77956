"""The socket of top: what a viewer of a running consumer gets, and what neither viewers nor a bad folder can do."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
from contextlib import closing, contextmanager

import pytest
from kafka import TopicPartition

from kafka_parallel import Batch, ConfigurationError, Skip, hookimpl, top_sockets
from kafka_parallel.facts import PartitionProgress, RunningRecord
from kafka_parallel_plugins.top import Top
from kafka_parallel_plugins.top.frames import _topics
from kafka_parallel_plugins.top.recent_times import Pace
from tests.runtime.app import TOPIC, App
from tests.runtime.loop.test_run_state import PATIENCE, until

FOREVER = {"consumer_timeout_ms": float("inf")}


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "kafka-parallel"


class SkipAll:
    @hookimpl
    def on_error(self):
        return Skip("not needed")


@contextmanager
def running(plugin, handler=lambda _: None, app=None, batch=None, **options):
    with (app or App()).parallel(FOREVER, plugins=[SkipAll(), plugin], **options) as parallel:
        parallel.start(handler, batch)
        until("a socket of a run", lambda: plugin._server is not None and parallel.state == "running")
        yield parallel


@contextmanager
def viewer(plugin):
    """The frames that come at the socket."""
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.settimeout(PATIENCE)
        client.connect(str(plugin.path))
        with client.makefile("rb") as lines:
            yield map(json.loads, lines)


def frame_in_which(frames, condition):
    return next(frame for frame, _ in zip(frames, range(PATIENCE), strict=False) if condition(frame))


# Frames


def test_a_viewer_sees_partitions_and_the_record_that_holds_one(runtime_folder):
    plugin, go_on = Top(), threading.Event()

    def handle(record):
        if record.offset == 3:
            assert go_on.wait(PATIENCE)  # it is held here

    with running(plugin, handle) as parallel:
        until("all below are done", lambda: parallel.statistics().processed == 3)
        with viewer(plugin) as frames:
            frame = frame_in_which(frames, lambda found: found["partitions"] and found["partitions"][0]["lag"] == 3)
        go_on.set()

    [partition], [running_record], [topic] = frame["partitions"], frame["running"], frame["topics"]
    assert (frame["format"], frame["pid"], frame["group"], frame["state"]) == (1, os.getpid(), "g", "running")
    assert (partition["topic"], partition["partition"], partition["head_offset"]) == (TOPIC, 0, 3)
    assert (partition["unfinished"], partition["log_end"], partition["paused_by"]) == (3, 6, [])
    assert (running_record["offset"], running_record["attempt"], running_record["batch_size"]) == (3, 1, 1)
    assert running_record["running_ms"] > 0
    assert running_record["worker"]
    assert "test_top.py:" in running_record["place"]
    assert (topic["topic"], topic["running"], topic["lag"]) == (TOPIC, 1, 3)
    assert frame["statistics"]["workers"] == 2


def test_a_viewer_sees_the_pace_of_the_last_seconds():
    plugin, app = Top(), App(0)

    def handle(record):
        if record.offset % 10 == 0:
            raise ValueError("no amount")

    with running(plugin, handle, app, ordering="unordered") as parallel, viewer(plugin) as frames:
        next(frames)
        for _ in range(9):
            app.cluster.append(TOPIC, b"good", b"key", partition=0)
        until("handled", lambda: parallel.statistics().processed + parallel.statistics().failed == 9)
        frame = frame_in_which(frames, lambda found: found["topics"] and found["topics"][0]["failed_per_second"] > 0)

    [topic], [partition] = frame["topics"], frame["partitions"] or [None]
    assert topic["per_second"] > topic["failed_per_second"]
    assert 0 < topic["p50_ms"] <= topic["p99_ms"]
    assert partition is None or partition["per_second"] == topic["per_second"]


@pytest.mark.parametrize(("keys", "found"), [(False, None), (True, "key")])
def test_keys_are_shown_only_where_that_was_asked_for(keys, found):
    plugin, go_on = Top(keys=keys), threading.Event()
    with running(plugin, lambda _: go_on.wait(PATIENCE)), viewer(plugin) as frames:
        frame = frame_in_which(frames, lambda found: found["running"])
        go_on.set()

    assert frame["running"][0].get("key") == found
    assert found or '"key"' not in json.dumps(frame)


@pytest.mark.parametrize(("keys", "found"), [(False, None), (True, ["key"])])
def test_slow_keys_are_shown_only_where_that_was_asked_for(keys, found):
    plugin, app = Top(keys=keys), App(0)
    with running(plugin, lambda _: None, app) as parallel, viewer(plugin) as frames:
        next(frames)
        app.cluster.append(TOPIC, b"good", b"key", partition=0)
        until("handled", lambda: parallel.statistics().processed == 1)
        frame = frame_in_which(frames, lambda found: found["topics"] and found["topics"][0]["per_second"] > 0)

    slow = frame.get("slow_keys")
    assert (slow and [each["key"] for each in slow]) == found
    assert found or '"key"' not in json.dumps(frame)


def test_a_batch_is_one_row_with_its_size():
    plugin, go_on = Top(), threading.Event()
    batch = Batch(max_records=6, max_wait_ms=0)
    with running(plugin, lambda _: go_on.wait(PATIENCE), batch=batch), viewer(plugin) as frames:
        frame = frame_in_which(frames, lambda found: found["running"])
        go_on.set()

    assert frame["running"][0]["batch_size"] > 1
    assert frame["topics"][0]["running"] == frame["running"][0]["batch_size"]


def test_the_topics_of_a_frame_take_one_pass_over_all_partitions():
    """With a pass for each topic, a frame of 10,000 topics took 9 seconds of a core, each second."""
    passes = []

    class Counted(dict):
        def items(self):
            passes.append("items")
            return super().items()

        def __iter__(self):
            passes.append("iter")
            return super().__iter__()

    progress = Counted(
        {
            TopicPartition(topic, partition): PartitionProgress(position=5, log_end=9 if topic != "new" else None)
            for topic in ("a", "b", "new")
            for partition in range(2)
        }
    )
    running = [RunningRecord("b", 0, 5, running_ms=ms, batch_size=3) for ms in (20.0, 10.0)]

    topics = _topics(progress, {"silent": Pace()}, running)

    assert len(passes) == 1
    assert [(found["topic"], found["partitions"], found["lag"]) for found in topics] == [
        ("a", 2, 8), ("b", 2, 8), ("new", 2, None), ("silent", 0, 0)
    ]  # fmt: skip
    assert [(found["running"], found["longest_running_ms"]) for found in topics] == [
        (0, 0.0), (6, 20.0), (0, 0.0), (0, 0.0)
    ]  # fmt: skip


def test_coroutines_are_seen_too():
    plugin, go_on = Top(), threading.Event()

    async def handle(_):
        import asyncio

        while not go_on.is_set():
            await asyncio.sleep(0.01)

    with running(plugin, handle), viewer(plugin) as frames:
        frame = frame_in_which(frames, lambda found: found["running"])
        go_on.set()

    assert frame["running"][0]["worker"]


def test_nothing_is_measured_without_a_viewer():
    plugin = Top()
    with running(plugin) as parallel:
        until("handled", lambda: parallel.statistics().processed == 6)
        assert not plugin._is_watched
        assert not plugin._times._waiting
        with viewer(plugin) as frames:
            next(frames)
            assert plugin._is_watched
        until("the viewer has gone", lambda: not plugin._is_watched)


def test_a_lock_that_cannot_be_had_is_said():
    plugin = Top()
    with running(plugin) as parallel, viewer(plugin) as frames:
        next(frames)
        with parallel._engine._scheduler._lock:
            frame = frame_in_which(frames, lambda found: "unknown" in found)
        assert "lock" in frame["unknown"]
        frame_in_which(frames, lambda found: "unknown" not in found)


def test_a_view_that_cannot_be_made_is_logged_once(caplog):
    plugin = Top()
    with running(plugin) as parallel, viewer(plugin) as frames:
        parallel._engine.facts.statistics = None
        for _ in range(2):
            frame_in_which(frames, lambda found: "TypeError" in found.get("unknown", ""))
        del parallel._engine.facts.statistics
        frame_in_which(frames, lambda found: "unknown" not in found)

    assert len([record for record in caplog.records if record.exc_info]) == 1


# Viewers


def test_several_viewers_see_the_same():
    plugin = Top()
    with running(plugin), viewer(plugin) as first, viewer(plugin) as second:
        times = {frame["time_ms"] for frame, _ in zip(first, range(3), strict=False)}
        assert frame_in_which(second, lambda found: found["time_ms"] in times)


def test_what_a_viewer_sends_changes_nothing():
    plugin = Top()
    with running(plugin) as parallel, closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(plugin.path))
        client.settimeout(PATIENCE)
        client.sendall(b"stop\n" * 1000)
        with client.makefile("rb") as lines:
            assert json.loads(lines.readline())["state"] == "running"
        assert parallel.state == "running"


def test_a_viewer_that_does_not_read_is_dropped_and_others_go_on(monkeypatch):
    monkeypatch.setattr("kafka_parallel_plugins.top.VIEWER_TIMEOUT", 0.2)
    monkeypatch.setattr("kafka_parallel_plugins.top.INTERVAL", 0.01)
    plugin = Top()
    monkeypatch.setattr(
        "kafka_parallel_plugins.top.FrameMaker.make", lambda _: b'{"format":1,"x":"' + b"x" * 1_000_000 + b'"}\n'
    )
    with running(plugin), closing(socket.socket(socket.AF_UNIX)) as slow:
        slow.connect(str(plugin.path))
        until("it is watched", lambda: plugin._viewers == 1)
        with viewer(plugin) as frames:
            for _ in range(3):
                assert next(frames)["format"] == 1
            until("the slow one has gone", lambda: plugin._viewers == 1 or not next(frames))
            assert next(frames)


def test_viewers_are_sent_away_at_the_end_and_the_socket_is_removed(runtime_folder):
    plugin = Top()
    with running(plugin) as parallel, viewer(plugin) as frames:
        next(frames)
        parallel.stop()
        assert parallel.join(PATIENCE * 1000)
        assert sum(1 for _ in frames) < PATIENCE
    assert [*runtime_folder.iterdir()] == []


def test_a_server_that_dies_is_logged_and_the_consumer_goes_on(caplog):
    plugin, app = Top(), App(1)

    def die():
        raise SystemExit("on purpose")

    with running(plugin, app=app) as parallel:
        server = plugin._server
        server._loop.call_soon_threadsafe(die)
        until("dead", lambda: not server.is_alive)
        app.cluster.append(TOPIC, b"later", b"key", partition=0)
        until("handled", lambda: parallel.statistics().processed == 2)

    assert [record.levelno for record in caplog.records if "the server of top has ended" in record.message] == [
        logging.ERROR
    ]
    assert app.committed == 2


# The socket


def test_only_the_user_can_open_it(runtime_folder):
    plugin = Top()
    with running(plugin):
        assert stat.S_IMODE(plugin.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(runtime_folder.stat().st_mode) == 0o700
        assert plugin.path == runtime_folder / f"{os.getpid()}.sock"


def test_two_consumers_of_a_process_have_a_socket_each(runtime_folder):
    first, second = Top(), Top()
    with running(first), running(second):
        assert second.path == runtime_folder / f"{os.getpid()}-2.sock"
        assert top_sockets.listening(runtime_folder, os.getpid()) == sorted([first.path, second.path])
        with viewer(first) as one, viewer(second) as other:
            assert next(one)["pid"] == next(other)["pid"] == os.getpid()


def refused(plugin):
    app = App()
    error = app.run(plugins=[plugin])
    assert app.handled == []
    assert plugin.path is None
    return error


def test_a_path_that_is_too_long_refuses_the_start(tmp_path, monkeypatch):
    (tmp_path / ("x" * 100)).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))

    error = refused(Top())

    assert isinstance(error, ConfigurationError)
    assert "XDG_RUNTIME_DIR" in str(error)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_refuses_the_start(runtime_folder, mode):
    runtime_folder.mkdir()
    runtime_folder.chmod(mode)

    error = refused(Top())

    assert isinstance(error, ConfigurationError)
    assert "0700" in str(error)
    assert [*runtime_folder.iterdir()] == []


def test_one_object_serves_one_consumer():
    plugin = Top()
    with running(plugin):
        app = App()
        error = app.run(plugins=[plugin])
        assert isinstance(error, ConfigurationError)


def test_a_setting_that_cannot_work_is_refused():
    with pytest.raises(ConfigurationError, match="keys"):
        Top(keys="yes")

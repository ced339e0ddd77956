"""The command top finds the running consumer, shows it within 80 columns, and ends with it."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from contextlib import closing, contextmanager, suppress
from itertools import pairwise

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kafka_parallel import top_sockets
from kafka_parallel.cli import command
from kafka_parallel.cli.top_view import duration, number, view
from kafka_parallel_plugins.top import Top
from kafka_parallel_plugins.top.frames import unknown
from tests.cli.top_frames import frame, partition, reason, record
from tests.plugins.test_top import running
from tests.runtime.loop.test_run_state import PATIENCE, until


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "kafka-parallel"


def top(*arguments):
    return CliRunner().invoke(command(), ["top", *arguments])


# Which consumer

END = b""


@contextmanager
def sending(path, *lines):
    """A socket at *path* that sends *lines* to the first viewer, and ends."""
    top_sockets.require_private(path.parent)
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        server.listen()

        def send():
            while not is_over.is_set():
                client, _ = server.accept()
                with closing(client), suppress(OSError):  # some only look whether someone listens
                    client.sendall(b"".join(lines))

        is_over, thread = threading.Event(), threading.Thread(target=send)
        thread.start()
        yield
        is_over.set()
        assert top_sockets.is_listening(path)  # which ends its wait
        thread.join()


LINE = json.dumps(frame()).encode() + b"\n"


@pytest.mark.parametrize("named", [True, False])
def test_it_shows_the_one_that_runs_until_it_ends(runtime_folder, named):
    with sending(runtime_folder / "7.sock", LINE, LINE):
        result = top(*(["7"] if named else []))

    assert result.exit_code == 0, result.output
    assert result.output.count("billing  pid 7  running") == 2


def test_it_takes_the_path_of_a_socket(tmp_path):
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "here"))
        server.listen()
        sender = threading.Thread(target=lambda: send_once(server, LINE))
        sender.start()
        result = top(str(tmp_path / "here"), "--json")
        sender.join()

    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in result.output.splitlines()] == [frame()]


def send_once(server, line):
    client, _ = server.accept()
    with closing(client):
        client.sendall(line)


def test_without_a_consumer_it_says_what_to_do(runtime_folder):
    result = top()

    assert result.exit_code == 1
    assert "give the consumer the plugin top" in result.output
    assert str(runtime_folder.parent) in result.output.replace("\n", "")


@pytest.mark.parametrize("which", ["4711", "nowhere/x.sock"])
def test_a_consumer_that_does_not_run_is_named(which):
    result = top(which)

    assert result.exit_code == 1
    assert which in result.output


def test_a_name_that_is_neither_is_told_what_could_be_given(runtime_folder):
    result = top("billing")

    assert result.exit_code == 1
    assert "'billing' is neither the number of a process nor a socket" in " ".join(result.output.split())


def test_of_several_one_has_to_be_named(runtime_folder):
    with sending(runtime_folder / "7.sock", LINE), sending(runtime_folder / "8.sock", LINE):
        result = top()

    assert result.exit_code == 2
    assert "7.sock" in result.output
    assert "8.sock" in result.output


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"hello\n", "7.sock is no socket of the plugin top"),
        (b"[]\n", "no socket of the plugin top"),
        (b'{"format": 99, "version": "9.0"}\n', "9.0"),
    ],
)
def test_another_server_is_refused(runtime_folder, line, complaint):
    with sending(runtime_folder / "7.sock", line):
        result = top("7")

    assert result.exit_code == 1
    assert complaint in result.output


def test_it_shows_a_real_consumer():
    plugin, go_on = Top(), threading.Event()

    with running(plugin, lambda _: go_on.wait(PATIENCE)) as parallel:
        until("a record runs", lambda: parallel.statistics().in_flight > 0)
        results = []
        viewing = threading.Thread(target=lambda: results.append(top(str(os.getpid()))))
        viewing.start()
        until("it looks", lambda: plugin._viewers == 1)
        for _ in range(2):  # the first change begins a frame, the second one comes after it
            seen = plugin._next
            until("it has seen a frame", lambda seen=seen: plugin._next is not seen)
        go_on.set()
        parallel.stop()
        viewing.join()

    [result] = results
    assert result.exit_code == 0, result.output
    assert "t[0]@0" in result.output
    assert "test_top.py" in result.output


# What is shown


def shown(found, width=80, height=None):
    console = Console(width=width, file=open(os.devnull, "w"), record=True)  # noqa: SIM115
    with console.file:
        console.print(view(found, width, height))
    return console.export_text()


MANY = frame(
    reasons=[reason("handler", partition=n, sentence="it stands still " * 20) for n in range(10)],
    partitions=[partition(f"a-topic-with-a-long-name-{n % 7}", n, lag=n * 1000, per_second=n / 3) for n in range(200)],
    running=[record(f"a-topic-with-a-long-name-{n % 7}", n, running_ms=n * 777.7, worker=f"kp-{n}") for n in range(64)],
)


SLOW = [{"topic": "t" * 99, "partition": n, "key": "k" * 99, "handling_ms": 1.0, "share": 0.2} for n in range(5)]


@pytest.mark.parametrize(
    "found", [frame(), MANY, frame(partitions=[], running=[], topics=[]), {**MANY, "slow_keys": SLOW}]
)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 50), (80, None), (200, 60)])
def test_it_fits_the_terminal(found, width, height):
    lines = shown(found, width, height).splitlines()

    assert max(map(len, lines)) <= width
    assert height is None or len(lines) <= height


def test_the_worst_partitions_and_the_slowest_records_come_first():
    text = shown(MANY, height=40)

    assert text.index("…[199]") < text.index("…[198]")
    assert "kp-63" in text
    assert "kp-1 " not in text
    assert " of 200" in text


def test_the_numbers_of_a_partition_are_in_its_row():
    [row] = [line for line in shown(frame()).splitlines() if re.match(r"orders\[3\] +\d", line)]

    assert " ".join(row.split()) == "orders[3] 12.5 8.00 ms 1.50 s 9958 41 handler for 1.02 min"


def test_the_numbers_of_a_topic_are_in_its_row():
    [row] = [line for line in shown(frame()).splitlines() if line.startswith("orders ")]

    assert " ".join(row.split()) == "orders 12.5 0 8.00 ms 1.50 s 1 1.02 min 9958"


@pytest.mark.parametrize(
    ("changes", "reasons", "text"),
    [
        ({"paused_by": ["bytes"]}, [], "paused: bytes"),
        ({"paused_by": ["bytes"]}, [reason("handler", lasts_ms=8000)], "handler for 8.00 s"),
        ({"paused_by": ["bytes"]}, [reason("retry", lasts_ms=0), reason("bytes")], "retry"),
        ({}, [reason("handler", partition=4)], "offset 1042"),
        ({"unfinished": 0, "head_offset": None, "lag": 0}, [], "idle"),
        ({"paused_by": ["records"]}, [reason("records", lasts_ms=0)], "buffer full"),
        ({"paused_by": ["bytes"]}, [reason("bytes", lasts_ms=0)], "buffer full"),
    ],
)
def test_a_row_says_why_its_partition_does_not_go_on(changes, reasons, text):
    found = frame(partitions=[partition("orders", 3, **changes)], running=[], reasons=reasons)

    [row] = [line for line in shown(found).splitlines() if re.match(r"orders\[3\] +\d", line)]
    assert row.rstrip().endswith(text)


def test_slow_keys_have_a_table_of_their_own_if_they_are_told():
    found = {"topic": "orders", "partition": 3, "key": "alice\x1b[2J", "handling_ms": 61_000.0, "share": 0.424}

    text = shown(frame(slow_keys=[found]))

    assert "slow keys: 1" in text
    [row] = [line for line in text.splitlines() if "alice" in line]
    assert row.split()[-5:] == ["orders[3]", "1.02", "min", "42", "%"]
    assert "\x1b" not in text
    assert "slow keys" not in shown(frame())


def test_the_worst_reasons_are_shown_as_sentences():
    sentence = "orders[3] stands at offset 1042 for 61 s: its handler runs; 9,958 records above it are done"
    text = shown(frame(reasons=[reason("handler", sentence=sentence), *[reason("bytes")] * 5]))

    assert sentence in " ".join(text.split())


def test_an_error_is_in_the_head():
    text = shown(frame(state="failed", error="RecordFailed"))

    assert "failed by RecordFailed" in text


def test_a_moment_of_which_nothing_is_known_says_why():
    assert "lock" in shown(json.loads(unknown("the lock could not be had")))


def test_names_and_keys_cannot_do_anything_to_the_terminal():
    evil = "\x1b[2J[red]x[/red]"
    found = frame(
        group=evil,
        topics=[{**frame()["topics"][0], "topic": evil}],
        partitions=[partition(evil, 0, paused_by=[evil])],
        running=[record(evil, 0, worker=evil, place=evil, key=evil)],
        reasons=[reason("handler", sentence=evil, topic=evil, partition=0)],
    )

    text = shown(found, 200)
    assert "\x1b" not in text
    assert "[red]" in text


# Numbers and durations


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (None, "-"), (12.5, "12.5"), (99.96, "100"), (9958, "9958"), (12_345, "12.3k"), (123_456_789, "123M")],
)
def test_a_number_is_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (0, "0.00 us"), (0.012, "12.0 us"), (0.9999, "1000 us"), (8, "8.00 ms"), (999.96, "1000 ms"),
        (1500, "1.50 s"), (61_000, "1.02 min"), (7_200_000, "2.00 h"), (360_000_000, "100 h"),
    ],
)  # fmt: skip
def test_a_duration_has_the_unit_that_people_read(value, text):
    assert duration(value) == text


@given(st.floats(0, 1e15))
def test_no_number_is_cut(value):
    assert len(number(value)) <= 7
    assert len(duration(value)) <= 16


def test_units_grow_with_the_value():
    units = ["us", "ms", "s", "min", "h"]
    found = [units.index(duration(10.0**power).split()[1]) for power in range(-3, 8)]

    assert all(before <= after for before, after in pairwise(found))
    assert found[-1] == 4

"""The answers of health in the situations of a consumer on a fake cluster, over real sockets, and its own failures."""

from __future__ import annotations

import itertools
import json
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection

import pytest

from kafka_parallel import ConfigurationError, Skip, hookimpl
from kafka_parallel_plugins.health import Health
from tests.runtime.app import TOPIC, App
from tests.runtime.loop.test_run_state import PATIENCE, until

FOREVER = {"consumer_timeout_ms": float("inf")}


@pytest.fixture
def health():
    """Makes plugins that listen at a free port; closes them all."""
    made = []

    def make(**settings):
        made.append(Health(**{"port": 0, **settings}))
        return made[-1]

    yield make
    for plugin in made:
        plugin.close()


def ask(plugin, path, method="GET"):
    """The status and the body of the answer."""
    with closing(HTTPConnection(*plugin.address, timeout=PATIENCE)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else {}


def failing(plugin, path):
    """The names of the checks that fail; none if the answer is 200."""
    status, body = ask(plugin, path)
    found = [check["name"] for check in body["checks"] if not check["ok"]]
    assert status == (503 if found else 200)
    assert body["status"] == ("fail" if found else "ok")
    return found


@contextmanager
def running(plugin, app=None, handler=lambda _: None, **options):
    """A consumer that runs for ever, with *plugin*."""
    parallel = (app or App()).parallel(FOREVER, plugins=[plugin, *options.pop("plugins", ())], **options)
    with parallel:
        parallel.start(handler)
        until("an answer", lambda: plugin.address is not None)
        yield parallel


def until_ready(plugin):
    until("ready", lambda: failing(plugin, "/readyz") == [])


# Situations


def test_a_consumer_that_runs_is_alive_ready_and_started(health):
    plugin, app = health(), App(6)
    with running(plugin, app) as parallel:
        until_ready(plugin)
        until("handled", lambda: parallel.statistics().processed == 6)

        for path in ("/livez", "/readyz", "/startupz"):
            assert failing(plugin, path) == []
        status, body = ask(plugin, "/livez")

    assert (status, body["partitions"], body["in_flight"], body["stopping"]) == (200, 1, 0, False)
    assert body["pid"] == os.getpid()
    assert body["version"]
    assert [check["name"] for check in body["checks"]] == ["run", "poll"]


def test_a_member_without_partitions_is_ready(health):
    plugin, app = health(), App()
    owner = app.consumer(**FOREVER)
    until("the owner has it", lambda: owner.poll(10) or owner.assignment())
    beats = threading.Event()

    def poll_until_over():
        while not beats.wait(0.01):
            owner.poll(10)

    polling = threading.Thread(target=poll_until_over)
    polling.start()
    try:
        with running(plugin, app):
            until_ready(plugin)
            assert ask(plugin, "/readyz")[1]["partitions"] in {0, 1}
            assert failing(plugin, "/startupz") == failing(plugin, "/livez") == []
    finally:
        beats.set()
        polling.join()
        owner.close()


@pytest.mark.parametrize(("is_ready", "found"), [(True, []), (False, ["throttle"])])
def test_an_open_circuit_breaker(health, is_ready, found):
    class SkipAll:
        @hookimpl
        def on_error(self):
            return Skip("it is down")

    def refuse(_):
        raise ConnectionError("down")

    plugin = health(ready_when_throttled=is_ready)
    breaker = ("circuit-breaker", {"open_on": [ConnectionError], "probe_after_ms": 3_600_000})
    with running(plugin, handler=refuse, plugins=[SkipAll(), breaker]) as parallel:
        until("open", lambda: parallel.statistics().throttled == {"circuit-breaker": 0})
        until("the verdict", lambda: failing(plugin, "/readyz") == found)
        assert failing(plugin, "/livez") == []


def test_lag_is_no_reason_to_restart(health):
    plugin, app, go_on = health(partition_stall_ms=60_000), App(200), threading.Event()
    with running(plugin, app, lambda _: go_on.wait(PATIENCE), workers=1, max_buffered_records=2):
        until_ready(plugin)
        assert failing(plugin, "/livez") == failing(plugin, "/readyz") == []
        go_on.set()


def test_a_rebalance_that_waits_is_no_reason_to_restart(health):
    plugin, app, begun, go_on = health(poll_stall_ms=1_000), App(1), threading.Event(), threading.Event()

    def handle(_):
        begun.set()
        go_on.wait(PATIENCE)

    with running(plugin, app, handle, revoke_timeout_ms=60_000) as parallel:
        assert begun.wait(PATIENCE)
        second = app.consumer()
        joining = threading.Thread(target=lambda: second.poll(1000))
        joining.start()
        until("the loop stays in poll()", lambda: (parallel.statistics().since_poll_ms or 0) > 1_500)
        assert failing(plugin, "/livez") == []
        go_on.set()
        joining.join()
        second.close()


def test_a_stop_makes_it_unready_at_once_and_leaves_it_alive(health):
    plugin, app, begun, go_on = health(), App(1), threading.Event(), threading.Event()

    def handle(_):
        begun.set()
        go_on.wait(PATIENCE)

    with running(plugin, app, handle) as parallel:
        assert begun.wait(PATIENCE)
        until_ready(plugin)
        parallel.stop()
        assert "stop" in failing(plugin, "/readyz")
        status, body = ask(plugin, "/livez")
        assert (status, body["stopping"]) == (200, True)
        go_on.set()


def test_a_handler_that_is_stuck_fails_it_where_that_was_asked_for(health, tmp_path):
    plugin, go_on = health(handler_stall_ms=50, file=tmp_path / "alive"), threading.Event()
    with running(plugin, handler=lambda _: go_on.wait(PATIENCE)):
        until("stuck", lambda: failing(plugin, "/livez") == ["handler"])
        assert failing(plugin, "/readyz") == []
        assert plugin._file._alive() is None
        go_on.set()
        until("well again", lambda: failing(plugin, "/livez") == [])


def test_a_handler_that_is_stuck_leaves_it_alive_else(health):
    plugin, go_on = health(), threading.Event()
    with running(plugin, handler=lambda _: go_on.wait(PATIENCE)) as parallel:
        until("stuck", lambda: parallel.statistics().longest_running_ms > 200)
        assert failing(plugin, "/livez") == []
        go_on.set()


def test_a_loop_that_does_not_come_round_fails_it(health):
    plugin, go_on = health(poll_stall_ms=1_000), threading.Event()

    class Blocks:
        @hookimpl
        def on_backpressure(self):
            go_on.wait(PATIENCE)

    held = threading.Event()
    with running(
        plugin, App(200), lambda _: held.wait(PATIENCE), plugins=[Blocks()], workers=1, max_buffered_records=2
    ):
        until("the loop stands", lambda: failing(plugin, "/livez") == ["poll"])
        go_on.set()
        until("it goes on", lambda: failing(plugin, "/livez") == [])
        held.set()


def test_a_run_that_has_ended_is_dead_and_the_file_of_its_life_is_left_alone(health, tmp_path):
    plugin = health(file=tmp_path / "alive")
    with running(plugin):
        until("the file", (tmp_path / "alive").exists)
    written = (tmp_path / "alive").stat().st_mtime_ns

    assert failing(plugin, "/livez") == ["run"]
    assert failing(plugin, "/readyz") == ["run", "stop"]
    assert (tmp_path / "alive").stat().st_mtime_ns == written
    assert {found.name for found in tmp_path.iterdir()} == {"alive", ".alive.lock"}
    assert json.loads((tmp_path / "alive").read_text())["status"] == "ok"


def test_a_run_that_has_failed_says_by_which_error(health):
    def refuse(_):
        raise ValueError("card 4242")

    plugin, parallel = health(), None
    parallel = App(1).parallel(FOREVER, plugins=[plugin])
    with pytest.raises(Exception, match="4242"):
        parallel.run(refuse)

    status, body = ask(plugin, "/livez")
    [run] = [check for check in body["checks"] if check["name"] == "run"]
    assert (status, run["detail"]) == (503, "RecordFailed")
    assert "4242" not in json.dumps(body)


def test_a_start_that_is_not_finished_is_alive_and_neither_started_nor_ready(health):
    plugin, go_on = health(), threading.Event()

    class Slow:
        @hookimpl
        def on_start(self):
            go_on.wait(PATIENCE)

    with running(plugin, plugins=[Slow()]):
        assert failing(plugin, "/livez") == []
        assert failing(plugin, "/startupz") == ["assignment"]
        assert failing(plugin, "/readyz") == ["assignment"]
        go_on.set()
        until_ready(plugin)


def test_a_lock_that_cannot_be_had_is_said_within_the_time_of_a_probe(health, tmp_path):
    plugin = health(file=tmp_path / "alive")
    with running(plugin) as parallel:
        until("the file", (tmp_path / "alive").exists)
        with parallel._engine._scheduler._lock:
            for path in ("/livez", "/readyz", "/startupz"):
                assert failing(plugin, path) == ["lock"]
            held = (tmp_path / "alive").stat().st_mtime_ns
            assert failing(plugin, "/livez") == ["lock"]
            assert (tmp_path / "alive").stat().st_mtime_ns == held
        until("free again", lambda: failing(plugin, "/livez") == [])
        waiting = [thread for thread in threading.enumerate() if thread.name == "kafka-parallel-health-facts"]
        assert len(waiting) <= 1


def test_the_body_says_why_the_run_does_not_go_on(health):
    plugin, go_on = health(), threading.Event()
    with running(plugin, handler=lambda _: go_on.wait(PATIENCE)):
        until("a reason", lambda: any("t[0]" in found for found in ask(plugin, "/livez")[1]["sentences"]))
        assert not any("key" in found for found in ask(plugin, "/livez")[1]["sentences"])
        go_on.set()


def test_reasons_that_cannot_be_had_fail_no_probe(health, caplog):
    plugin = health()
    with running(plugin) as parallel:
        until_ready(plugin)
        parallel._engine.facts.explain = None
        for _ in range(2):
            status, body = ask(plugin, "/livez")
            assert (status, body["sentences"]) == (200, [])

    assert len([record for record in caplog.records if "facts about the consumer" in record.message]) == 1


def test_reasons_that_take_too_long_keep_no_probe_waiting(health):
    plugin, go_on = health(), threading.Event()
    with running(plugin) as parallel:
        until_ready(plugin)
        parallel._engine.facts.explain = lambda: go_on.wait(PATIENCE) and []
        for path in ("/livez", "/readyz", "/startupz"):
            assert failing(plugin, path) == []
        go_on.set()


def test_facts_that_raise_are_logged_once_and_the_probe_is_answered(health, caplog):
    plugin = health()
    with running(plugin) as parallel:
        until_ready(plugin)
        parallel._engine.facts.statistics = None
        assert failing(plugin, "/livez") == failing(plugin, "/readyz") == ["facts"]
        del parallel._engine.facts.statistics
        until("well again", lambda: failing(plugin, "/livez") == [])

    [line] = [record for record in caplog.records if "facts about the consumer" in record.message]
    assert line.exc_info


# Start


def refused(*plugins, **config):
    """The error with which a start is refused; nothing was taken."""
    app = App()
    error = app.run(plugins=list(plugins), **config)
    assert app.handled == []
    return error


def test_a_port_in_use_refuses_the_start(health):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        error = refused(health(port=port))

    assert isinstance(error, ConfigurationError)
    assert f"port={port}" in str(error)
    assert "a port of its own" in str(error)


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid"])
def test_a_host_that_is_not_ours_refuses_the_start(health, host):
    error = refused(health(host=host))

    assert isinstance(error, ConfigurationError)
    assert host in str(error)
    assert "Unknown error" not in str(error)


def test_two_consumers_of_a_process_need_a_file_each(health, tmp_path):
    (tmp_path / "folder").mkdir()
    first, second = health(file=tmp_path / "alive"), health(file=tmp_path / "folder" / ".." / "alive")
    with running(first):
        error = refused(second)

        assert isinstance(error, ConfigurationError)
        assert "a file of its own" in str(error)
        assert second.address is None


HOLDS = """
import sys
from pathlib import Path
from kafka_parallel_plugins.health.health_file import HealthFile
file = HealthFile(Path(sys.argv[1]), lambda: None)
print("held", flush=True)
sys.stdin.read()
"""


def test_two_processes_need_a_file_each_until_one_of_them_is_killed(health, tmp_path):
    path = tmp_path / "alive"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"

        error = refused(health(file=path))
        other.kill()
        other.wait(PATIENCE)

    assert isinstance(error, ConfigurationError)
    assert "another process" in str(error)
    assert "a file of its own" in str(error)
    with running(plugin := health(file=path)):
        until_ready(plugin)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_a_lock_file_of_others_refuses_no_start(health, tmp_path, kind):
    lock = tmp_path / ".alive.lock"
    {"symlink": lambda: lock.symlink_to(tmp_path / "precious"), "fifo": lambda: os.mkfifo(lock), "folder": lock.mkdir}[
        kind
    ]()

    with running(plugin := health(file=tmp_path / "alive")):
        until_ready(plugin)
    assert not (tmp_path / "precious").exists()


def test_the_next_run_gets_the_file_of_the_one_that_ended(health, tmp_path):
    for plugin in (health(file=tmp_path / "alive"), health(file=tmp_path / "alive")):
        with running(plugin):
            until_ready(plugin)


def test_a_handler_may_not_stall_before_its_time_is_over(health):
    error = refused(health(handler_stall_ms=5_000), handler_timeout_ms=6_000)

    assert isinstance(error, ConfigurationError)
    assert "handler_stall_ms=5000" in str(error)
    assert "handler_timeout_ms=6000" in str(error)


def test_two_consumers_of_a_process_need_a_port_each(health):
    first = health()
    with running(first):
        error = refused(health(port=first.address[1]))

        assert isinstance(error, ConfigurationError)
        assert failing(first, "/livez") == []


def test_the_next_run_gets_the_port_of_the_one_that_ended(health):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    first, second = health(port=port), health(port=port)
    with running(first):
        until_ready(first)
    assert failing(first, "/livez") == ["run"]

    with running(second):
        until_ready(second)
        assert failing(second, "/livez") == []


def test_of_runs_with_any_free_port_the_last_alone_keeps_its_server(health):
    """Each keeps a thread, a socket and the whole consumer, and no later run needs the port."""
    plugins = [health() for _ in range(3)]
    with ExitStack() as stack:
        for plugin in plugins:
            stack.enter_context(running(plugin))
    first, second, last = (plugin._server._server for plugin in plugins[::-1])  # in the order of their ends

    assert failing(plugins[0], "/livez") == ["run"]
    assert (first.is_alive, second.is_alive, last.is_alive) == (False, False, True)


def test_a_start_that_another_plugin_refuses_leaves_the_port_free(health, tmp_path):
    plugin = health(file=tmp_path / "alive")

    class Refuses:
        @hookimpl
        def on_start(self):
            raise ValueError("no licence")

    error = refused(plugin, Refuses())

    assert "no licence" in str(error)
    assert plugin.address is None


@pytest.mark.parametrize("obstacle", ["symlink", "fifo"])
@pytest.mark.parametrize("name", ["alive", ".alive.PID.tmp", ".alive.00.tmp"])
def test_no_symlink_or_fifo_of_others_is_opened(health, tmp_path, monkeypatch, name, obstacle):
    tokens = itertools.chain(["00"], itertools.repeat("01"))
    monkeypatch.setattr("secrets.token_hex", lambda _: next(tokens))
    precious = tmp_path / "precious"
    precious.write_text("data of the service")
    os.utime(precious, (0, 0))
    if name != ".alive.00.tmp":
        next(tokens)
    place = tmp_path / name.replace("PID", str(os.getpid()))
    if obstacle == "symlink":
        place.symlink_to(precious)
    else:
        os.mkfifo(place)

    file = tmp_path / "alive"
    if name == ".alive.00.tmp":  # it has been guessed: the start is refused, and nothing is written there
        assert isinstance(refused(health(file=file)), ConfigurationError)
    else:
        with running(health(file=file)):
            until("the file", lambda: file.is_file() and not file.is_symlink())

    assert (precious.read_text(), precious.stat().st_mtime) == ("data of the service", 0)
    assert [found.name for found in tmp_path.glob(".alive.01.tmp")] == []


def test_the_file_has_the_rights_that_the_umask_leaves(health, tmp_path):
    before = os.umask(0o027)
    try:
        with running(health(file=tmp_path / "alive")):
            until("the file", (tmp_path / "alive").exists)
    finally:
        os.umask(before)
    assert (tmp_path / "alive").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("place", ["missing/alive", ".", "a-file/alive"])
def test_a_file_that_cannot_be_written_refuses_the_start(health, tmp_path, place):
    (tmp_path / "a-file").touch()
    plugin = health(file=tmp_path / place)

    error = refused(plugin)

    assert isinstance(error, ConfigurationError)
    assert str(tmp_path) in str(error)
    assert plugin.address is None


class RaisesAlways(logging.Handler):
    def emit(self, record):
        if not record.name.startswith("kafka."):  # the client's own lines would fail without a run as well
            raise RuntimeError("a log handler of the application")


def test_a_log_handler_that_raises_at_level_debug_refuses_no_start(health):
    """The event loop of the server's thread logs a line when it is made."""
    root, handler = logging.getLogger(), RaisesAlways()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with running(plugin := health()):
            until_ready(plugin)
        plugin.close()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert logging.getLogger("asyncio").filters == []


@pytest.mark.parametrize(
    "settings",
    [
        {"port": -1}, {"port": 65_536}, {"port": True}, {"port": "8080"}, {"port": None}, {"host": ""}, {"host": None},
        {"file": 3}, {"poll_stall_ms": 0}, {"poll_stall_ms": 60}, {"poll_stall_ms": None},
        {"handler_stall_ms": float("inf")}, {"partition_stall_ms": 59_999}, {"partition_stall_ms": "1"},
        {"ready_when_throttled": 1},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused_by_its_name(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Health(**settings)


# Clients


def test_a_head_has_the_status_and_no_body(health):
    plugin = health()
    with running(plugin):
        until_ready(plugin)
        assert ask(plugin, "/livez", "HEAD") == (200, {})
    assert ask(plugin, "/livez", "HEAD") == (503, {})


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/", 404), ("GET", "/livez/", 404), ("GET", "/stop", 404), ("HEAD", "/", 404), ("POST", "/stop", 404),
    ("POST", "/livez", 405), ("DELETE", "/readyz", 405), ("PUT", "/startupz", 405), ("GET", "/livez?verbose", 200),
])  # fmt: skip
def test_everything_else_is_refused(health, method, path, status):
    plugin = health()
    with running(plugin):
        assert ask(plugin, path, method)[0] == status


def test_a_refused_body_takes_no_answer_away(health):
    plugin = health()
    with running(plugin), closing(HTTPConnection(*plugin.address, timeout=PATIENCE)) as connection:
        connection.request("POST", "/livez", body=b"x" * 5_000_000)
        response = connection.getresponse()
        assert (response.status, response.getheader("Allow")) == (405, "GET, HEAD")


def exchange(plugin, request):
    """All bytes that come back for *request*, up to the end."""
    with socket.create_connection(plugin.address, timeout=PATIENCE) as client:
        client.sendall(request)
        found = b""
        while block := client.recv(4096):
            found += block
        return found


@pytest.mark.parametrize("request_", [b"hello\r\n\r\n", b"GET /livez\r\n\r\n", b"\r\n\r\n", b"\xff\xfe\x00 \r\n\r\n"])
def test_bytes_that_are_no_request_are_refused(health, request_):
    plugin = health()
    with running(plugin):
        assert exchange(plugin, request_).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("request_", [b"", b"GET /livez HTTP/1.1\r\n", b"GET /" + b"x" * 100_000])
def test_a_request_that_does_not_end_is_closed_without_an_answer(health, request_):
    plugin = health()
    with running(plugin):
        with suppress(ConnectionResetError):
            assert exchange(plugin, request_) == b""
        assert ask(plugin, "/livez")[0] == 200


def test_a_thousand_slow_connections_keep_no_probe_waiting(health):
    plugin = health()
    with running(plugin):
        until_ready(plugin)
        clients = []
        try:
            for number in range(1000):
                client = socket.create_connection(plugin.address, timeout=PATIENCE)
                client.sendall(b"G")
                clients.append(client)
                if number % 100 == 0:
                    assert failing(plugin, "/livez") == []
                while len(clients) > 200:  # our own files are bounded too
                    clients.pop(0).close()
            assert failing(plugin, "/livez") == []
            assert len(plugin._server._server._connections) < 100
        finally:
            for client in clients:
                client.close()


# Its own failures


def test_a_server_that_dies_is_logged_and_the_consumer_goes_on(health, caplog):
    plugin, app = health(), App(1)

    def die():
        raise SystemExit("on purpose")

    with running(plugin, app) as parallel:
        until_ready(plugin)
        server = plugin._server._server
        server._loop.call_soon_threadsafe(die)
        until("dead", lambda: not server.is_alive)
        app.cluster.append(TOPIC, b"later", b"key", partition=0)
        until("handled", lambda: parallel.statistics().processed == 2)

    assert [record.levelno for record in caplog.records if "the health server has ended" in record.message] == [
        logging.ERROR
    ]
    assert app.committed == 2


FULL_DISK = """
import logging, resource, sys, threading
from kafka_parallel_plugins.health import Health
from tests.runtime.app import App

logging.basicConfig(level=logging.WARNING)
file = sys.argv[1]
app, plugin, seen = App(50), Health(port=None, file=file), threading.Event()


class Log(logging.Handler):
    def emit(self, record):
        if "health file" in record.getMessage():
            seen.set()


logging.getLogger("kafka_parallel_plugins").addHandler(Log())
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def handle(record):
    if record.offset == 25:
        assert seen.wait(60), "it was never told that the file cannot be written"


error = app.run(app.handle(handle), plugins=[plugin], consumer={"consumer_timeout_ms": 2000})
assert error is None, error
assert app.committed == 50, app.committed
"""


@pytest.mark.parametrize(("exists", "consequence"), [(True, "only its time is set"), (False, "it grows old")])
def test_a_disk_that_is_full_costs_no_record_and_no_commit(tmp_path, exists, consequence):
    file = tmp_path / "alive"
    if exists:
        file.touch()
        os.utime(file, (0, 0))

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, check=False, timeout=PATIENCE * 5
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written") == 1
    assert consequence in done.stderr
    assert {found.name for found in tmp_path.iterdir()} - {".alive.lock"} == ({"alive"} if exists else set())
    assert not exists or file.stat().st_mtime > 0
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0

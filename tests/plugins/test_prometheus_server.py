"""The server begins before the first record and ends with the run; a library that misbehaves costs no record."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest

from kafka_parallel import ConfigurationError, PluginError, Skip, hookimpl
from kafka_parallel_plugins.prometheus import Prometheus
from tests.plugins.test_prometheus import values
from tests.runtime.app import App
from tests.runtime.loop.test_run_state import until

prometheus_client = pytest.importorskip("prometheus_client")
server = pytest.importorskip("kafka_parallel_plugins.prometheus.server")


def plugin(**settings):
    return Prometheus(**{"registry": prometheus_client.CollectorRegistry(), **settings})


def scrape(found, path="metrics"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{found.port}/{path}", timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        raise


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Meanwhile:
    """Calls *act* from the handler of the third record, once."""

    def __init__(self, act):
        self._act, self.error = act, None

    def __call__(self, record):
        if record.offset == 3:
            try:
                self._act()
            except Exception as error:
                self.error = error


class Collector:
    """Another collector of the same registry."""

    def __init__(self, collect):
        self.collect = collect

    def describe(self):
        return []


class TestTheServer:
    def test_it_serves_from_the_start_to_the_end(self):
        found, said, ports = plugin(port=0), [], []

        def look():
            said.append(scrape(found))
            ports.append(found.port)

        app, meanwhile = App(20), Meanwhile(look)
        assert found.port is None
        assert app.run(meanwhile, plugins=[found], workers=1) is None

        assert meanwhile.error is None
        assert "kafka_parallel_workers{" in said[0]
        assert len(app.handled) == app.committed == 20
        assert found.port is None
        assert not is_open(ports[0])

    def test_without_a_port_it_serves_nothing_and_the_registry_has_the_numbers(self):
        found, app = plugin(), App(20)

        assert app.run(plugins=[found]) is None

        assert found.port is None
        counted = {
            dict(labels)["outcome"]: value
            for (name, labels), value in values(found._registry).items()
            if name == "kafka_parallel_records_total"
        }
        assert counted == {"handled": 20, "skipped": 0, "dead_lettered": 0, "halted": 0}

    def test_the_run_after_it_gets_the_same_port(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        for _ in range(2):
            assert App().run(plugins=[plugin(port=port)]) is None

    def test_it_listens_at_the_loopback_alone(self):
        found, hosts = plugin(port=0), []
        App().run(Meanwhile(lambda: hosts.append(found._server._server.server_address[0])), plugins=[found])

        assert hosts == ["127.0.0.1"]

    def test_a_client_that_says_nothing_does_not_hold_up_the_end(self):
        found, clients = plugin(port=0), []

        def connect():
            clients.append(socket.create_connection(("127.0.0.1", found.port), timeout=30))

        app = App(20)
        assert app.run(Meanwhile(connect), plugins=[found]) is None
        clients[0].close()
        assert app.committed == 20


def threads_of_clients():
    return [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


class TestSlowClients:
    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch):
        monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)

    def connect(self, port, stack):
        """Begin a request and do not end it."""
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        client.sendall(b"GET /metrics HT")
        return client

    def test_they_are_bounded_in_number_keep_no_scrape_out_and_end_with_the_run(self, monkeypatch):
        monkeypatch.setattr(server, "CLIENT_TIMEOUT", 600)
        found, kept, told = plugin(port=0), [], []

        def look():
            clients = [self.connect(found.port, stack) for _ in range(9)]
            assert "kafka_parallel_workers{" in scrape(found)
            until("the oldest have ended", lambda: len(threads_of_clients()) <= 3)
            told.append([client.recv(1) for client in clients[:6]])
            clients[-1].sendall(b"TP/1.0\r\n\r\n")
            kept.append(clients[-1].recv(12))

        app, meanwhile = App(20), Meanwhile(look)
        with ExitStack() as stack:
            assert app.run(meanwhile, plugins=[found], workers=1) is None

            assert meanwhile.error is None
            assert kept == [b"HTTP/1.0 200"]
            assert told == [[b""] * 6]
            until("the others have ended with the run", lambda: not threads_of_clients())

    def test_one_that_sends_nothing_more_is_dropped_in_silence(self, monkeypatch, capfd):
        monkeypatch.setattr(server, "CLIENT_TIMEOUT", 0.05)
        found = plugin(port=0)

        def wait_for_the_end():
            with ExitStack() as stack:
                assert self.connect(found.port, stack).recv(1) == b""

        app, meanwhile = App(20), Meanwhile(wait_for_the_end)
        assert app.run(meanwhile, plugins=[found]) is None

        assert meanwhile.error is None
        assert capfd.readouterr().err == ""


class TestRefusedStarts:
    def refused(self, found):
        """The error of a start that takes nothing."""
        app = App()
        error = app.run(plugins=[found])
        assert app.handled == []
        assert app.committed == 0
        return error

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            found = plugin(port=port)

            error = self.refused(found)

        assert isinstance(error, ConfigurationError)
        assert f"cannot listen at host='127.0.0.1', port={port}: " in str(error)
        assert "another program listens there: set a free port" in str(error)
        assert values(found._registry) == {}

    @pytest.mark.parametrize(
        ("is_shared", "hint"),
        [
            (True, "its scrape has the metrics of both: leave port out here"),
            (False, "have a registry each: set another port"),
        ],
    )
    def test_a_port_of_another_consumer_of_this_process_leaves_that_one_alone(self, is_shared, hint):
        first, second = plugin(port=0), []

        def start_another():
            other = {"registry": first._registry} if is_shared else {}
            second.append(self.refused(plugin(port=first.port, **other)))
            scrape(first)

        app, meanwhile = App(), Meanwhile(start_another)
        assert app.run(meanwhile, plugins=[first]) is None
        assert meanwhile.error is None
        assert isinstance(second[0], ConfigurationError)
        assert hint in str(second[0])

    @pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
    def test_a_host_that_is_not_ours(self, host):
        error = self.refused(plugin(port=0, host=host))

        assert isinstance(error, ConfigurationError)
        assert f"host='{host}'" in str(error)
        assert "host must be an address of this machine" in str(error)

    def test_a_registry_that_raises(self):
        class Broken(prometheus_client.CollectorRegistry):
            def register(self, collector):
                raise KeyError("s3cr3t")

        error = self.refused(Prometheus(registry=Broken()))

        assert isinstance(error, PluginError)
        assert "the registry raised KeyError" in str(error)

    @pytest.mark.parametrize("answer", [None, (1,), (None, None), RuntimeError("no")])
    def test_a_library_that_answers_something_else(self, monkeypatch, answer):
        def start_http_server(*_, **__):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(server, "start_http_server", start_http_server)

        error = self.refused(plugin(port=0))

        assert isinstance(error, PluginError)
        assert "install 'kafka-parallel[prometheus]'" in str(error)

    def test_without_the_extra_it_is_named(self):
        script = (
            "import sys; sys.modules['prometheus_client'] = None\n"
            "import kafka_parallel_plugins.prometheus as found\n"
            "found.Prometheus()\n"
        )

        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
        )

        assert "PluginError: plugin prometheus needs the package prometheus-client" in run.stderr
        assert "pip install 'kafka-parallel[prometheus]'" in run.stderr

    def test_the_package_is_imported_without_the_library(self):
        script = "import sys, kafka_parallel_plugins.prometheus\nassert 'prometheus_client' not in sys.modules\n"

        subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


class TestHostileScrapes:
    def test_another_collector_that_raises_costs_no_record(self):
        found = plugin(port=0)
        found._registry.register(Collector(self.raises))
        app, meanwhile = App(20), Meanwhile(lambda: scrape(found))

        assert app.run(meanwhile, plugins=[found]) is None

        assert meanwhile.error is not None, "the scrape failed"
        assert app.committed == 20

    @staticmethod
    def raises():
        raise RuntimeError("no numbers today")

    def test_another_collector_that_blocks_holds_up_neither_records_nor_the_end(self):
        entered, release = threading.Event(), threading.Event()

        def block():
            entered.set()
            release.wait(60)
            return []

        found = plugin(port=0)
        found._registry.register(Collector(block))
        scrapes = []

        def begin_a_scrape():
            scrapes.append(threading.Thread(target=scrape, args=(found,)))
            scrapes[0].start()
            assert entered.wait(60)

        app, meanwhile = App(20), Meanwhile(begin_a_scrape)
        assert app.run(meanwhile, plugins=[found]) is None

        assert meanwhile.error is None
        assert not release.is_set()
        assert app.committed == 20
        release.set()
        scrapes[0].join()

    def test_a_scrape_from_a_handler_asks_without_waiting_for_itself(self):
        found, app = plugin(), App(20)

        assert app.run(lambda _: values(found._registry), plugins=[found]) is None

        assert app.committed == 20

    def test_counts_that_cannot_be_made_cost_no_record(self, monkeypatch):
        def count_handled(*_):
            raise TypeError("not today")

        found, app = plugin(), App(20)
        monkeypatch.setattr(found._attempts, "count_handled", count_handled)

        assert app.run(plugins=[found]) is None

        assert app.committed == 20


def test_the_verdict_that_counts_is_the_last_one():
    """A wrapper named later sees, and may change, the answers of those named before."""

    class Other:
        @hookimpl(wrapper=True)
        def on_error(self):
            yield
            return Skip("decided last")

    def fail(record):
        raise ValueError

    found, app = plugin(), App(3)
    assert app.run(fail, plugins=[found, Other()]) is None

    outcomes = {dict(labels).get("outcome"): value for (_, labels), value in values(found._registry).items()}
    assert outcomes["skipped"] == 3
    assert outcomes["halted"] == 0

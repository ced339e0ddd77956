"""The proxy passes bytes on, and each fault has the effect of its name."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from kafka_parallel.testing.tcp_proxy import TcpProxy


@pytest.fixture
def echo():
    """A server that answers with its input, behind a proxy."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with TcpProxy() as proxy:
        proxy.connect_to(f"127.0.0.1:{server.getsockname()[1]}")
        yield proxy
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def client(echo):
    with socket.create_connection(("127.0.0.1", echo.port), timeout=120) as connection:
        yield connection


def hears(client, timeout):
    client.settimeout(timeout)
    try:
        return client.recv(4096)
    except TimeoutError:
        return None


def test_bytes_pass(client):
    client.sendall(b"hello")

    assert hears(client, 5) == b"hello"


def test_latency_delays_each_way(echo, client):
    echo.disturb(latency_ms=150)
    began = time.monotonic()

    client.sendall(b"hello")

    assert hears(client, 5) == b"hello"
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("fault", [{"holds_up": True, "holds_down": True}, {"holds_down": True}, {"holds_up": True}])
def test_what_is_held_back_arrives_later(echo, client, fault):
    echo.disturb(**fault)
    client.sendall(b"hello")
    assert hears(client, 0.3) is None

    echo.heal()

    assert hears(client, 5) == b"hello"


def test_a_slow_line_takes_its_time(echo, client):
    echo.disturb(bytes_per_second=1000)
    began = time.monotonic()

    client.sendall(b"x" * 200)

    assert hears(client, 5) == b"x" * 200
    assert time.monotonic() - began >= 0.4


def test_a_reset_breaks_connections_and_new_ones_work(echo, client):
    client.sendall(b"hello")
    hears(client, 5)

    echo.reset()

    with pytest.raises(ConnectionError):
        hears(client, 5)
    with socket.create_connection(("127.0.0.1", echo.port), timeout=120) as again:
        again.sendall(b"again")
        assert hears(again, 5) == b"again"


def test_a_half_open_connection_is_silent(echo, client):
    client.sendall(b"hello")
    hears(client, 5)

    echo.half_open()
    client.sendall(b"anyone?")

    assert hears(client, 0.3) is None


def test_before_it_is_connected_it_refuses():
    def connect():
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=120) as client:
            client.recv(1)

    with TcpProxy() as proxy, pytest.raises(ConnectionError):
        connect()


def test_it_can_be_closed_twice():
    proxy = TcpProxy()
    proxy.close()
    proxy.close()

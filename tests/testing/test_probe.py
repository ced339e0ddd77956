"""Only a broker that serves counts as ready; everything else is told apart by its reason."""

import contextlib
import socket
import struct
import threading

import pytest

from kafka_parallel.testing.probe import brokers_at, split_address, wait_until_ready, why_not_ready


def answer(correlation_id=1, brokers=1):
    return struct.pack(">iiii", 12, correlation_id, 0, brokers)


@contextlib.contextmanager
def server(reply):
    """Something that listens, reads a request and sends *reply* to it, connection after connection."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(reply)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def nobody():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("localhost:29092", ("localhost", 29092)),
        ("localhost", ("localhost", 9092)),
        ("[::1]:29092", ("::1", 29092)),
        (" kafka:1 ", ("kafka", 1)),
    ],
)
def test_an_address_is_read_as_kafka_python_reads_it(address, parts):
    assert split_address(address) == parts


def test_a_broker_tells_how_many_it_knows():
    with server(answer(brokers=3)) as address:
        assert brokers_at(address) == 3


def test_a_broker_that_knows_of_none_is_not_ready():
    with server(answer(brokers=0)) as address:
        assert why_not_ready(address) == "it answers but knows of no broker yet"


def test_a_closed_port_is_not_ready(nobody):
    assert "refused" in why_not_ready(nobody)


def test_a_port_that_only_accepts_is_not_ready():
    with server(b"") as address:
        assert "closed the connection" in why_not_ready(address)


def test_another_kind_of_server_is_not_ready():
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        assert "not as a Kafka broker" in why_not_ready(address)


def test_a_server_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        assert "timed out" in why_not_ready(address, timeout_s=0.05)


def test_one_of_several_addresses_is_enough(nobody):
    with server(answer()) as address:
        assert wait_until_ready(f"{nobody},{address}", timeout_s=5) is None


def test_waiting_ends_with_the_last_reason(nobody):
    assert "refused" in wait_until_ready(nobody, timeout_s=0.01)


def test_waiting_no_time_at_all_is_never_ready(nobody):
    assert wait_until_ready(nobody, timeout_s=0) == "there was no time to ask"


def test_waiting_ends_with_what_the_check_raises(nobody):
    def gone():
        raise ProcessLookupError("gone")

    with pytest.raises(ProcessLookupError, match="gone"):
        wait_until_ready(nobody, timeout_s=60, check=gone)

"""A missing broker is told from a failed one, and only a taken port is worth another try."""

import pytest

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.broker import Broker, start_broker
from kafka_parallel.testing.broker_external import ExternalBroker
from kafka_parallel.testing.faults import NotAvailableError, broker_failed, needs_extra, with_free_port


class Start:
    """Fails with *errors* one after the other, then works."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise BrokerError(self.errors.pop(0))
        return "started"


def test_a_taken_port_is_tried_again():
    start = Start("bind: Address already in use", "port is already allocated")

    assert with_free_port(start) == "started"
    assert start.calls == 3


def test_a_port_that_is_taken_three_times_is_given_up():
    start = Start(*["Address already in use"] * 3)

    with pytest.raises(BrokerError, match="in use"):
        with_free_port(start)


def test_another_failure_is_not_tried_again():
    start = Start("out of memory")

    with pytest.raises(BrokerError, match="out of memory"):
        with_free_port(start)
    assert start.calls == 1


def test_a_failure_shows_the_end_of_the_log():
    error = broker_failed("it ended", "\n".join(f"line {number}" for number in range(100)))

    assert "line 84" not in str(error)
    assert str(error).startswith("it ended; the last lines of its log:\n    line 85\n")
    assert str(error).endswith("line 99")


def test_a_missing_package_is_named_with_its_extra():
    with (
        pytest.raises(NotAvailableError, match=r"'nosuch'.*pip install 'kafka-parallel\[testing\]'"),
        needs_extra("nosuch"),
    ):
        import nosuch  # noqa: F401


def test_an_unknown_kind_of_broker_is_refused_with_the_known_ones():
    with pytest.raises(BrokerError, match=r"'podman'; it can be 'external', 'docker', 'jvm' or None"):
        start_broker(kind="podman")


def test_an_external_broker_must_be_named(monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)

    with pytest.raises(NotAvailableError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        start_broker(kind="external")


def test_an_external_broker_takes_no_settings(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    with pytest.raises(BrokerError, match=r"\['num.partitions'\] cannot be given to .*127\.0\.0\.1:1"):
        start_broker(config={"num.partitions": "3"})


def test_an_external_broker_that_does_not_answer_is_a_failure_not_an_absence(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    with pytest.raises(BrokerError, match=r"no broker answered at KAFKA_BOOTSTRAP_SERVERS=127\.0\.0\.1:1") as failure:
        start_broker(timeout_ms=100)
    assert not isinstance(failure.value, NotAvailableError)


def test_only_a_broker_in_a_jvm_can_be_killed_and_restarted():
    broker = Broker("external", ExternalBroker("127.0.0.1:1"))

    with pytest.raises(BrokerError, match="'external' cannot be killed; start one with kind='jvm'"):
        broker.kill()
    with pytest.raises(BrokerError, match="'external' cannot be restarted"):
        broker.restart()


def test_leaving_an_external_broker_leaves_it_alone():
    with Broker("external", ExternalBroker("127.0.0.1:1")) as broker:
        assert broker.bootstrap_servers == "127.0.0.1:1"


def test_without_a_docker_daemon_there_is_no_container(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")

    with pytest.raises(NotAvailableError, match=r"no docker daemon answers at unix://.*nobody"):
        start_broker(kind="docker")

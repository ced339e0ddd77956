"""The refusals of the command before it asks any broker: with exit code 2, the value, and never a secret."""

from __future__ import annotations

import json
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner
from kafka.errors import KafkaConfigurationError

from kafka_parallel.cli.connection import Connection
from kafka_parallel.cli.dlq import dlq


def refused(*arguments):
    """Call the command without a broker; return its output."""
    done = CliRunner().invoke(dlq, [*arguments, "--bootstrap-servers", "127.0.0.1:1"])
    assert done.exit_code == 2, done.output
    return done.output


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "-inf", "1e-09", "fast"])
def test_a_rate_that_is_no_rate(rate):
    assert rate.lstrip("-") in refused("replay", "orders-dlq", "--to", "orders", "--rate", rate, "--execute")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--since", "yesterday"),
        ("--until", "2026-13-01"),
        ("--offset", "0"),
        ("--offset", "0:5-3"),
        ("--offset", "a:1"),
    ],
)
def test_a_choice_that_is_none(option, value):
    assert repr(value) in refused("replay", "orders-dlq", "--to", "orders", option, value)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"group_id": "g"}, "'group_id', which the command decides"),
        ({"value_deserializer": "hush"}, "'value_deserializer', which the command decides"),
        ({"sasl_pasword": "hush"}, "'sasl_pasword', which kafka-python does not know"),
        ({"request_timeout_ms": "hush"}, "request_timeout_ms"),
        ({"security_protocol": "hush"}, "give one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        (["hush"], "not a JSON object"),
    ],
)
def test_settings_that_cannot_be(tmp_path, settings, what):
    (tmp_path / "client.json").write_text(json.dumps(settings))

    output = refused("ls", "--client-config", str(tmp_path / "client.json"))

    assert what in output
    assert "hush" not in output


def test_a_file_of_settings_that_is_no_text(tmp_path):
    (tmp_path / "client.json").write_bytes(b"\xff\xfe\x00")

    assert "is not JSON" in refused("ls", "--client-config", str(tmp_path / "client.json"))


@pytest.mark.parametrize("raised", [FileNotFoundError(2, "No such file or directory"), KafkaConfigurationError("hush")])
def test_a_certificate_that_is_missing_and_a_setting_that_the_client_refuses(raised):
    class Client:
        DEFAULT_CONFIG: ClassVar = {"ssl_cafile": None}

        def __init__(self, **_):
            raise raised

    with pytest.raises(click.UsageError) as refusal:
        Connection({"ssl_cafile": "hush.pem"})._open(Client)

    assert "Client refuses the settings of --client-config" in refusal.value.message
    assert "hush" not in refusal.value.message
    assert ("(No such file or directory)" in refusal.value.message) is isinstance(raised, OSError)


def test_a_purge_of_nothing_or_of_two_things():
    assert "choose the letters to delete" in refused("purge", "orders-dlq")
    assert "choose the letters to delete" in refused("purge", "orders-dlq", "--all", "--until", "2026-01-01")


def test_servers_of_a_variable_that_is_not_set():
    done = CliRunner().invoke(dlq, ["ls", "--bootstrap-servers", ""])

    assert done.exit_code == 2
    assert "--bootstrap-servers is empty: give host:port" in done.output

"""The configuration has one schema for the file, the environment and flags, and one precedence."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from kafka_parallel import Batch
from kafka_parallel._options import Options
from kafka_parallel.cli.configuration.flags import Flags
from kafka_parallel.cli.configuration.precedence import load
from kafka_parallel.cli.configuration.run_config import PluginConfig
from kafka_parallel.cli.configuration.schema import NOT_OPTIONS, tables

FILE = """
handler = "billing:handle"
topics = ["orders"]

[consumer]
bootstrap_servers = "kafka:9092"
group_id = "billing"
sasl_plain_password = { env = "KAFKA_PASSWORD" }
session_timeout_ms = 10000
api_version = "2.8.0"
value_deserializer = "json:loads"

[parallel]
workers = 32
explain_signal = "SIGUSR1"

[batch]
max_records = 500

[[plugins]]
name = "dlq"
topic = "orders-dead"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kafka-parallel.toml").write_text(FILE)
    return tmp_path


def test_a_file_has_all_settings(folder):
    config = load(Flags(), {"KAFKA_PASSWORD": "hush"}, folder)

    assert (config.handler, config.topics, config.log_format) == ("billing:handle", ("orders",), "text")
    assert config.consumer == {
        "bootstrap_servers": "kafka:9092",
        "group_id": "billing",
        "sasl_plain_password": "hush",
        "session_timeout_ms": 10000,
        "api_version": (2, 8, 0),
        "value_deserializer": "json:loads",
    }
    assert config.parallel == {"workers": 32, "explain_signal": signal.SIGUSR1}
    assert config.batch == {"max_records": 500}
    assert config.plugins == (
        PluginConfig("dlq", {"topic": "orders-dead"}, f"[[plugins]] 1 of {folder / 'kafka-parallel.toml'}"),
    )
    assert "hush" not in repr(config)


@pytest.mark.parametrize(
    ("flags", "environment", "workers", "place"),
    [
        (Flags(), {}, 32, "[parallel] of "),
        (Flags(), {"KAFKA_PARALLEL__WORKERS": "8"}, 8, "KAFKA_PARALLEL__WORKERS"),
        (Flags(workers="4"), {"KAFKA_PARALLEL__WORKERS": "8"}, 4, "--workers"),
    ],
)
def test_a_flag_counts_before_the_environment_and_that_before_the_file(folder, flags, environment, workers, place):
    config = load(flags, {"KAFKA_PASSWORD": "hush", **environment}, folder)

    assert config.parallel["workers"] == workers
    assert config.places["parallel.workers"].startswith(place)


def test_nothing_that_was_not_given_is_in_it(tmp_path):
    config = load(Flags(), {}, tmp_path)

    assert (config.handler, config.topics, config.batch, config.file) == (None, (), None, None)
    assert (config.consumer, config.parallel, config.plugins) == ({}, {}, ())


def test_variables_have_the_names_of_all_tables(tmp_path):
    environment = {
        "KAFKA_PARALLEL__HANDLER": "billing:handle",
        "KAFKA_PARALLEL__TOPICS": "orders, refunds",
        "KAFKA_PARALLEL__LAZY_DESERIALIZATION": "no",
        "KAFKA_PARALLEL__STOP_TIMEOUT_MS": "1.5",
        "KAFKA_PARALLEL__CONSUMER__BOOTSTRAP_SERVERS": "a:1,b:2",
        "KAFKA_PARALLEL__CONSUMER__SASL_PLAIN_PASSWORD": "123",
        "KAFKA_PARALLEL__CONSUMER__CHECK_CRCS": "false",
        "KAFKA_PARALLEL__BATCH__MAX_WAIT_MS": "20",
        "KAFKA_PARALLEL_PLUGINS": "retry",
    }

    config = load(Flags(), environment, tmp_path)

    assert (config.handler, config.topics) == ("billing:handle", ("orders", "refunds"))
    assert config.parallel == {"lazy_deserialization": False, "stop_timeout_ms": 1.5}
    assert config.consumer == {"bootstrap_servers": ["a:1", "b:2"], "sasl_plain_password": "123", "check_crcs": False}
    assert config.batch == {"max_wait_ms": 20}


def test_the_variable_of_all_tools_names_the_brokers_unless_ours_does(tmp_path):
    both = {"KAFKA_BOOTSTRAP_SERVERS": "all:1", "KAFKA_PARALLEL__CONSUMER__BOOTSTRAP_SERVERS": "ours:1"}

    assert load(Flags(), {"KAFKA_BOOTSTRAP_SERVERS": "all:1"}, tmp_path).consumer["bootstrap_servers"] == ["all:1"]
    assert load(Flags(), both, tmp_path).consumer["bootstrap_servers"] == ["ours:1"]


def test_flags_have_the_settings_that_change_from_run_to_run(tmp_path):
    flags = Flags(
        handler="billing:handle", topics=["orders", "refunds"], group="billing", bootstrap_servers="kafka:9092",
        ordering="partition", batch="500", log_format="json",
    )  # fmt: skip

    config = load(flags, {}, tmp_path)

    assert (config.topics, config.log_format, config.batch) == (("orders", "refunds"), "json", {"max_records": 500})
    assert config.consumer == {"group_id": "billing", "bootstrap_servers": ["kafka:9092"]}
    assert config.parallel == {"ordering": "partition"}


def test_a_secret_may_be_in_a_file_of_its_own(tmp_path):
    (tmp_path / "password").write_text("hush\n")
    (tmp_path / "x.toml").write_text('[consumer]\nssl_password = {file = "password"}\nretry_backoff_ms = {env = "MS"}')

    config = load(Flags(files=[tmp_path / "x.toml"]), {"MS": "7"}, tmp_path)

    assert config.consumer == {"ssl_password": "hush", "retry_backoff_ms": 7}


def test_files_of_windows_begin_with_a_mark_and_end_lines_with_two_characters(tmp_path):
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfhush\r\n")
    (tmp_path / "x.toml").write_bytes(b'\xef\xbb\xbf[consumer]\r\nssl_password = {file = "password"}\r\n')

    assert load(Flags(files=[tmp_path / "x.toml"]), {}, tmp_path).consumer == {"ssl_password": "hush"}


def test_the_default_file_that_is_not_read_is_told(folder):
    (folder / "other.toml").write_text("")

    config = load(Flags(files=[folder / "other.toml"]), {}, folder)

    assert (config.file, config.unread) == (str(folder / "other.toml"), str(folder / "kafka-parallel.toml"))
    named = load(Flags(files=[folder / "kafka-parallel.toml"]), {"KAFKA_PASSWORD": "hush"}, folder)
    assert named.unread is None


def test_flags_add_plugins_change_their_settings_and_leave_them_out(tmp_path):
    (tmp_path / "kafka-parallel.toml").write_text(
        '[[plugins]]\nname = "dlq"\ntopic = "a"\nmost = 1\n[[plugins]]\nname = "retry"\n[[plugins]]\nname = "top"\n'
    )
    flags = Flags(plugins=["dlq:topic=b", "no:retry", "rate-limit:per_second=5", "rate-limit:keys=true", "health"])

    config = load(flags, {}, tmp_path)

    assert {plugin.name: plugin.settings for plugin in config.plugins} == {
        "dlq": {"topic": "b", "most": 1},
        "top": {},
        "rate-limit": {"per_second": 5, "keys": True},
        "health": {},
    }
    assert config.blocked == ("retry",)


def test_plugins_may_be_a_list_of_names(tmp_path):
    (tmp_path / "kafka-parallel.toml").write_text('plugins = ["dlq", "retry"]')

    assert [plugin.name for plugin in load(Flags(), {}, tmp_path).plugins] == ["dlq", "retry"]


def test_a_file_leaves_plugins_out_that_are_installed_for_all_and_flags_may_want_them(tmp_path):
    (tmp_path / "kafka-parallel.toml").write_text('plugins = ["dlq", "no:theirs", "no:others"]')

    config = load(Flags(plugins=["others", "no:dlq"]), {}, tmp_path)

    assert ([plugin.name for plugin in config.plugins], config.blocked) == (["others"], ("dlq", "theirs"))


def test_a_secret_of_a_plugin_is_looked_up_at_any_depth(tmp_path):
    (tmp_path / "kafka-parallel.toml").write_text(
        '[[plugins]]\nname = "dlq"\n[plugins.producer_config]\nsasl_plain_password = {env = "HUSH"}\n'
        'servers = [{password = {env = "HUSH"}}]\n'
    )

    config = load(Flags(plugins=['dedup:redis={env = "REDIS_URL"}']), {"HUSH": "a", "REDIS_URL": "b"}, tmp_path)

    assert [dict(plugin.settings) for plugin in config.plugins] == [
        {"producer_config": {"sasl_plain_password": "a", "servers": [{"password": "a"}]}},
        {"redis": "b"},
    ]


def test_the_schema_has_every_option_of_the_library():
    assert set(tables()["parallel"]) == set(Options.__dataclass_fields__) - set(NOT_OPTIONS)
    assert set(tables()["batch"]) == set(Batch.__dataclass_fields__)


def test_every_setting_is_in_the_reference():
    page = (Path(__file__).parents[2] / "docs/reference/configuration.md").read_text()

    assert [name for table in ("", "parallel", "batch") for name in tables()[table] if f"`{name}" not in page] == []

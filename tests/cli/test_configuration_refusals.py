"""A configuration that cannot be: exit code 2, with the place, the nearest right name, and never a secret."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from kafka_parallel.cli.run_options import with_run_config


@click.command()
@with_run_config
def command(config):
    click.echo("taken")


def refused(folder, monkeypatch, text="", flags=(), environment=None):
    """Call the command in *folder*, with *text* as its file; return the message."""
    (folder / "kafka-parallel.toml").write_text(text)
    monkeypatch.chdir(folder)
    done = CliRunner(env=environment).invoke(command, list(flags))
    assert (done.exit_code, "taken" in done.output) == (2, False), done.output
    message = " ".join(done.output.split("Error: ")[1].split())
    assert "hush" not in done.output
    return message.replace(f"{folder}/", "")


IN_CONSUMER = "[consumer] of kafka-parallel.toml: "
IN_PLUGIN = "[[plugins]] 1 of kafka-parallel.toml: plugin 'x': "
RIGHT = 'write {env = "NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'
FILES = [
    (
        "[consumer]\nsecurity_protocol = 'SASL-SSL'",
        f"{IN_CONSUMER}security_protocol is a text: give one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
    ),
    (
        "[consumer]\nauto_offset_reset = 'earlist'",
        f"{IN_CONSUMER}auto_offset_reset is a text: give one of earliest, latest, none",
    ),
    (
        "[consumer]\nisolation_level = 'commited'",
        f"{IN_CONSUMER}isolation_level is a text: give one of read_uncommitted, read_committed",
    ),
    ("[consumer]\ngroup_id = ' '", f"{IN_CONSUMER}group_id is a text: give a name that is not empty"),
    (
        "[consumer]\nbootstrap_servers = []",
        f'{IN_CONSUMER}bootstrap_servers is a list: give "host:port", or a list of these',
    ),
    (
        "[consumer]\npartition_assignment_strategy = ['cooperative-sticky']",
        IN_CONSUMER
        + 'partition_assignment_strategy is a list: give a list of objects to import, each written "module:name"',
    ),
    ("topics = ['']", "kafka-parallel.toml: topics is a list: give a list of names of topics"),
    *(
        (
            f"[[plugins]]\nname = 'x'\n{name} = 'hush'",
            f"{IN_PLUGIN}{name} is a secret, and is written down here: {RIGHT}",
        )
        for name in ("pwd", "db_passphrase", "aws_secret_key")
    ),
    (
        "[consumer]\nmax_poll_records = {env = 'PATH'}",
        f"{IN_CONSUMER}max_poll_records is a text: give a whole number",
    ),
    (
        "[[plugins]]\nname = 'x'\nservers = [{password = 'hush'}]",
        f"{IN_PLUGIN}password is a secret, and is written down here: {RIGHT}",
    ),
    (
        "[[plugins]]\nname = 'x'\nservers = ['redis://me:hush@here']",
        f"{IN_PLUGIN}servers has a password in its address, and is written down here: {RIGHT}",
    ),
    # unknown names
    ("handlr = 'a:b'", "kafka-parallel.toml: there is no setting 'handlr'; did you mean 'handler'?"),
    ("workers = 3", "kafka-parallel.toml: there is no setting 'workers' here: it belongs into [parallel]"),
    ("group_id = 'g'", "kafka-parallel.toml: there is no setting 'group_id' here: it belongs into [consumer]"),
    ("[consumers]\na = 1", "kafka-parallel.toml: there is no setting 'consumers'; did you mean 'consumer'?"),
    ("[[plugin]]\nname = 'dlq'", "kafka-parallel.toml: there is no setting 'plugin'; did you mean 'plugins'?"),
    (
        "[parallel]\nworker = 3",
        "[parallel] of kafka-parallel.toml: there is no setting 'worker'; did you mean 'workers'?",
    ),
    (
        "[parallel]\nmax_workers = 3",
        "[parallel] of kafka-parallel.toml: there is no setting 'max_workers'; did you mean 'workers'?",
    ),
    (
        "[parallel]\nplugins = ['dlq']",
        "[parallel] of kafka-parallel.toml: there is no setting 'plugins' here: write a table [[plugins]] for each",
    ),
    (
        "[parallel]\ntopics = ['orders']",
        "[parallel] of kafka-parallel.toml: there is no setting 'topics' here: it belongs above all tables",
    ),
    (
        "[consumer]\nsasl_plain_pasword = 'hush'",
        (IN_CONSUMER + "there is no setting 'sasl_plain_pasword'; did you mean 'sasl_plain_password'?"),
    ),
    (
        "[consumer]\ngroup.id = 'g'",
        IN_CONSUMER + "there is no setting 'group'; did you mean 'group_id'?",
    ),
    (
        "[consumer]\n'bootstrap.servers' = 'g'",
        IN_CONSUMER + "there is no setting 'bootstrap.servers'; did you mean 'bootstrap_servers'?",
    ),
    (
        "[consumer]\nenable_auto_commit = true",
        (
            IN_CONSUMER + "there is no setting 'enable_auto_commit' here: kafka-parallel commits, "
            "every auto_commit_interval_ms"
        ),
    ),
    (
        "[consumer]\nselector = 'x:y'",
        (
            IN_CONSUMER + "there is no setting 'selector': it is an object that no file can hold; "
            "give a factory as the handler, which builds the KafkaConsumer"
        ),
    ),
    (
        "[batch]\nsize = 3",
        (
            "[batch] of kafka-parallel.toml: there is no setting 'size'; there are max_records, "
            "max_wait_ms, max_bytes, of"
        ),
    ),
    # wrong types
    ("topics = 'orders'", "kafka-parallel.toml: topics is a text, 'orders': give a list of names of topics"),
    (
        "handler = 'billing'",
        ("kafka-parallel.toml: handler is a text, 'billing': give \"module:name\" of an object to import"),
    ),
    (
        "[parallel]\nworkers = 'many'",
        ("[parallel] of kafka-parallel.toml: workers is a text, 'many': give a whole number"),
    ),
    ("[parallel]\nworkers = true", "[parallel] of kafka-parallel.toml: workers is true or false: give a whole number"),
    ("[parallel]\nworkers = 0", "[parallel] of kafka-parallel.toml: workers=0: must be an integer of at least 1"),
    (
        "[parallel]\nworkers = 1979-05-27",
        ("[parallel] of kafka-parallel.toml: workers is a date or time, a date: give a whole number"),
    ),
    (
        "[parallel]\nexplain_signal = 'SIGFOO'",
        ('[parallel] of kafka-parallel.toml: explain_signal is a text: give the name of a signal, such as "SIGUSR1"'),
    ),
    (
        "[parallel]\nexplain_signal = 'SIGKILL'",
        (
            "[parallel] of kafka-parallel.toml: explain_signal=9: give a signal "
            "that a program may handle and that does not end it, such as signal.SIGUSR1"
        ),
    ),
    ("[batch]\nof = 'topic'", "[batch] of kafka-parallel.toml: Batch(of='topic'): choose one of key, partition, mixed"),
    (
        "[consumer]\nrequest_timeout_ms = 'hush'",
        (IN_CONSUMER + "request_timeout_ms is a text: give a whole number"),
    ),
    (
        "[consumer]\napi_version = 'hush'",
        (IN_CONSUMER + 'api_version is a text: give a version, such as "2.8.0"'),
    ),
    ("consumer = 3", "kafka-parallel.toml: consumer is a whole number: write a table, [consumer]"),
    ("[plugins]\nname = 'dlq'", "kafka-parallel.toml: plugins is a table: write a table [[plugins]] for each"),
    (
        "[[plugins]]\nname = 'no:dlq'\ntopic = 'x'",
        (
            "[[plugins]] 1 of kafka-parallel.toml: plugin 'no:dlq': a plugin that is left out takes no settings: leave "
            "out topic"
        ),
    ),
    (
        "[[plugins]]\ntopic = 'x'",
        ('[[plugins]] 1 of kafka-parallel.toml has no name: write name = "dlq", and its settings below'),
    ),
    (
        "[[plugins]]\nname = 'dlq'\n[[plugins]]\nname = 'dlq'",
        (
            "[[plugins]] 2 of kafka-parallel.toml: plugin 'dlq' is "
            "asked for by [[plugins]] 1 of kafka-parallel.toml already: leave one of the two out"
        ),
    ),
    # secrets
    (
        "[consumer]\nsasl_plain_password = 'hush'",
        (
            IN_CONSUMER + "sasl_plain_password is a secret, and is written down here: write "
            '{env = "NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'
        ),
    ),
    (
        "[consumer]\nsocks5_proxy = 'socks5://me:hush@proxy:1080'",
        (
            IN_CONSUMER + "socks5_proxy has a password in its address, and is written down here: write "
            '{env = "NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'
        ),
    ),
    (
        "[consumer]\nssl_password = {env = 'ABSENT'}",
        IN_CONSUMER + "the environment variable ABSENT is not set",
    ),
    (
        "[consumer]\nssl_password = {file = 'absent'}",
        IN_CONSUMER + "the file absent cannot be read: No such file or directory",
    ),
    (
        "[consumer]\nssl_password = {file = 3}",
        (
            IN_CONSUMER + 'file names nothing: write {env = "NAME"} for an environment variable, or '
            '{file = "/run/secrets/NAME"}'
        ),
    ),
    (
        "[[plugins]]\nname = 'dlq'\n[plugins.producer_config]\nsasl_plain_password = 'hush'",
        (
            "[[plugins]] 1 of kafka-parallel.toml: plugin 'dlq': sasl_plain_password is a secret, and is written down "
            'here: write {env = "NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'
        ),
    ),
    # no TOML
    (
        "[consumer]\nsasl_plain_password = hush",
        "kafka-parallel.toml is no TOML: Invalid value (at line 2, column 23)",
    ),
    (
        "workers: 3",
        "kafka-parallel.toml is no TOML: Expected '=' after a key in a key/value pair (at line 1, column 8)",
    ),
]


@pytest.mark.parametrize(("text", "message"), FILES, ids=[text.replace("\n", " ") for text, _ in FILES])
def test_a_file(tmp_path, monkeypatch, text, message):
    assert refused(tmp_path, monkeypatch, text) == message


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("KAFKA_PARALLEL__WORKER", "3", "there is no such setting; did you mean 'KAFKA_PARALLEL__WORKERS'?"),
        ("KAFKA_PARALLEL__PARALLEL__WORKERS", "3", "there is no such setting; did you mean 'KAFKA_PARALLEL__WORKERS'?"),
        (
            "KAFKA_PARALLEL__GROUP_ID",
            "g",
            "there is no such setting; did you mean 'KAFKA_PARALLEL__CONSUMER__GROUP_ID'?",
        ),
        (
            "KAFKA_PARALLEL__PLUGINS__DLQ__TOPIC",
            "hush",
            (
                "there is no such setting: settings of plugins have no variables; write them into the file, or give "
                "-p NAME:SETTING=VALUE"
            ),
        ),
        (
            "KAFKA_PARALLEL__QQQQ",
            "g",
            (
                "there is no such setting; names are KAFKA_PARALLEL__NAME for the top of the file and [parallel], "
                "KAFKA_PARALLEL__CONSUMER__NAME and KAFKA_PARALLEL__BATCH__NAME"
            ),
        ),
        ("KAFKA_PARALLEL__WORKERS", "many", "workers is 'many': give a whole number"),
        ("KAFKA_PARALLEL__WORKERS", "0", "workers=0: must be an integer of at least 1"),
        ("KAFKA_PARALLEL__LAZY_DESERIALIZATION", "perhaps", "lazy_deserialization is 'perhaps': give true or false"),
        ("KAFKA_PARALLEL__CONSUMER__CHECK_CRCS", "hush", "check_crcs is a text: give true or false"),
    ],
)
def test_a_variable(tmp_path, monkeypatch, variable, value, message):
    assert refused(tmp_path, monkeypatch, environment={variable: value}) == f"{variable}: {message}"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", "many"], "--workers: workers is 'many': give a whole number"),
        (["--workers", "-1"], "--workers: workers=-1: must be an integer of at least 1"),
        (
            ["--topic", "orders,refunds"],
            "--topic orders,refunds: no name of a topic has a comma: write --topic orders --topic refunds",
        ),
        (["--topic", ""], "--topic is empty: give the name of a topic"),
        (["--group", ""], "--group: group_id is a text: give a name that is not empty"),
        (
            ["--bootstrap-servers", ""],
            '--bootstrap-servers: bootstrap_servers is a text: give "host:port", or a list of these',
        ),
        (["--batch", "0"], "--batch: Batch(max_records=0): must be an integer of at least 1"),
        (["--log-format", "xml"], '--log-format: log_format is \'xml\': give "text" or "json"'),
        (["billing"], "HANDLER: handler is 'billing': give \"module:name\" of an object to import"),
        (
            ["-c", "a.toml", "-c", "b.toml"],
            "--config is given 2 times, a.toml and b.toml: one file is read; leave the others out",
        ),
        (["-c", "absent.toml"], "absent.toml cannot be read: No such file or directory"),
        (["-p", "dlq", "-p", "no:dlq"], "-p dlq and -p no:dlq are both given: leave one of the two out"),
        (["-p", "no:dlq:topic=x"], "-p no:dlq:...: a plugin that is left out takes no settings: write -p no:dlq"),
        (["-p", "dlq:topic"], "-p dlq:topic: write -p NAME, -p NAME:SETTING=VALUE or -p no:NAME"),
        (
            ["-p", "dedup:password=hush"],
            (
                "-p dedup:password: plugin 'dedup': password is a secret, and is written down here: write {env = "
                '"NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'
            ),
        ),
        (
            ["-p", "dedup:redis=redis://me:hush@redis"],
            (
                "-p dedup:redis: plugin 'dedup': redis has a password in its address, and is written down here: write "
                '{env = "NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'
            ),
        ),
    ],
)
def test_a_flag(tmp_path, monkeypatch, flags, message):
    assert refused(tmp_path, monkeypatch, flags=flags) == message


def test_a_misspelled_flag(tmp_path, monkeypatch):
    assert "'--workers'" in refused(tmp_path, monkeypatch, flags=["--worker-s", "3"])


def test_a_default_file_beside_the_one_that_is_named_is_said(tmp_path, monkeypatch):
    (tmp_path / "kafka-parallel.toml").write_text("")
    (tmp_path / "other.toml").write_text("")
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(command, ["-c", "other.toml"])

    assert done.exit_code == 0
    assert "kafka-parallel.toml is not read: --config names other.toml" in done.output

"""A handler that cannot run: exit code 2 with the line of the user's file, and nothing was taken."""

from __future__ import annotations

import logging
import sys

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer

from kafka_parallel.cli import command
from kafka_parallel.cli.connection import FIRST_ANSWER
from kafka_parallel.cli.handler_import import is_factory

NEVER = "127.0.0.1:1"
TIME = next(name for name in FIRST_ANSWER if name in KafkaConsumer.DEFAULT_CONFIG)
FLAGS = ("--topic", "orders", "--bootstrap-servers", NEVER)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that calls the command in a folder of its own, and lets no import of it last."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield lambda *flags, **environment: CliRunner(env=environment).invoke(command(), ["run", *flags])
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]
    logging.getLogger("kafka").setLevel(logging.NOTSET)


@pytest.fixture
def refused(run, tmp_path):
    def refused(*flags, **environment):
        done = run(*flags, **environment)
        assert done.exit_code == 2, (done.output, done.exception)
        return (
            f"\n{done.output}".partition("\nError: ")[2]
            .strip()
            .replace(f"{tmp_path}/", "")
            .replace(str(tmp_path), "HERE")
        )

    return refused


FILE = """import json

def handle(record): ...
def pair(record, context): ...
def make(): return {}
def alone():
    from kafka_parallel import ParallelConsumer
    return object.__new__(ParallelConsumer)
def breaks(): return 1 / 0
class Handler:
    def __init__(self, record): ...
def leaves(): raise SystemExit(0)
class Holder:
    @property
    def handle(self): return 1 / 0
holder = Holder()
SETTINGS = {}
"""


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "bill:handle",
            ("HANDLER: bill:handle cannot be imported: there is no module 'bill' in HERE or elsewhere on sys.path; did "
            "you mean 'billing'?"),
        ),
        ("billing.py:handle", ("HANDLER: billing.py:handle cannot be imported: billing.py is a file: write "
            "billing:NAME, without .py")),
        (
            "billing:handel",
            "HANDLER: billing:handel cannot be imported: billing.py has no 'handel'; did you mean 'handle'?",
        ),
        ("billing.sub:handle", (
            "HANDLER: billing.sub:handle cannot be imported: there is no module 'billing.sub' in HERE or elsewhere "
            "on sys.path; did you mean 'billing'?"
        )),
        ("broken:handle", ("HANDLER: broken:handle cannot be imported: broken.py, line 2: ModuleNotFoundError: No "
            "module named 'requestz'")),
        ("outer:handle", ("HANDLER: outer:handle cannot be imported: broken.py, line 2: ModuleNotFoundError: No module "
            "named 'requestz'")),
        ("syntax:handle", "HANDLER: syntax:handle cannot be imported: syntax.py, line 1: SyntaxError: expected ':'"),
        ("divides:handle", ("HANDLER: divides:handle cannot be imported: divides.py, line 3: ZeroDivisionError: "
            "division by zero")),
        ("exits:handle", "HANDLER: exits:handle cannot be imported: exits.py, line 1: SystemExit: 5"),
        ("billing:SETTINGS", "HANDLER: billing:SETTINGS is a dict: give a function that takes one record"),
        ("billing:Handler", "HANDLER: billing:Handler is the class Handler: give a function that takes one record"),
        (
            "billing:pair",
            ("HANDLER: billing:pair(record, context) cannot be called with one argument: a handler takes one record, "
            "or with --batch one list of records"),
        ),
        (
            "billing:make",
            ("HANDLER: billing:make() takes no record, and returned a dict: a handler takes one record; a factory "
            "takes nothing and returns (ParallelConsumer(...), handler)"),
        ),
        (
            "billing:alone",
            ("HANDLER: billing:alone() takes no record, and returned a ParallelConsumer without a handler: a handler "
            "takes one record; a factory takes nothing and returns (ParallelConsumer(...), handler)"),
        ),
        (
            "billing:leaves",
            ("HANDLER: billing:leaves failed with a SystemExit: billing.py, line 12: SystemExit: 0"),
        ),
        (
            "billing:holder.handle",
            ("HANDLER: billing:holder.handle cannot be imported: billing.py, line 15: ZeroDivisionError: division by "
            "zero"),
        ),
        ("lazy:handle", ("HANDLER: lazy:handle cannot be imported: lazy.py, line 1: SystemExit: handle")),
        (
            "billing:breaks",
            ("HANDLER: billing:breaks failed with a ZeroDivisionError: billing.py, line 9: ZeroDivisionError: division "
            "by zero"),
        ),
    ],
)  # fmt: skip
def test_a_handler(refused, tmp_path, reference, message):
    files = {
        "billing": FILE, "broken": "import json\nimport requestz\n", "outer": "import broken\n",
        "syntax": "def handle(record)\n    pass\n", "divides": "def f():\n    # here\n    return 1 / 0\nf()\n",
        "exits": "raise SystemExit(5)", "lazy": "def __getattr__(name): raise SystemExit(name)",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    flags = () if reference.endswith(("make", "alone", "breaks", "leaves")) else FLAGS

    assert refused(reference, *flags) == message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--topic", "orders"), 'no handler is given: name a function as "module:function"'),
        (("billing:handle",), "no topic is given: write --topic NAME, or topics = [...] in the file"),
        (
            ("billing:handle", *FLAGS, "-p", "dql"),
            "-p dql: there is no plugin 'dql'; installed are: ",
        ),
        (
            ("billing:handle", *FLAGS, "-p", "retry:attemps=3"),
            (
                "-p retry:attemps: plugin 'retry' of kafka-parallel 0.1.0 does not take these settings (attemps): it "
                "has no 'attemps'; it has "
            ),
        ),
        (
            ("billing:handle", *FLAGS, "--ordering", "keys"),
            (
                "--ordering: ordering='keys': there is no such ordering and no such plugin; give 'key', 'partition', "
                "'unordered', or the name of another plugin that provides one, or a function from a record to its "
                "ordering key; did you mean 'key'?"
            ),
        ),
        (
            ("billing:handle", *FLAGS, "--ordering", "billing:key_of"),
            "--ordering: billing:key_of cannot be imported: billing.py has no 'key_of'",
        ),
        (
            ("billing:make", "--workers", "3"),
            (
                "HANDLER: billing:make takes no record: a handler takes one; a factory takes nothing and builds the "
                "consumer itself, so that --workers changes nothing"
            ),
        ),
        (
            ("billing:make", "-p", "dlq"),
            (
                "HANDLER: billing:make takes no record: a handler takes one; a factory takes nothing and builds the "
                "consumer itself, so that -p dlq changes nothing"
            ),
        ),
    ],
)
def test_what_is_missing_or_too_much(refused, tmp_path, flags, message):
    (tmp_path / "billing.py").write_text(FILE)

    assert refused(*flags).startswith(message)


def test_a_setting_that_kafka_python_refuses_is_told_without_secrets(refused, tmp_path):
    (tmp_path / "billing.py").write_text(FILE)
    (tmp_path / "kafka-parallel.toml").write_text(
        '[consumer]\nrequest_timeout_ms = 1\nsasl_plain_password = {env = "HUSH"}\nclient_id = "me"\n'
    )

    message = refused("billing:handle", *FLAGS, HUSH="hush")

    assert message.startswith("kafka-python refuses the settings of the consumer: KafkaConfigurationError: ")
    assert "hush" not in message


def test_no_broker_is_said_within_seconds(run, tmp_path):
    (tmp_path / "billing.py").write_text(FILE)

    done = run("billing:handle", *FLAGS)

    assert done.exit_code == 3
    assert done.output.startswith(f"Error: no broker answered at {NEVER} within ")
    assert "check the address, that the broker runs, and security_protocol" in done.output
    assert done.output.endswith(f"give more time by {TIME} in [consumer]; nothing was taken\n")


def test_the_time_that_was_given_to_a_broker_is_said(run, tmp_path):
    (tmp_path / "billing.py").write_text(FILE)
    (tmp_path / "kafka-parallel.toml").write_text(f"[consumer]\n{TIME} = 300\n")

    assert f"no broker answered at {NEVER} within 0.3 s: " in run("billing:handle", *FLAGS).output


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: None, True),
        (lambda record: None, False),
        (lambda record=None: None, False),
        (lambda *records: None, False),
        (lambda record, more: None, False),
        (dict, False),
        (3, False),
    ],
)
def test_a_factory_takes_nothing(function, expected):
    assert is_factory(function) is expected


@pytest.mark.parametrize("plugin", ["retry", "retry-topics", "prometheus"])
@pytest.mark.parametrize("length", [6, 100])
def test_a_secret_that_a_plugin_refuses_is_not_shown(tmp_path, monkeypatch, plugin, length):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    secret = "hush".ljust(length, "!")
    name = {"retry": "max_attempts", "retry-topics": "delays_ms", "prometheus": "port"}[plugin]
    flags = ["--topic", "orders", "-p", f'{plugin}:{name}={{env = "HUSH"}}']

    done = CliRunner(env={"HUSH": secret}).invoke(command(), ["doctor", "json:loads", *flags])

    assert done.exit_code == 1, done.output
    assert f"{name} of plugin {plugin} is a text that is not shown" in done.output
    assert "hush" not in done.output

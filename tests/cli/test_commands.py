"""The commands as a whole: their names, the versions, the list of plugins, and the shell's completion."""

from __future__ import annotations

import json
import platform
from functools import partial
from importlib.metadata import EntryPoint, EntryPoints, version

import kafka
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from rich.console import Console

from kafka_parallel import hookimpl
from kafka_parallel.cli import command
from kafka_parallel.cli.plugin_list import Choice, listed


def invoked(*arguments, code=0, **environment):
    done = CliRunner(env=environment).invoke(command(), arguments)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["rnu"], "'rnu'; did you mean 'run'?"), (["dlq", "lst"], "'lst'; did you mean 'ls'?"),
     (["inbox", "dll"], "'dll'; did you mean 'ddl'?"), (["qqqqqq"], "'qqqqqq'; there are check, dlq, doctor, ")],
)  # fmt: skip
def test_a_command_that_does_not_exist(words, hint):
    assert f"Error: there is no command {hint}" in invoked(*words, code=2)


def test_versions_are_told():
    expected = (
        f"kafka-parallel {version('kafka-parallel')}, kafka-python {kafka.__version__}, "
        f"Python {platform.python_version()}\n"
    )

    assert invoked("--version") == expected


def completions(*words, begun=""):
    completion = ShellComplete(command(), {}, "kafka-parallel", "_KAFKA_PARALLEL_COMPLETE")
    return [item.value for item in completion.get_completions(list(words), begun)]


def test_the_shell_completes_commands_flags_and_plugins():
    assert completions(begun="ru") == ["run"]
    assert completions("run", begun="--work") == ["--workers"]
    assert completions("run", "-p", begun="retry") == ["retry", "retry-topics"]


# Plugins


def plugins(*arguments, code=0, **environment):
    lines = invoked("plugins", "--json", *arguments, code=code, **environment).splitlines()
    return {plugin["name"]: plugin for plugin in map(json.loads, lines)}


def test_installed_plugins_are_listed_with_their_hooks():
    found = plugins()

    assert found["retry"] == {
        "name": "retry", "distribution": "kafka-parallel", "version": version("kafka-parallel"),
        "place": "kafka_parallel_plugins.retry:RetryWithBackoff", "status": "installed", "reason": "",
        "hooks": ["on_error", "on_start", "on_throttle"],
    }  # fmt: skip
    assert {plugin["status"] for plugin in found.values()} == {"installed"}
    assert all(plugin["hooks"] for plugin in found.values())


def test_the_table_has_them_too():
    assert "rate-limit" in invoked("plugins", COLUMNS="200")


def test_the_plugins_of_a_configuration_are_active_and_others_blocked(empty_folder):
    (empty_folder / "kafka-parallel.toml").write_text('plugins = ["dlq", "retry"]')

    found = plugins("-p", "no:retry", "-p", "absent", code=1, KAFKA_PARALLEL_PLUGINS="health,no:top")

    told = {name: (plugin["status"], plugin["reason"]) for name, plugin in found.items()}
    assert told["dlq"] == ("active", f"[[plugins]] 1 of {empty_folder / 'kafka-parallel.toml'}")
    assert told["retry"] == ("blocked", "no:retry of the file or a flag")
    assert told["health"] == ("active", "KAFKA_PARALLEL_PLUGINS")
    assert told["top"] == ("blocked", "KAFKA_PARALLEL_PLUGINS")
    assert told["absent"][0] == "failed"
    assert told["absent"][1].startswith("-p absent: there is no plugin 'absent'")
    assert found["retry"]["hooks"] == []


def test_a_plugin_with_a_setting_that_it_does_not_have_is_not_active():
    found = plugins("-p", "retry:atempts=3", code=1)

    assert found["retry"]["status"] == "failed"
    assert found["retry"]["reason"].startswith(
        "-p retry:atempts: plugin 'retry' does not take these settings (atempts)"
    )
    assert found["retry"]["reason"].endswith("; did you mean 'max_attempts'?")


def test_a_narrow_terminal_cuts_neither_names_nor_errors(monkeypatch):
    monkeypatch.setattr("kafka_parallel.cli.output.Console", partial(Console, width=80, force_terminal=True))

    output = invoked("plugins", "-p", "retrry", code=1)

    assert output.endswith("; did you mean 'retry'?\n")
    assert " adaptive-concurrency " in output
    assert "\u2026" not in output


class Distribution:
    name, version = "theirs", "2.0"


class Misspelled:
    @hookimpl
    def on_recrod(self): ...


NO_HOOK = object()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("absent_module:Plugin", ("plugin 'theirs' of theirs 2.0 (absent_module:Plugin) cannot be imported: "
            "ModuleNotFoundError(\"No module named 'absent_module'\"); fix or uninstall it")),
        ("tests.cli.test_commands:Misspelled", "there is no hook 'on_recrod'; did you mean 'on_record'?"),
        ("tests.cli.test_commands:NO_HOOK", "it has no hook: decorate its functions with @hookimpl"),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_used_is_told_with_its_reason(monkeypatch, value, reason):
    point = EntryPoint("theirs", value, "kafka_parallel.autoload")._for(Distribution())
    monkeypatch.setattr("importlib.metadata.entry_points", lambda: EntryPoints([point]))

    (found,) = listed(Choice({}, {}, autoloads=True))

    assert (found.status, found.reason, found.hooks) == ("failed", reason, ())


def test_a_plugin_for_autoload_is_active_unless_that_is_switched_off(monkeypatch):
    point = EntryPoint("theirs", "kafka_parallel_plugins.retry:RetryWithBackoff", "kafka_parallel.autoload")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda: EntryPoints([point._for(Distribution())]))

    assert [found.status for found in listed(Choice({}, {}, autoloads=True))] == ["active"]
    assert [found.status for found in listed(Choice({}, {}, autoloads=False))] == ["installed"]

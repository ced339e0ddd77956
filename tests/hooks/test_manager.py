"""Plugins are found, blocked, loaded and checked, each on its own."""

from __future__ import annotations

import logging
import types

import pytest

from kafka_parallel import ConfigurationError, PluginError, hookimpl
from kafka_parallel._plugins import loading
from kafka_parallel._plugins.manager import Plugins
from kafka_parallel.values import Settings

GROUPS = {"named": "kafka_parallel", "autoload": "kafka_parallel.autoload"}


class Stopper:
    @hookimpl
    def on_stop(self):
        """Heard."""


class Configured:
    def __init__(self, *, size=1):
        self.size = size

    @hookimpl
    def on_stop(self):
        """Heard."""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution of one module with entry points."""

    def write(name, code, **groups):
        (tmp_path / f"{name}.py").write_text(code)
        info = tmp_path / f"{name}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = [f"[{GROUPS[group]}]\n{point} = {target}" for group, (point, target) in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)

    return write


GOOD = "from kafka_parallel import hookimpl\nclass P:\n    @hookimpl\n    def on_stop(self):\n        pass\n"


def test_an_object_a_module_and_a_class_are_plugins():
    module = types.ModuleType("mine")
    module.on_start = hookimpl(lambda: None)

    assert Plugins([Stopper(), module, Configured], {}).names() == ["Stopper", "mine", "Configured"]


def test_a_named_plugin_gets_its_settings(install):
    install("sized", "from tests.hooks.test_manager import Configured", named=("sized", "sized:Configured"))

    plugins = Plugins([("sized", {"size": 5})], {})

    assert plugins.names() == ["sized"]
    assert plugins.describe("sized") == "plugin 'sized' (sized 1.5)"
    with pytest.raises(ConfigurationError, match=r"'sized' of sized 1\.5 does not take these settings \(colour\)"):
        Plugins([("sized", {"colour": 5})], {})


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("retry,dlq", "'retry,dlq' is 2 plugins: give each by itself, 'retry' and 'dlq'"),
        ("dlq=dead", "'dlq' is one, and a setting of it has a name: dlq:SETTING=VALUE on a command line"),
        ("retry,dead", "did you mean 'retry'[?]"),
    ],
)
def test_a_text_of_several_parts_is_taken_apart(text, end):
    with pytest.raises(PluginError, match=f"there is no plugin '{text}'; installed are: .*; {end}$"):
        Plugins([text], {})


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(PluginError, match=r"there is no plugin 'dql'; installed are: .*dlq"):
        Plugins(["dql"], {})


@pytest.mark.parametrize(("name", "words"), [("inbox", r"inbox\.first_time"), ("producing", r"run\(producing\(")])
def test_a_part_that_is_no_plugin_says_how_it_is_used(name, words):
    with pytest.raises(PluginError, match=f"^{name} is no plugin: .*{words}"):
        Plugins([name], {})


def test_a_broken_plugin_stops_the_start_only_if_it_was_named(install, caplog):
    install("broken", "import nothing_like_this", autoload=("broken", "broken:P"))

    with caplog.at_level(logging.WARNING):
        assert Plugins([], {}).names() == []
    assert "broken 1.5" in caplog.text
    assert "nothing_like_this" in caplog.text
    with pytest.raises(PluginError, match=r"'broken' of broken 1\.5 \(broken:P\) cannot be imported: ModuleNotFound"):
        Plugins(["broken"], {})


def test_an_installed_plugin_is_active_unless_blocked_or_switched_off(install):
    install("auto", GOOD, autoload=("auto", "auto:P"))

    assert Plugins([], {}).names() == ["auto"]
    assert Plugins(["no:auto"], {}).names() == []
    assert Plugins([], {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"}).names() == []
    assert Plugins(["auto"], {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"}).names() == ["auto"]


def test_one_distribution_may_offer_a_plugin_both_ways(install):
    install("both", GOOD, autoload=("both", "both:P"), named=("both", "both:P"))

    assert Plugins(["both"], {}).names() == ["both"]


def test_a_blocked_plugin_is_not_even_imported(install):
    install("explosive", "raise SystemExit('imported')", autoload=("explosive", "explosive:P"))

    assert Plugins(["no:explosive"], {}).names() == []


def test_the_environment_adds_and_blocks_names(install):
    install("named", GOOD, named=("named", "named:P"))

    assert Plugins([], {"KAFKA_PARALLEL_PLUGINS": "named, no:auto"}).names() == ["named"]


def test_a_plugin_that_is_named_and_blocked_is_refused():
    with pytest.raises(PluginError, match="'dlq' is named and blocked by 'no:dlq'"):
        Plugins(["dlq", "no:dlq"], {})


def test_the_name_of_a_built_in_cannot_be_taken(install, caplog):
    install("thief", GOOD, autoload=("dlq", "thief:P"))

    with caplog.at_level(logging.WARNING):
        assert Plugins([], {}).names() == []
    assert "takes the name of a built-in plugin" in caplog.text


def test_a_plugin_without_hooks_is_refused():
    class Nothing:
        def on_stop(self):
            """Not marked."""

    with pytest.raises(PluginError, match=r"'Nothing' .* has no hook: decorate"):
        Plugins([Nothing()], {})


def test_a_misspelt_hook_is_refused():
    class Misspelt:
        @hookimpl
        def on_recrod(self, record):
            """Not a hook."""

    with pytest.raises(PluginError, match=r"'Misspelt' .* on_recrod"):
        Plugins([Misspelt()], {})


@pytest.mark.parametrize(("name", "meant"), [("recrod", "; did you mean 'record'?"), ("exception", "")])
def test_an_argument_that_the_hook_does_not_have_is_refused_with_those_that_it_has(name, meant):
    wrong = types.ModuleType("wrong")
    exec(f"def on_error({name}): pass", vars(wrong))
    wrong.on_error = hookimpl(wrong.on_error)

    with pytest.raises(PluginError) as caught:
        Plugins([wrong], {})
    assert str(caught.value) == (
        "plugin 'wrong' (given as an object) does not fit the hooks: on_error needs "
        f"{name}, which this hook does not give: it has record, error, context{meant}"
    )


def test_a_plugin_of_the_environment_that_the_consumer_has_already_keeps_its_settings():
    plugins = Plugins([("retry", {"max_attempts": 3})], {"KAFKA_PARALLEL_PLUGINS": "retry, top,top"})

    assert [name for name in plugins.names() if name in ("retry", "top")] == ["retry", "top"]
    [retry] = [impl.plugin for impl in plugins.hook.on_error.get_hookimpls() if impl.plugin_name == "retry"]
    assert retry._max_attempts == 3


def test_a_misspelt_plugin_of_the_environment_is_told_with_the_variable():
    with pytest.raises(PluginError, match=r"KAFKA_PARALLEL_PLUGINS in the environment names 'retyr': .*retry"):
        Plugins([], {"KAFKA_PARALLEL_PLUGINS": "retyr"})


def test_a_plugin_given_twice_is_refused():
    with pytest.raises(PluginError, match="'Stopper' is given twice"):
        Plugins([Stopper(), Stopper()], {})


@pytest.mark.parametrize("junk", [None, 3, {"dlq": {}}, ("dlq",), ("dlq", 3), [Stopper()]])
def test_what_is_no_plugin_is_refused(junk):
    with pytest.raises(ConfigurationError, match="is no plugin"):
        Plugins([junk], {})


SECRET = {"producer_config": {"sasl_plain_password": "hidden"}}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("dlq", SECRET), r"plugins=\[\('dlq', \{...\}\)\]"),
        ([{"dlq": SECRET}], r"plugins=\[\('dlq', \{...\}\)\]"),
        ([["dlq", SECRET]], r"a pair must be a tuple: \('dlq', \{...\}\)"),
        ([("dlq", SECRET, 1)], r"a tuple of 3 \(a str, a dict, an int\)"),
        ([(SECRET, "dlq")], r"a tuple of 2 \(a dict, a str\)"),
        ([[SECRET]], "a list is no plugin"),
        ([b"hidden"], "a bytes is no plugin"),
        ([SECRET], "a plugin with settings is a tuple in a list"),
        ([("no:dlq", SECRET)], r"'no:dlq' leaves a plugin out, .*: write the text alone, plugins=\['no:dlq'\]"),
        ([("no:dlq", {})], "one that is left out takes no settings"),
        (
            [(Configured, {"size": "hidden"})],
            r"the class Configured .*: make the object, plugins=\[Configured\(size=...\)\]",
        ),
        (
            [Configured, {"size": "hidden"}],
            r"the class Configured .*: make the object, plugins=\[Configured\(size=...\)\]",
        ),
        (
            [(Configured(), SECRET)],
            "a Configured is given with settings, and an object has its own: give the object alone",
        ),
        ([("dlq", {"password": "hidden"})], r"it has no 'password'; it has topic, .*producer_config"),
        ([("dlq", {1: "hidden"})], r"it has no '1'"),
        ([("retry", {"max_attemps": 3})], r"it has no 'max_attemps'; .*; did you mean 'max_attempts'\?"),
        ([("partition-queue", {"password": "hidden"})], "password"),
    ],
)
def test_a_wrong_shape_is_refused_without_its_settings(wrong, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        Plugins(wrong, {})
    assert "hidden" not in str(caught.value)


def test_what_a_plugins_own_settings_error_says_is_its_cause():
    class Strict:
        def __init__(self, *, number):
            self.number = int(number)

        @hookimpl
        def on_stop(self):
            """Heard."""

    with pytest.raises(PluginError, match="failed with a ValueError, with the settings number") as caught:
        loading.instance(Strict, {"number": "hidden"}, "plugin 'strict'")
    assert "hidden" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dql", "dlq"),
        ("threads", "thread-pool"),
        ("dead-letter-queue", "dlq"),
        ("retries", "retry"),
        ("otel", "opentelemetry"),
    ],
)
def test_a_misspelt_name_is_understood(name, meant):
    with pytest.raises(PluginError, match=f"there is no plugin '{name}'; installed are: .*; did you mean '{meant}'"):
        Plugins([name], {})


def test_a_block_in_capitals_is_not_taken_for_its_opposite():
    with pytest.raises(PluginError, match=r"a plugin is left out with 'no:' in small letters: 'no:dlq'$"):
        Plugins(["NO:dlq"], {})


@pytest.mark.parametrize("option", ["executor", "ordering"])
def test_an_option_that_chooses_a_plugin_leaves_none_out(option):
    with pytest.raises(ConfigurationError, match=r"a plugin is left out with plugins=\['no:asyncio'\]"):
        Plugins([], {}, {option: "no:asyncio"})


def test_a_block_that_blocks_nothing_is_said(caplog):
    Plugins(["no:dql", "no: dlq"], {})

    assert "'no:dql' blocks nothing: there is no plugin 'dql'; did you mean 'dlq'?" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("ordering", "keys", "give 'key', 'partition', 'unordered', .*function.*; did you mean 'key'"),
        ("ordering", "Partition", "did you mean 'partition'"),
        ("ordering", "none", "give 'key'"),
        ("executor", "threads", "give .thread-pool., .asyncio., .process-pool., .*; did you mean 'thread-pool'"),
        ("executor", "processes", "did you mean 'process-pool'"),
    ],
)
def test_a_choice_that_does_not_exist_is_understood(option, name, said):
    with pytest.raises(ConfigurationError, match=f"{option}='{name}': there is no such {option} .*{said}"):
        Plugins([], {}, {option: name})


def test_two_answers_to_a_question_that_is_asked_once_are_refused():
    plugins = Plugins(["key-ordered", "partition-queue"], {})

    with pytest.raises(PluginError, match=r"'key-ordered' \(kafka-parallel .*'partition-queue' .* both answer"):
        plugins.provided(plugins.hook.provide_ordering, Settings(1, "g", frozenset({"orders"}), None))


def test_a_chosen_plugin_may_have_settings():
    plugins = Plugins([], {}, {"executor": ("process-pool", {"start_timeout_ms": 1})})

    assert plugins.names() == ["process-pool"]


@pytest.mark.parametrize(("choice", "error", "message"), [
    (("proces-pool", {}), ConfigurationError, "did you mean 'process-pool'"),
    (("process-pool", {"start": 1}), ConfigurationError, "it has no 'start'"),
    (("thread-pool", {}), PluginError, "'thread-pool' is given twice"),
])  # fmt: skip
def test_a_chosen_plugin_whose_settings_do_not_fit_is_refused(choice, error, message):
    with pytest.raises(error, match=message):
        Plugins(["thread-pool"], {}, {"executor": choice})

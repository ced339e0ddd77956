"""The contract finds each of these faults, by the test that is named for it, with a message that says the remedy."""

from __future__ import annotations

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel.errors import PluginError
from kafka_parallel.testing import PluginContract
from tests.testing.plugin_contract import broken_plugins as broken

FAULTS = [
    (broken.SleepsInBackpressure, "its_hooks_do_not_wait", "on_backpressure waits: .*time.sleep.*throttle"),
    (broken.CountsUnguarded, "its_state_is_guarded", "seen changed by 1 instead of 2.*with a lock"),
    (broken.CountsInADict, "its_state_is_guarded", r"by_topic\[\] changed by 1 instead of 2"),
    (broken.AnswersJunk, "its_answers_fit_the_hooks", "on_error of plugin 'AnswersJunk' answered.*Retry, Skip, Halt"),
    (broken.AnswersJunkOffsets, "its_answers_fit_the_hooks", "AnswersJunkOffsets.*answer"),
    (broken.SwallowsResults, "results_and_errors_come_out_unchanged", r"None came out.*return \(yield\)"),
    (broken.SwallowsErrors, "results_and_errors_come_out_unchanged", "None came out.*let errors pass"),
    (broken.LeaksAThread, "nothing_is_left_after_stop", "the thread 'pusher' still runs: end it in on_stop"),
    (broken.LeaksAFile, "nothing_is_left_after_stop", "file descriptor .* is open, on /dev/null: close it"),
    (broken.LeaksALoop, "nothing_is_left_after_stop", "event loop .* is not closed"),
    (broken.ChangesAnOffset, "only_finished_records_are_committed", "must not change an offset"),
    (broken.AnswersCommits, "only_finished_records_are_committed", "on_commit answered True.*commits_itself"),
    (broken.RaisesAtStop, "its_hooks_raise_nothing", "on_stop raised 1 times.*closed already"),
    (broken.MisspellsAnArgument, "its_hooks_match_the_specifications", "no argument handeld.*did you mean 'handled'"),
    (broken.MisspellsAHook, "its_hooks_match_the_specifications", "no hook on_recrod.*did you mean 'on_record'"),
    (broken.ForgetsTheMark, "its_hooks_match_the_specifications", "on_stop .*not marked: put @hookimpl"),
    (broken.ClosesTheConsumer, "it_leaves_the_consumer_alone", r"on_handled .* calls close\(\) of the consumer"),
    (broken.ChangesRecords, "records_are_not_changed", "the headers of the record .* must not change the record"),
    (broken.SkipsAllErrors, "it_decides_about_errors_as_declared", r"answered Skip.*declare decides = \(Skip,\)"),
    (broken.RemembersForAll, "runs_share_nothing", "the second one, .*, 0 and 40: state must belong to the object"),
    (broken.Costly, "a_record_costs_little", "times as many calls.*on_handled"),
    (broken.KnowsNoSecondMember, "it_bears_rebalances", "on_record raised"),
    (broken.ExpectsResults, "it_bears_hostile_neighbours", "on_record raised"),
    (broken.TakesBegunForDone, "kills_and_restarts_lose_nothing", "seed .* of the simulation"),
    (broken.LocksTheHandler, "kills_and_restarts_lose_nothing", "stands still"),
]
WITH_EXECUTORS = [
    (broken.HoldsARecord, "threads", r"makes no progress: a thread is in on_record \(broken_plugins.py:"),
    (broken.LeavesRecordsOut, "threads", "20 records never came to the handler.*leaves_out_records = True"),
    (broken.Unpicklable, "processes", "provide_child_wrapper.*pickle"),
]


def name_of(value):
    return getattr(value, "__name__", "")


def contract_of(plugin):
    """A contract as the author of *plugin* writes it."""
    return type("Contract", (PluginContract,), {"plugin": plugin, "patience_ms": 4_000})()


@pytest.mark.parametrize(("plugin", "test", "message"), FAULTS, ids=name_of)
def test_the_fault_is_found_by_the_test_that_is_named_for_it(plugin, test, message, record_property):
    method = getattr(contract_of(plugin), f"test_{test}")
    arguments = [record_property] if test == "a_record_costs_little" else []

    with pytest.raises(pytest.fail.Exception, match=f"(?s){message}"):
        method(*arguments)


@pytest.mark.parametrize(("plugin", "executor", "message"), WITH_EXECUTORS, ids=name_of)
def test_the_fault_is_found_beside_the_executor(plugin, executor, message):
    with pytest.raises(pytest.fail.Exception, match=f"(?s){message}"):
        contract_of(plugin).test_every_record_is_handled_once_in_order(executor)


def test_a_name_without_an_entry_point_is_found():
    with pytest.raises(PluginError, match=r"there is no plugin 'retyr'.*did you mean 'retry'"):
        contract_of("retyr").test_it_loads_by_its_entry_point()


def test_a_contract_without_a_plugin_says_so():
    with pytest.raises(ConfigurationError, match="Contract: say which plugin"):
        contract_of(None).test_its_hooks_match_the_specifications()

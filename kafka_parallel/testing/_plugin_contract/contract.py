"""The tests that every plugin has to pass, as a class for pytest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import pytest

from kafka_parallel.errors import ConfigurationError
from kafka_parallel.testing._plugin_contract import verdicts_on_runs as verdicts
from kafka_parallel.testing._plugin_contract.attempts_by_hand import AttemptsByHand, Capture
from kafka_parallel.testing._plugin_contract.call_profile import CallProfile
from kafka_parallel.testing._plugin_contract.guarded_state import GuardedState
from kafka_parallel.testing._plugin_contract.hook_shapes import mistakes_in
from kafka_parallel.testing._plugin_contract.leaks import left_behind
from kafka_parallel.testing._plugin_contract.neighbours import Answering, Neighbour, NeighbourBehind
from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest, made_by_entry_point
from kafka_parallel.testing._plugin_contract.rebalanced_runs import run_with_rebalances
from kafka_parallel.testing._plugin_contract.trial import EXECUTORS, Outcome, Setup, Trial
from kafka_parallel.testing.fake import FakeCluster

__all__: list[str] = []

# The offsets, in each partition, of records whose handler fails.
BAD_OFFSETS = (3, 8)
_usual_runs: WeakKeyDictionary[type, Outcome] = WeakKeyDictionary()


# see docs/decisions/0097-plugin-contract.md
class PluginContract:
    """Tries a plugin against every promise of the library: subclass it, and say which plugin.

    ``plugin`` is a name (the plugin is found by its entry point), a pair ``(name, {settings})``, or a method that
    returns an object; each run asks for a new one, and `cluster` is the fake cluster of that run by then.

    A plugin that does something on purpose that most must not do declares it with the attributes below.

    :cvar plugin: the plugin.
    :cvar topics: further topics that the fake cluster has, each with its number of partitions.
    :cvar executors: the kinds of handlers that it works beside: of ``"threads"``, ``"asyncio"``, ``"processes"``,
        ``"batches"``, ``"batches on asyncio"``, ``"batches in processes"``.
    :cvar ordering: the ordering of the consumer; ``"unordered"`` for one that lets records overtake others.
    :cvar leaves_out_records: true if it answers for some records, which the handler never gets (deduplication, a
        filter).
    :cvar changes_records: true if the handler gets records otherwise than Kafka has them, such as those that come back
        from a topic with headers in addition.
    :cvar changes_results: true if a wrapper of ``on_record`` returns another result than the handler's.
    :cvar decides: the classes of answers that it gives in ``on_error``: of ``Retry``, ``Skip`` and ``Halt``.
    :cvar commits_itself: true if ``on_commit`` answers ``True`` because it has committed in a store of its own.
    :cvar may_wait_in: hooks in which it sleeps or waits for a network on purpose; those that run on workers, such as
        ``"on_error"``, cost one worker meanwhile, all others stop everything.
    :cvar unguarded: state that threads may change at once on purpose, by its name in a message of the test.
    :cvar stays_after_stop: true if it goes on after the run on purpose, such as a probe that answers that the run has
        ended.
    :cvar acts_from_own_threads: true if threads of its own call the library during a run, such as its throttle: then it
        cannot be simulated.
    :cvar most_cost_ratio: how many times as many calls of Python functions a record may cost with it as without it.
    :cvar seeds: how many simulated runs are made, with kills and restarts.
    :cvar patience_ms: milliseconds without any progress after which a run is taken for stuck.
    :ivar cluster: the fake cluster of the run that the plugin is made for.
    """

    plugin: Any = None
    topics: ClassVar[Mapping[str, int]] = {}
    executors: ClassVar[Collection[str]] = tuple(EXECUTORS)
    ordering: ClassVar[Literal["key", "partition", "unordered"]] = "key"
    leaves_out_records: ClassVar[bool] = False
    changes_records: ClassVar[bool] = False
    changes_results: ClassVar[bool] = False
    decides: ClassVar[Collection[type]] = ()
    commits_itself: ClassVar[bool] = False
    may_wait_in: ClassVar[Collection[str]] = ()
    unguarded: ClassVar[Collection[str]] = ()
    stays_after_stop: ClassVar[bool] = False
    acts_from_own_threads: ClassVar[bool] = False
    most_cost_ratio: ClassVar[float] = 20.0
    seeds: ClassVar[int] = 20
    patience_ms: ClassVar[float] = 20_000
    cluster: FakeCluster

    def test_it_loads_by_its_entry_point(self) -> None:
        """A consumer finds it by its name; one that is given as an object has no entry point to find."""
        item = self._item(FakeCluster())
        if not isinstance(item, (str, tuple)):
            pytest.skip("the plugin is given as an object")
        name, settings = (item, {}) if isinstance(item, str) else item
        made_by_entry_point(name, settings)

    def test_its_hooks_match_the_specifications(self) -> None:
        """Each function that is marked is a hook, and takes arguments that this hook has."""
        self._require(mistakes_in(PluginUnderTest(self._item(FakeCluster()))))

    @pytest.mark.parametrize("executor", EXECUTORS)
    def test_every_record_is_handled_once_in_order(self, executor: str) -> None:
        """Beside each kind of handler: none is lost, none comes twice, a key keeps its order, all is committed.

        :param executor: the kind of handler.
        """
        outcome = self._run(executor=executor)
        self._require(verdicts.incomplete(outcome))
        if not self.leaves_out_records:
            self._require(verdicts.not_once_each(outcome))
        if self.ordering == "key":
            self._require(verdicts.disorder(outcome))

    def test_records_are_not_changed(self) -> None:
        """The handler gets key, value and headers as Kafka has them."""
        if self.changes_records:
            pytest.skip("changes_records is declared")
        self._require(verdicts.changed_records(self._usual_run()))

    def test_results_and_errors_come_out_unchanged(self) -> None:
        """Results and errors of the handler come out of the wrappers of ``on_record`` as they are."""
        if self.changes_results or not {"threads", "asyncio"} & {*self.executors}:
            pytest.skip("changes_results is declared, or its handlers return nothing here")
        outcome = self._usual_run()
        if not self.leaves_out_records:
            self._require(verdicts.changed_results(outcome))

    def test_its_answers_fit_the_hooks(self) -> None:
        """No answer is junk, or work that nothing would do."""
        self._require(verdicts.misfit_answers(self._usual_run()))

    def test_it_decides_about_errors_as_declared(self) -> None:
        """``on_error`` answers ``None``, or what ``decides`` names."""
        outcome = self._usual_run()
        answers = [answer for _, _, answer in outcome.verdicts.asked if answer is not None]
        wrong = {type(answer).__name__ for answer in answers if not isinstance(answer, tuple(self.decides))}
        self._require(
            f"on_error answered {name}, which other plugins and the user's own decision never see then: answer None "
            f"for errors that are not the plugin's business, or declare decides = ({name},)"
            for name in sorted(wrong)
        )

    def test_only_finished_records_are_committed(self) -> None:
        """It changes no offset, and does not answer in the place of the consumer's commit."""
        self._require(verdicts.changed_commits(self._usual_run(), commits_itself=self.commits_itself))

    def test_it_leaves_the_consumer_alone(self) -> None:
        """It does not commit, seek, pause or close by itself."""
        self._require(verdicts.calls_on_consumer(self._usual_run()))

    def test_its_hooks_raise_nothing(self) -> None:
        """From the start to the end of a run no hook raises an error of its own."""
        self._require(verdicts.raised(self._usual_run()))

    def test_failed_records_are_tried_again(self) -> None:
        """Bad records fail three times and are left out then, good ones are handled once; all is committed."""
        outcome = self._usual_run()
        self._require(verdicts.incomplete(outcome))
        if not (self.leaves_out_records or self.decides):
            self._require(verdicts.wrong_attempts(outcome, bad=BAD_OFFSETS, wanted=(1, 2, 3)))

    def test_it_bears_rebalances(self) -> None:
        """A second member joins and leaves again in the middle of a run."""
        self._require(verdicts.incomplete(run_with_rebalances(self._setup(records=80))))

    def test_it_bears_hostile_neighbours(self) -> None:
        """Other plugins raise in every hook, before it and behind it, and answer in the handler's place."""
        around = {"before": [Neighbour()], "after": [NeighbourBehind(), Answering()]}
        self._require(verdicts.incomplete(self._run(**around)))

    def test_kills_and_restarts_lose_nothing(self) -> None:
        """Simulated runs: instances are killed, frozen and started again, and each seed is the same each time."""
        under_test = PluginUnderTest(self._item(FakeCluster()))
        if self.acts_from_own_threads or under_test.implements("provide_executor"):
            pytest.skip("threads of its own cannot be simulated")
        if under_test.implements("provide_ordering"):
            pytest.skip("the simulation has an ordering of its own")
        if not self.seeds:
            pytest.skip("seeds is 0")
        pytest.importorskip("greenlet", reason="the simulation needs greenlet: pip install 'kafka-parallel[testing]'")
        from kafka_parallel.testing._plugin_contract.seeded_runs import SeededRuns

        runs = SeededRuns(
            self._item,
            dict(self.topics),
            self.decides,
            ordering=self.ordering,
            has_child_wrapper=under_test.implements("provide_child_wrapper"),
            leaves_out_records=self.leaves_out_records,
            patience=3 * self.patience_ms / 1000,
        )
        self._require(runs.mistakes(self.seeds))

    def test_its_state_is_guarded(self) -> None:
        """One thread is stopped at each point of its hooks while another runs them: no update is lost."""
        found: list[str] = []
        capture = Capture()

        def look(_: Any) -> None:
            if capture.captured is not None:
                by_hand = AttemptsByHand(trial.under_test.plugin, capture.captured)
                state = GuardedState(trial.under_test, by_hand, self.unguarded)
                found.extend(state.mistakes() if by_hand.are_any else ())

        trial = Trial(self._setup(act=look, after=[capture], records=1, partitions=1, as_object=True))
        outcome = trial.run()
        self._require(found or verdicts.incomplete(outcome))

    def test_a_record_costs_little(self, record_property: Callable[[str, object], None]) -> None:
        """Calls of functions per record are counted with it and without it; the ratio is reported.

        :param record_property: of pytest: the ratio goes into its report in XML.
        """
        with_it, without = self._profile(), self._profile(is_there=False)
        ratio = 1 + with_it.own_calls / max(1, without.calls)
        record_property("calls_per_record_ratio", round(ratio, 2))
        if ratio > self.most_cost_ratio:
            mistake = (
                f"a record costs {ratio:.1f} times as many calls of functions as without the plugin, and "
                f"most_cost_ratio is {self.most_cost_ratio:g}: measure in on_handled, which is called once for many "
                "records, and set context variables in provide_attempt_scope"
            )
            self._require([mistake])

    def test_its_hooks_do_not_wait(self) -> None:
        """No hook that runs while records are handled sleeps or waits for a network, but ``on_error``."""
        waits = self._profile(bad=BAD_OFFSETS).waits
        allowed = {"on_start", "on_stop", "on_throttle", "on_error", *self.may_wait_in}
        self._require(
            f"{hook} waits: {place}. Nothing else happens on its thread meanwhile; hold records back with a throttle "
            f"(on_throttle) or Retry(delay_ms), or declare may_wait_in = ({hook!r},)"
            for hook, place in waits.items()
            if hook not in allowed and not hook.startswith("provide_")
        )

    def test_nothing_is_left_after_stop(self) -> None:
        """Threads, tasks, event loops, processes, files and sockets are gone when the consumer has stopped."""
        if self.stays_after_stop:
            pytest.skip("stays_after_stop is declared")
        self._run()  # what is made once for the whole process is there from now on
        self._require(left_behind(self._run, self.patience_ms / 1000 / 4))

    def test_runs_share_nothing(self) -> None:
        """A second run, with a new object, a new cluster and the same topic, handles what the first one did."""
        first, second = (self._run(topic=f"same-for-{type(self).__name__}") for _ in range(2))
        if len(second.places) != len(first.places) or second.statistics.skipped != first.statistics.skipped:
            mistake = (
                f"the first run handled {len(first.places)} records and left {first.statistics.skipped} out, the "
                f"second one, of another object of the plugin, {len(second.places)} and {second.statistics.skipped}: "
                "state must belong to the object, not to its module or its class"
            )
            self._require([mistake])

    # Making and running

    def _profile(self, *, is_there: bool = True, **options: Any) -> CallProfile:
        """Run, and count."""
        trial = Trial(self._setup(records=100, is_there=is_there, **options))
        profile = CallProfile(trial.under_test)
        outcomes: list[Outcome] = []
        profile.during(lambda: outcomes.append(trial.run()))
        self._require(verdicts.incomplete(outcomes[0]))
        return profile

    def _item(self, cluster: FakeCluster) -> Any:
        """Make the plugin for a run on *cluster*."""
        self.cluster = cluster
        if self.plugin is None:
            raise ConfigurationError(f"{type(self).__name__}: say which plugin, as in: plugin = 'my-plugin'")
        return self.plugin() if callable(self.plugin) and not isinstance(self.plugin, type) else self.plugin

    def _setup(self, **options: Any) -> Setup:
        patience = self.patience_ms / 1000
        options = {"ordering": self.ordering, "topics": dict(self.topics), **self._with_executor(options)}
        return Setup(self._item, patience=patience, **options)

    def _with_executor(self, options: dict[str, Any]) -> dict[str, Any]:
        wanted = options.get("executor")
        if wanted is None:
            wanted = next(name for name in EXECUTORS if name in self.executors)
        elif wanted not in self.executors:
            pytest.skip(f"executors does not name {wanted!r}")
        return {**options, "executor": wanted}

    def _usual_run(self) -> Outcome:
        """One run with some records that fail; several tests look at the same one."""
        outcome = _usual_runs.get(type(self))
        if outcome is None:
            outcome = _usual_runs[type(self)] = self._run(bad=BAD_OFFSETS)
        return outcome

    def _run(self, **options: Any) -> Outcome:
        return Trial(self._setup(**options)).run()

    def _require(self, mistakes: Iterable[str]) -> None:
        """Fail with the *mistakes* if there are any."""
        found = [*dict.fromkeys(mistakes)]
        if found:
            name = self.plugin if isinstance(self.plugin, str) else type(self).__name__
            pytest.fail("\n".join(f"plugin of {name}: {mistake}" for mistake in found), pytrace=False)

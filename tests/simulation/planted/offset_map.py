"""Bugs of the offset map: records told to be finished that are not, and finished ones that are forgotten."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take the committed offset for finished if others above it are",
        where="kafka_parallel._core.finished_before:FinishedBefore.__contains__",
        old="offset in self._recorded.ranges",
        new="(offset in self._recorded.ranges or offset == self._recorded.offset)",
    ),
    Bug(
        "tell one offset more to be finished than is",
        where="kafka_parallel._core.offsets:OffsetLedger.finished_ranges",
        old="(below[-1] + 1, highest + 1)",
        new="(below[-1] + 1, highest + 2)",
    ),
    Bug(
        "tell dropped records to be finished",
        where="kafka_parallel._core.offsets:OffsetLedger.finished_ranges",
        old="left = sorted(dropped.union(unfinished)) if dropped else [*unfinished]",
        new="left = [*unfinished]",
    ),
    Bug(
        "count the map from the offset before the committed one",
        where="kafka_parallel_plugins.offset_map:OffsetMap._write",
        old="(found.start, found.stop)",
        new="(found.start + 1, found.stop + 1)",
    ),
    Bug(
        "leave the map of the commit before where nothing above is finished",
        where="kafka_parallel_plugins.offset_map:OffsetMap.on_commit",
        old="self._write(offsets, partition, ranges)",
        new="""
            self._write(offsets, partition, ranges)
            before = vars(self).setdefault("before", {})
            before[partition] = offsets[partition].metadata or before.get(partition, "")
            offsets[partition] = offsets[partition]._replace(metadata=before[partition])
        """,
        # A map beside another commit is ignored: no record of a simulation is handled otherwise for it.
        executor="tests/plugins/test_offset_map.py::test_progress_above_a_stuck_record_survives_while_it_runs_on",
    ),
    Bug(
        "commit where an assignment begins without what is recorded there",
        where="kafka_parallel._core.assignment:Assignment.finished_ranges",
        old="self.finished_before.recorded_from(ahead)",
        new="()",
    ),
    Bug(
        "believe a map of records that are not written yet",
        where="kafka_parallel._core.finished_before:FinishedBefore.begin_with",
        old="self._recorded.ranges.at_or_above(log_end)",
        new="False",
        executor="tests/core/test_finished_before.py::test_a_record_of_offsets_that_the_log_does_not_have_is_not_believed",
    ),
    Bug(
        "believe the map of a commit that another program has moved",
        where="kafka_parallel_plugins.offset_map:OffsetMap._finished",
        old="is_of(mark, partition, commit)",
        new="True",
    ),
    Bug(
        "believe only marks with a leader epoch, which some clients do not read",
        where="kafka_parallel_plugins.offset_map.mark:is_of",
        old="(commit.leader_epoch, UNKNOWN)",
        new="(commit.leader_epoch,)",
        executor="tests/plugins/test_offset_map.py::test_a_map_of_a_client_that_reads_no_leader_epochs_is_believed",
    ),
    Bug(
        "go on believing what is recorded after a jump of the user",
        where="kafka_parallel._core.finished_before:FinishedBefore.jump",
        old='self._forget("the user goes on elsewhere", is_wanted=True)',
        new="",
    ),
    Bug(
        "forget what is recorded when the first of its records have come",
        where="kafka_parallel._core.finished_before:FinishedBefore.forget_below",
        old="above = self._recorded.ranges.at_or_above(offset)",
        new="above = ()",
    ),
    Bug(
        "take the offsets of a commit and what is finished above them at two moments",
        where="kafka_parallel._runtime.loop.committer:Committer.send",
        old="return self.send_snapshot(self._scheduler.snapshot(renews=True), timeout)",
        new="""
            taken = self._scheduler.snapshot(renews=True)
            self._scheduler.wait_until(lambda _: False, 0.05)
            later = self._scheduler.snapshot(renews=True)
            above = {partition: later.finished_above.get(partition, ()) for partition in taken.finished_above}
            return self.send_snapshot(type(taken)(taken.offsets, taken.assignments, taken.finished, above), timeout)
        """,
    ),
]

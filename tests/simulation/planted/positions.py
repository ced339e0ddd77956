"""Bugs about the client's position: commits of quiet partitions, and offsets that are passed unseen."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "commit the position while a record is buffered",
        where="kafka_parallel._core.offsets:OffsetLedger.committable",
        old="self._order[0] if self._order else self._next",
        new="self._next",
    ),
    Bug(
        "take a position before the records before it are fed",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._go_round",
        old="self._positions.distrust",
        new="self._positions.report",
    ),
    Bug(
        "believe positions until a poll has returned",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._go_round",
        old="""
            self._positions.distrust()
            fetched = self._poll(decision)
        """,
        new="""
            fetched = self._poll(decision)
            self._positions.distrust()
        """,
    ),
    Bug(
        "take records in the order in which a poll of the user's returned them",
        where="kafka_parallel._runtime.client.polled_records:_by_place",
        old="sorted(own, key=_offset)",
        new="own",
    ),
    Bug(
        "take records under the partition under which a poll of the user's returned them",
        where="kafka_parallel._runtime.client.polled_records:UsersPoll.arranged",
        old="_by_place(record for records in found.values() for record in records)",
        new="{partition: sorted(records, key=_offset) for partition, records in found.items()}",
    ),
    Bug(
        "go on at the position that the last assignment left",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance._go_on",
        old="_or(known[partition], position)",
        new="position",
    ),
    Bug(
        "commit the start of a partition with its first record only",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._go_round",
        old="self._commit_starts(self._positions.of_unbegun())",
        new="",
    ),
    Bug(
        "commit beyond a jump back that the latest look came too early for",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._commit_if_due",
        old="self._positions.report_begun(self._clock.monotonic())",
        new="",
        executor="tests/runtime/loop/test_positions.py::test_a_commit_after_a_jump_back_does_not_pass_it",
    ),
    Bug(
        "never believe positions again after a poll has failed on the way out",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._keep_alive",
        old="self._positions.go_back()",
        new="pass",
        executor="tests/runtime/loop/test_positions.py::"
        "test_a_jump_back_counts_while_the_run_stops_although_a_poll_failed",
    ),
    Bug(
        "lose a jump while a poll ran that passed its target and failed",
        where="kafka_parallel._runtime.loop.positions:Positions.go_back",
        old="self._client.partitions.user_seeks.repeat_jumps(self._client.positions(expected))",
        new="()",
        executor="tests/runtime/loop/test_positions.py::"
        "test_a_jump_counts_that_comes_while_a_poll_runs_which_passes_its_target_and_fails",
    ),
    Bug(
        "lose a jump before a poll that passed its target and failed",
        where="kafka_parallel._runtime.loop.positions:Positions.distrust",
        old="self._report_begun()",
        new="pass",
        executor="tests/runtime/loop/test_positions.py::"
        "test_a_jump_between_two_polls_counts_although_the_second_passes_its_target_and_fails",
    ),
    Bug(
        "never look at positions again",
        where="kafka_parallel._runtime.loop.positions:Positions._report_begun",
        old="self.report(self._scheduler.ask(lambda scheduler: scheduler.assigned - scheduler.unbegun))",
        new="",
    ),
    Bug(
        "hear of jumps only when records come",
        where="kafka_parallel._runtime.loop.positions:Positions.learn",
        old="self._client.partitions.user_seeks.take_begun()",
        new="()",
        executor="tests/plugins/test_offset_map.py::test_a_jump_forward_ends_a_map_although_no_record_follows",
    ),
    Bug(
        "lose what a failed poll had passed",
        where="kafka_parallel._runtime.loop.positions:Positions.go_back",
        old="position > expected[partition]",
        new="False",
    ),
    Bug(
        "believe positions after a poll that failed for good",
        where="kafka_parallel._runtime.loop.positions:Positions.distrust",
        old="self._can_be_believed = False",
        new="pass",
    ),
    Bug(
        "throw away what comes of a partition that was assigned on the way out",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._keep_alive",
        old="self._refetch(self._client.poll(timeout, 1))",
        new="self._client.poll(timeout, 1)",
    ),
    Bug(
        "begin again behind a jump back",
        where="kafka_parallel._core.scheduler:Scheduler.learn_positions",
        old="self._assignments.advance_to(partition, positions[partition])",
        new="self._assignments.advance_to(partition, max(positions[partition], 1))",
    ),
    Bug(
        "give up what was taken below the target of a seek",
        where="kafka_parallel._core.assignment:Assignment.go_on_from",
        old="found.ledger = self.ledger.below(position)",
        new="""
            found.ledger = OffsetLedger()
            found.ledger.begin_at(position)
        """,
    ),
    Bug(
        "never hear of a record that stays below the target of a seek",
        where="kafka_parallel._core.task:Task.follow",
        old="self.assignment = self.assignment.owner_of(self.offset)",
        new="pass",
    ),
    Bug(
        "go on at the commit after a seek back",
        where="kafka_parallel._core.assignment:Assignment.go_on_from",
        old="self.kept_below, self.successor = position, found",
        new="""
            self.kept_below, self.successor = position, found
            found.committed = self.committed
            found.ledger._next = max(position, self.committed or 0)
        """,
    ),
]

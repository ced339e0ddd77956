"""Bugs about the client's position: of what is committed where nothing comes, and of what is passed unseen."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "commit the position while a record is buffered",
        "_core/offsets.py",
        "        candidate = self._order[0] if self._order else self._next\n",
        "        candidate = self._next\n",
    ),
    Bug(
        "take a position before the records before it are fed",
        "_runtime/loop/poll_loop.py",
        "        self._positions.distrust()\n        self._feed(",
        "        self._positions.look()\n        self._feed(",
    ),
    Bug(
        "go on at the position that the last assignment left",
        "_runtime/loop/rebalance.py",
        "            partition: max(_or(known[partition], position), ",
        "            partition: max(position, ",
    ),
    Bug(
        "commit the start of a partition with its first record only",
        "_runtime/loop/poll_loop.py",
        "        self._begin(self._positions.of_unbegun())\n",
        "",
    ),
    Bug(
        "never look at positions again",
        "_runtime/loop/positions.py",
        "        if now >= self._next_look:",
        "        if False:",
    ),
    Bug(
        "lose what a failed poll had passed",
        "_runtime/loop/positions.py",
        "            if position > expected[partition]:",
        "            if False:",
    ),
    Bug(
        "believe positions after a poll that failed for good",
        "_runtime/loop/positions.py",
        "        self._can_be_believed = False\n",
        "        pass\n",
    ),
    Bug(
        "throw away what comes of a partition that was assigned on the way out",
        "_runtime/loop/poll_loop.py",
        "            self._give_back(self._client.poll(timeout, 1))\n",
        "            self._client.poll(timeout, 1)\n",
    ),
    Bug(
        "begin again behind a jump back",
        "_core/scheduler.py",
        "            self._assignments.reach(partition, positions[partition])\n",
        "            self._assignments.reach(partition, max(positions[partition], 1))\n",
    ),
]

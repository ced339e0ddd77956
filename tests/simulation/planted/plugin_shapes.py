"""Bugs about the shapes of plugins: how implementations are called, and which of their answers count."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take whatever a plugin answers for an answer",
        "_plugins/implementations.py",
        "    if is_right(answer):\n",
        "    if True:\n",
    ),
    Bug(
        "take whatever a plugin answers for an answer, beside coroutines",
        "_plugins/implementations.py",
        "    if is_right(answer):\n",
        "    if True:\n",
        "asyncio",
    ),
    Bug(
        "take whatever a plugin answers for an answer about a record of a batch",
        "_plugins/implementations.py",
        "    if is_right(answer):\n",
        "    if True:\n",
        "batch on thread-pool",
    ),
    Bug(
        "call a wrapper of the old style as if it were none",
        "_plugins/chains.py",
        "    return impl.wrapper or impl.hookwrapper\n",
        "    return impl.wrapper\n",
    ),
    Bug(
        "forget what was raised inside of a wrapper of the old style",
        "_plugins/implementations.py",
        "            return result.get_result()\n",
        "            return None\n",
    ),
    Bug(
        "forget what was raised inside of a wrapper of the old style, beside coroutines",
        "_plugins/implementations.py",
        "            return result.get_result()\n",
        "            return None\n",
        "asyncio",
    ),
    Bug(
        "count a commit as done because a wrapper swallowed the error of another plugin",
        "_runtime/loop/committer.py",
        "        if not self._is_stored:\n",
        "        if False:\n",
    ),
    Bug(
        "believe what a plugin says is done in an assignment",
        "_runtime/loop/rebalance.py",
        "            offsets, problems = done_offsets(answer, partitions)\n",
        "            offsets, problems = {found: set(done) for found, done in answer.items()}, ()\n",
    ),
    Bug(
        "forget what a batch handler raised where it is told to its wrappers",
        "_plugins/chains.py",
        "                result = _left(around, who, result, error)\n",
        "                result = _left(around, who, result)\n",
        "batch on thread-pool",
    ),
]

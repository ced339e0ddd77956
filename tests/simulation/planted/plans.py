"""The plans with which bugs show that few drawn plans show: for each bug, what is replaced in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REBALANCES = ((0.05, "start"), (0.3, "rebalance"), (0.3, "start"), *[(wait, "rebalance") for wait in (0.5, 1.0, 1.0)])
KILLS = ((0.1, "start"), (0.5, "kill"), (0.5, "start"), (0.5, "kill"), (1.0, "kill"))
# Options of the consumer: a drain that is over before slow handlers are, and room for all records.
SHORT = {"revoke_timeout_ms": 100}
ROOMY = {
    "max_buffered_records": 1000,
    "max_uncommitted": 1000,
    "max_buffered_bytes": 10000000,
    "revoke_timeout_ms": 20000,
    "stop_timeout_ms": 20000,
}
# Nothing stops a run; nothing goes wrong either; assignments end while handlers run and fail; many dead letters.
UNSTOPPED: Mapping[str, Any] = {
    "is_halting": False,
    "dead_letters": False,
    "limit": None,
    "retry_topics": (),
    "hostile": 0.0,
    "is_fatal": False,
}
CALM: Mapping[str, Any] = {
    **UNSTOPPED,
    "slow": 0.0,
    "failing": 0.0,
    "commit_faults": 0.0,
    "poll_faults": 0.0,
    "late": 0.0,
    "dying": 0.0,
    "is_unreadable": False,
    "oddity": "",
    "kept_out": 0.0,
    "hiccups": 0.0,
    "pace": None,
    "adaptive": None,
    "breaker": None,
    "backoff": None,
    "seeks": False,
    "is_meddled_with": False,
    "max_poll_interval": 60.0,
}
SLOW_HEADS: Mapping[str, Any] = {
    **CALM,
    "slow": 0.2,
    "max_poll_interval": 2.0,
    "membership": "eager",
    "options": {
        "stop_timeout_ms": 600000,
        "revoke_timeout_ms": 1500,
        "workers": 4,
        "max_buffered_records": 1000,
        "max_uncommitted": 1000,
    },
}
# Jumps into what the map of a dead member tells, while the head below it is slow.
JUMPS_AHEAD: Mapping[str, Any] = {
    **SLOW_HEADS,
    "seeks": True,
    "jumps_ahead": True,
    "events": ((1.5, "kill"), (0.1, "start"), (12.5, "kill")),
}
LEAVING: Mapping[str, Any] = {
    "membership": "eager",
    "slow": 0.3,
    "failing": 0.4,
    "hostile": 0.0,
    "events": REBALANCES,
    "options": SHORT,
    "is_heard": True,
}
DEAD_LETTERS: Mapping[str, Any] = {
    "dead_letters": True,
    "failing": 0.4,
    "breaker": None,
    "backoff": None,
    "retry_topics": (),
    "hostile": 0.0,
}
PLANS: Mapping[str, Mapping[str, Any]] = {
    "B2.4 count a commit that was refused as done": {"commit_faults": 0.4, "membership": "eager", "slow": 0.1},
    "B2.7 do not count retries that wait as buffered": {
        **UNSTOPPED,
        "failing": 0.5,
        "options": {"max_buffered_records": 2, "max_uncommitted": 1000},
    },
    "T3 mark as committed what was only sent": {"commit_faults": 0.4, "membership": "eager"},
    "T4 let a stale record hold its key for ever": {
        "membership": "eager",
        "slow": 0.3,
        "failing": 0.3,
        "events": REBALANCES,
        "options": SHORT,
        "lanes": "key",
    },
    "T6 stop polling while the last records drain": {
        "slow": 0.3,
        "membership": "eager",
        "max_poll_interval": 2.0,
        "events": ((0.5, "stop"), (0.5, "start"), (0.5, "stop")),
        "options": {"stop_timeout_ms": 600000, "revoke_timeout_ms": 1500},
    },
    "T9 look whether a record is still ours when it is taken, and not again when it runs": LEAVING,
    "ask what a deadline means that passed after the partition left": {**LEAVING, "overdue": 0.3, "deadline_ms": 300},
    "ask what the failure of a batch means although a partition of it has left": LEAVING,
    "begin a rate anew with each partition that comes": {
        **CALM,
        "pace": {"records_per_second": None, "per_key_per_second": 5, "burst": 1},
        "membership": "eager",
        "events": REBALANCES,
        "lanes": "key",
    },
    "begin a retry topic where auto_offset_reset says": {
        "retry_topics": (30,),
        "reset": "latest",
        "lanes": "unordered",
        "failing": 0.3,
        "membership": "eager",
    },
    "believe any time in a retry header": {
        "retry_topics": (30,),
        "lanes": "unordered",
        "failing": 0.3,
        "membership": "eager",
    },
    "believe the map of a commit that another program has moved": {**SLOW_HEADS, "events": ((1.5, "move commits"),)},
    "count a record as finished although its dead letter was not acknowledged": {
        **DEAD_LETTERS,
        "limit": None,
        "commit_faults": 0.3,
    },
    "count a record as finished although its retry topic did not acknowledge it": {
        **DEAD_LETTERS,
        "dead_letters": False,
        "retry_topics": (30,),
        "limit": None,
        "lanes": "unordered",
        "pace": None,
        "membership": "eager",
        "commit_faults": 0.3,
    },
    "decide about the records of a broken executor before its workers are gone": {"dying": 0.1},
    "do not cancel coroutines that nobody waits for": LEAVING,
    "do not count retries in batches": {
        **UNSTOPPED,
        "backoff": {"max_attempts": 5, "delay_ms": 1, "max_delay_ms": 8000, "jitter": 1, "max_share": 0.34},
        "failing": 0.5,
        "slow": 0.1,
        "breaker": None,
        "options": {"workers": 3},
    },
    "drop everything that has not started when leaving": {
        **CALM,
        "membership": "eager",
        "lanes": "key",
        "events": ((0.03, "rebalance"),) * 12,
        "options": {**ROOMY, "workers": 4},
    },
    "finish a coroutine that was cancelled without settling it": {**LEAVING, "late": 0.01},
    "give the slot of a task away that goes on": {**LEAVING},
    "go on after a static member was fenced": {
        "membership": "static",
        "events": ((0.1, "start"), (0.2, "start"), (0.3, "start"), (0.3, "start"), (1.0, "start")),
    },
    "go on believing what is recorded after a jump of the user": JUMPS_AHEAD,
    "handle records before their start is committed": {
        **CALM,
        "reset": "latest",
        "membership": "assigned",
        "events": ((0.31, "kill"), (0.3, "kill"), (1.0, "kill")),
        "begins_at": 0.3,
        "options": ROOMY,
    },
    "hold the key of a record that was kept out of its batch": {
        "kept_out": 0.4,
        "lanes": "key",
        "hostile": 0.0,
        "batches": {"max_records": 5, "max_wait_ms": 50, "max_bytes": 1000000, "of": "mixed"},
    },
    "leave the stuck head out of what is left": {
        **CALM,
        "overdue": 0.1,
        "deadline_ms": 300,
        "options": ROOMY,
        "events": (),
    },
    "let a batch wait from the time at which the record came that is to go first": {
        **CALM,
        "partitions": 2,
        "quiet": frozenset({1}),
        "lull": 1.5,
        "reset": "earliest",
        "membership": "eager",
        "events": (),
        "transactions": 0.0,
        "batches": {"max_records": 50, "max_wait_ms": 2000, "max_bytes": 1000000, "of": "mixed"},
        "options": ROOMY,
    },
    "let a commit of the program overtake one of the run": {
        "is_meddled_with": True,
        "membership": "eager",
        "seeks": False,
        "is_fatal": False,
    },
    "let a handler past its deadline end a row of dead letters": {
        **DEAD_LETTERS,
        "limit": {"max_consecutive": 2, "max_ratio": None, "window": 8},
        "overdue": 0.3,
        "deadline_ms": 300,
    },
    "let a handler past its deadline end a row of dead letters if its record is tried again": {
        **DEAD_LETTERS,
        "limit": {"max_consecutive": 2, "max_ratio": None, "window": 8},
        "failing": 0.3,
        "overdue": 0.3,
        "deadline_ms": 300,
    },
    "let a key go on before its record without a verdict has run again": {
        **UNSTOPPED,
        "dying": 0.3,
        "dead_letters": True,
        "lanes": "key",
    },
    "let a success that came after the partition left end a row of dead letters": {
        **DEAD_LETTERS,
        "limit": {"max_consecutive": 1, "max_ratio": None, "window": 8},
        "slow": 0.3,
        "events": REBALANCES,
        "membership": "eager",
        "options": SHORT,
    },
    "let a wanted record fail whose process was killed for another": {"dying": 0.1},
    "let one record more of a topic be in flight than has a place": {"places": 1, "options": {"workers": 4}},
    "let the window of the ratio only grow": {
        **DEAD_LETTERS,
        "limit": {"max_consecutive": None, "max_ratio": 0.5, "window": 3},
        "failing": 0.3,
    },
    "never give back the place of a record that ends": {"places": 2},
    "no epoch check: count what ends under a former assignment for the one of now": {**LEAVING, "failing": 0.0},
    "poll again on the way out after poll() has failed for good": {"is_fatal": True, "poll_faults": 0.1},
    "run a coroutine although its assignment has ended": {
        "membership": "eager",
        "slow": 0.1,
        "hostile": 0.0,
        "events": REBALANCES,
        "options": SHORT,
    },
    "run the handler of a batch for what stands behind a record that was kept out of it": {
        "kept_out": 0.4,
        "lanes": "key",
        "hostile": 0.0,
        "batches": {"max_records": 5, "max_wait_ms": 50, "max_bytes": 1000000, "of": "mixed"},
    },
    "say that an attempt counts although its partition has left": LEAVING,
    "stop at the ratio, not above it": {
        **DEAD_LETTERS,
        "limit": {"max_consecutive": None, "max_ratio": 0.5, "window": 8},
    },
    "stop one dead letter early": {**DEAD_LETTERS, "limit": {"max_consecutive": 2, "max_ratio": None, "window": 8}},
    "take a wait that a rebalance interrupted for one that is over": {
        "retry_topics": (3000,),
        "lanes": "unordered",
        "failing": 0.3,
        "membership": "eager",
        "events": REBALANCES,
    },
    "take all that a poll brings, however large": {
        **UNSTOPPED,
        "options": {"max_buffered_bytes": 40, "max_buffered_records": 1000, "max_uncommitted": 1000},
    },
    "take the committed offset for finished if others above it are": {
        **SLOW_HEADS,
        "events": KILLS,
    },
    "take the offsets of a commit and what is finished above them at two moments": {
        **SLOW_HEADS,
        "events": (),
    },
    "take the record of a lost worker for one that is handled": {"dying": 0.1},
    "tell of an attempt that failed after its partition left": LEAVING,
    "tell of an attempt that returned after its partition left": LEAVING,
    "tell of the newest record as committed": {**CALM, "events": ()},
    "time a coroutine with what is decided about its failure": {
        "is_heard": True,
        "failing": 0.3,
        "dead_letters": True,
        "limit": None,
        "hostile": 0.0,
        "late": 0.1,
    },
}

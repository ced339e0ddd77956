"""How the plan of a run is drawn from its seed.

The parts that came later have lots of their own, so that the older parts of a seed's plan stay as they were.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from kafka_parallel.testing.simulation.plan import (
    LONGEST,
    MOST_RECORDS,
    PATIENT_STOP_MS,
    Event,
    OddPlace,
    Plan,
    Planned,
)
from kafka_parallel.testing.simulation.user_code import BY_NAME, ODD_FAILURES

# Handlers that came later than the two kinds between which the first lot decides.
FURTHER_KINDS = (
    "batch on thread-pool", "batch on asyncio", "thread-pool with deadline", "asyncio with deadline",
    "batch on thread-pool with deadline", "process-pool", "process-pool with deadline", "batch on process-pool",
)  # fmt: skip
ODD_PLACES: tuple[OddPlace, ...] = ("handler", "handler", "deserializer", "ordering")
RARE = (0.0, 0.0, 0.0, 0.05, 0.2)
CALM: tuple[Event, ...] = ("start", "start", "stop", "rebalance", "add partition", "pause")
ROUGH: tuple[Event, ...] = (*CALM, "start", "kill", "kill", "freeze", "freeze in rebalance", "delete records", "expire")


def draw(seed: int) -> Plan:
    """Draw a plan."""
    chance = random.Random(f"plan {seed}")
    partitions, is_calm = chance.randint(1, 3), chance.random() < 0.35
    records = tuple(_draw_record(chance, partitions) for _ in range(chance.randint(5, MOST_RECORDS)))
    waits = [0.001, 0.005, 0.02, 0.05, 0.1, 1.0]
    count = chance.choice([0, 1, 2, 5])
    events = tuple((chance.choice(waits), chance.choice(CALM if is_calm else ROUGH)) for _ in range(count))
    habits = chance.choice(["2.x", "3.x"])
    memberships = ["eager", "eager", "static", "assigned", *(["cooperative"] * 3 if habits == "3.x" else [])]
    plan = Plan(
        seed,
        partitions,
        chance.choice(["key", "key", "partition", "unordered"]),
        habits,  # type: ignore[arg-type]
        chance.choice(memberships),  # type: ignore[arg-type]
        _draw_options(chance, is_calm=is_calm),
        # If records are deleted, "latest" would skip those that are left, as it should.
        "earliest" if any(event == "delete records" for _, event in events) else chance.choice(["earliest", "latest"]),
        records,
        events,
        **({} if is_calm else _draw_trouble(chance)),
        hiccups=chance.choice([0.0, 0.0, 0.2]),
        is_halting=chance.random() < 0.1,
    )
    if plan.lanes == "unordered" and plan.membership != "assigned" and not is_calm and chance.random() < 0.4:
        plan = replace(plan, retry_topics=tuple(chance.choice([0, 30, 3_000]) for _ in range(chance.randint(1, 2))))
    is_patient = is_calm and chance.random() < 0.2
    plan = _patient(plan) if is_patient else plan
    plan = replace(plan, executor=chance.choice(["thread-pool", "asyncio"]))
    if not is_calm and random.Random(f"values {seed}").random() < 0.15:  # its own lot: other plans stay as they were
        plan = replace(plan, is_unreadable=True)
    plan = _limited(_of_kind(_bounded(plan, is_calm=is_calm), is_calm=is_calm))
    plan = _skewed(_taken_over(plan))
    plan = _with_silence(_with_kills(plan) if is_calm and not is_patient else plan)
    plan = _with_stuck_heads(plan) if is_calm and plan.has_map else plan
    plan = _with_jumps_ahead(plan) if plan.seeks and plan.has_map else plan
    plan = _on_futures(_with_places(_with_moved_commits(_interrupted(_rearranged(plan), is_calm=is_calm))))
    return _with_neighbour(plan) if plan.retry_topics else plan


def _taken_over(plan: Plan) -> Plan:
    """Draw the acts on the consumer beside the run and before it; by a chance of its own, as below."""
    chance = random.Random(f"takeover {plan.seed}")
    plan = replace(plan, is_meddled_with=chance.random() < 0.25, is_refused_first=chance.random() < 0.15)
    return replace(plan, seeks=random.Random(f"seeks {plan.seed}").random() < 0.15)


def _bounded(plan: Plan, *, is_calm: bool) -> Plan:
    """Draw the bounds of plugins; by a chance of its own, so that the rest of a seed's plan stays as it was."""
    chance = random.Random(f"bounds {plan.seed}")
    pace = _draw_pace(chance, plan.lanes, is_calm=is_calm) if chance.random() < 0.2 else None
    adaptive = {"min_in_flight": 1, "max_in_flight": chance.choice([1, 3, None])} if chance.random() < 0.1 else None
    return replace(plan, pace=pace, adaptive=adaptive)


def _of_kind(plan: Plan, *, is_calm: bool) -> Plan:
    """Draw the kind of the handlers, and the settings that only some kinds have; by a chance of its own, as above."""
    chance = random.Random(f"kind {plan.seed}")
    kind = plan.executor if chance.random() < 0.35 else chance.choice(FURTHER_KINDS)
    batches = {
        "max_records": chance.choice([1, 2, 5, 20]),
        "max_wait_ms": chance.choice([0, 5, 50, 2_000, 25_000, 25_000]),
        "max_bytes": chance.choice([8, 25, 1_000_000]),
        "of": chance.choice(["key", "key", "partition", "mixed"]),
    }
    plan = replace(
        plan,
        executor=kind,
        batches=batches,
        deadline_ms=chance.choice([30, 300, 3_000]),
        overdue=chance.choice([0.02, 0.1]),
        dying=0.0 if is_calm else chance.choice([0.0, 0.02, 0.1]),
        kept_out=0.0 if is_calm else chance.choice([0.0, 0.0, 0.1]),
        is_heard=chance.random() < 0.7,
    )
    return plan if is_calm else _odd(plan)


def _odd(plan: Plan) -> Plan:
    """Draw unexpected behaviour of user code, and its place; by a chance of its own, as above."""
    chance = random.Random(f"odd {plan.seed}")
    if chance.random() < 0.75:
        return plan
    place = chance.choice(ODD_PLACES)
    if place == "deserializer":
        raising = [name for name in ODD_FAILURES if BY_NAME[name].raises is not None]
        return replace(plan, oddity=chance.choice(raising), odd_place=place, is_unreadable=True)
    if place == "ordering" and plan.lanes == "unordered":
        return plan
    failing = plan.failing or (0.1 if place == "handler" else 0.0)
    return replace(plan, oddity=chance.choice(ODD_FAILURES), odd_place=place, failing=failing)


def _limited(plan: Plan) -> Plan:
    """Draw how many dead letters are too many, for handlers that fail often; and how many retries; as above."""
    chance = random.Random(f"limits {plan.seed}")
    if plan.backoff is not None and chance.random() < 0.5:
        plan = replace(plan, backoff={**plan.backoff, "max_share": chance.choice([0.34, 0.5, 0.7])})
    if not plan.dead_letters or chance.random() < 0.4:
        return plan
    in_a_row, ratio = chance.choice([(None, 0.0), (None, 0.5), (1, None), (2, None), (4, None), (3, 0.5)])
    limit = {"max_consecutive": in_a_row, "max_ratio": ratio, "window": chance.choice([1, 3, 8])}
    # If each failure opened a circuit, most of a run would be waiting for it.
    failing = chance.choice([0.2, 0.5, 0.9] if plan.breaker is None else [0.2])
    return replace(plan, limit=limit, failing=failing)


def _skewed(plan: Plan) -> Plan:
    """Let most records be in one partition in some plans, so that others are quiet beside it; as above."""
    chance = random.Random(f"skew {plan.seed}")
    if chance.random() < 0.8:
        return plan
    records = [replace(record, partition=0) if chance.random() < 0.85 else record for record in plan.records]
    return replace(plan, records=tuple(records))


def _with_kills(plan: Plan) -> Plan:
    """Kill an instance in every fifth plan in which nothing else excuses a repeat: so the cost of a kill is exact."""
    chance = random.Random(f"kills {plan.seed}")
    if chance.random() < 0.8:
        return plan
    events = list(plan.events)
    for _ in range(chance.randint(1, 2)):
        events.insert(chance.randint(0, len(events)), (chance.choice([0.02, 0.1, 0.5]), "kill"))
    return replace(plan, events=tuple(events))


def _with_stuck_heads(plan: Plan) -> Plan:
    """Kill members with slow handlers in half of the plans in which a map tells what is finished above these."""
    chance = random.Random(f"stuck heads {plan.seed}")
    if chance.random() < 0.5:
        return plan
    kills = tuple((chance.choice([0.1, 0.5, 1.5]), "kill") for _ in range(chance.randint(1, 3)))
    return replace(_patient(plan), events=kills)  # type: ignore[arg-type]


def _with_jumps_ahead(plan: Plan) -> Plan:
    """Jump into what a map tells in some of the plans with both: after a kill with slow handlers it tells much."""
    chance = random.Random(f"jumps beside maps {plan.seed}")
    if chance.random() < 0.6:
        return plan
    # The second kill comes after the group has waited for the dead one, and has gone on.
    kills = (chance.choice([0.5, 1.5]), "kill"), (0.1, "start"), (chance.choice([11.5, 13.0]), "kill")
    return replace(_patient(plan), events=kills, jumps_ahead=True)  # type: ignore[arg-type]


def _with_places(plan: Plan) -> Plan:
    """Let few records be in flight in some plans whose handlers are as many as that: no deadline, batch or process."""
    chance = random.Random(f"places {plan.seed}")
    if plan.executor not in {"thread-pool", "asyncio"} or chance.random() < 0.8:
        return plan
    return replace(plan, places=chance.choice([1, 2]))


def _with_neighbour(plan: Plan) -> Plan:
    """Let another group read the topic and have retry topics, too; by a chance of its own, as above."""
    chance = random.Random(f"neighbours {plan.seed}")
    return plan if chance.random() < 0.5 else replace(plan, neighbour=chance.choice(["apart", "apart", "shared"]))


def _on_futures(plan: Plan) -> Plan:
    """Let an executor of the application run the handlers of some plans; by a chance of its own, as above."""
    kinds = {
        "thread-pool": "futures", "process-pool": "futures", "batch on process-pool": "batch on futures",
        "thread-pool with deadline": "futures with deadline", "batch on thread-pool": "batch on futures",
    }  # fmt: skip
    if plan.executor not in kinds or random.Random(f"futures {plan.seed}").random() < 0.85:
        return plan
    return replace(plan, executor=kinds[plan.executor])


def _with_moved_commits(plan: Plan) -> Plan:
    """Let another program move commits in some plans, beside a map those of a member that dies over slow handlers."""
    chance = random.Random(f"moving commits {plan.seed}")
    if chance.random() < 0.95:
        return plan
    move: tuple[float, Event] = (chance.choice([0.1, 0.5, 1.5]), "move commits")
    return replace(_patient(plan), events=(move,)) if plan.has_map else replace(plan, events=(*plan.events, move))


def _rearranged(plan: Plan) -> Plan:
    """Let the application's poll() change the order of records in some plans; by a chance of its own, as above."""
    return replace(plan, is_rearranged=random.Random(f"rearranged {plan.seed}").random() < 0.1)


def _interrupted(plan: Plan, *, is_calm: bool) -> Plan:
    """Let a signal handler of the application raise in some plans; by a chance of its own, as above."""
    chance = random.Random(f"interrupts {plan.seed}")
    if is_calm or chance.random() < 0.85:
        return plan
    events = list(plan.events)
    for _ in range(chance.randint(1, 3)):
        events.insert(chance.randint(0, len(events)), (chance.choice([0.005, 0.05, 0.5]), "interrupt"))
    return replace(plan, events=tuple(events))


def _with_silence(plan: Plan) -> Plan:
    """Draw offsets that are passed without a record: quiet partitions, transactions, lost offsets; as above."""
    chance = random.Random(f"silence {plan.seed}")
    if chance.random() < 0.5:
        return plan
    count = chance.choice([0, 1, plan.partitions])
    return replace(
        plan,
        reset="latest" if chance.random() < 0.5 else plan.reset,
        begins_at=chance.choice([0.0, 0.3, 0.3, 1.0]),
        quiet=frozenset(chance.sample(range(plan.partitions), min(count, plan.partitions))),
        lull=chance.choice([0.5, 2.0, 6.0]),
        transactions=chance.choice([0.0, 0.1, 0.5]),
        isolation=chance.choice(["read_uncommitted", "read_committed"]),
    )


def _patient(plan: Plan) -> Plan:
    """Let handlers be slow and drains long, for a member that is alone and may not stop polling for long."""
    options = {**plan.options, "revoke_timeout_ms": 1500, "stop_timeout_ms": PATIENT_STOP_MS}
    events = tuple((wait, event) for wait, event in plan.events if event in {"stop", "pause"})
    return replace(plan, options=options, events=events[:1], slow=0.2, max_poll_interval=2.0)


def _draw_record(chance: random.Random, partitions: int) -> Planned:
    keys = [None, b"a", b"b", b"c", b"d", b"e"]
    wait = chance.choice([0.0, 0.1, 1.0]) if chance.random() < 0.1 else 0.0
    gap = chance.choice([0, 0, 0, 3])
    return Planned(chance.randrange(partitions), chance.choice(keys), b"v" * chance.randint(0, LONGEST), gap, wait)


def _draw_options(chance: random.Random, *, is_calm: bool) -> dict[str, Any]:
    return {
        "workers": chance.randint(1, 4),
        "max_buffered_records": chance.choice([2, 5, 20, 1000]),
        "max_buffered_bytes": chance.choice([40, 10_000_000]),
        "max_uncommitted": chance.choice([3, 10, 1000]),
        "revoke_timeout_ms": 20_000 if is_calm else chance.choice([100, 5000]),
        "stop_timeout_ms": 20_000 if is_calm else chance.choice([100, 20_000]),
    }


def _draw_trouble(chance: random.Random) -> dict[str, Any]:
    return {
        "slow": chance.choice([0.0, 0.0, 0.02]),
        "failing": chance.choice([0.0, 0.0, 0.1, 0.3]),
        "commit_faults": chance.choice(RARE),
        "poll_faults": chance.choice([0.0, 0.0, 0.02]),
        "late": chance.choice([0.0, 0.0, 0.01]),
        "hostile": chance.choice([0.0, 0.0, 0.02]),
        "is_fatal": chance.random() < 0.1,
        "dead_letters": chance.random() < 0.2,
        "backoff": _draw_backoff(chance) if chance.random() < 0.3 else None,
        "breaker": _draw_breaker(chance) if chance.random() < 0.2 else None,
    }


def _draw_backoff(chance: random.Random) -> dict[str, Any]:
    """Draw settings of ``retry``; the longest wait is longer than any drain."""
    return {
        "max_attempts": chance.choice([1, 2, 5]),
        "delay_ms": chance.choice([0, 1, 200, 8_000]),
        "max_delay_ms": 8_000,
        "jitter": chance.choice([0, 1]),
        "max_share": chance.choice([0.1, 1]),
    }


def _draw_pace(chance: random.Random, lanes: str, *, is_calm: bool) -> dict[str, Any] | None:
    """Draw settings of ``rate-limit``; where nothing may be repeated, all that is needed starts within any drain."""
    overall = chance.choice([None, 20, 500] if is_calm else [None, 2, 20, 500])
    per_key = chance.choice([None, 20, 100] if is_calm else [None, 1, 5, 100]) if lanes != "unordered" else None
    if overall is None and per_key is None:
        return None
    return {"records_per_second": overall, "per_key_per_second": per_key, "burst": chance.choice([1, 1, 3])}


def _draw_breaker(chance: random.Random) -> dict[str, Any]:
    """Draw settings of ``circuit-breaker``; the longest wait is longer than any drain."""
    return {
        "failure_ratio": chance.choice([0.0, 0.3]),
        "window": chance.choice([1, 4]),
        "open_on": [ValueError] if chance.random() < 0.3 else [],
        "probe_after_ms": chance.choice([1, 300, 6_000]),
        "probes": chance.choice([1, 3]),
    }

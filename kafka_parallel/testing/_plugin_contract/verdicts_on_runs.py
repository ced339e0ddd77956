"""The faults that the outcome of a trial run shows, as the sentences that the author of the plugin reads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from kafka import TopicPartition

from kafka_parallel.errors import PluginError
from kafka_parallel.testing._plugin_contract.trial import Outcome
from kafka_parallel.testing._plugin_contract.trial_handlers import BadRecordError, result_of

__all__: list[str] = []


def incomplete(outcome: Outcome) -> Iterator[str]:
    """Say why not all records were finished and committed."""
    if outcome.error is not None:
        yield f"run() ended with {type(outcome.error).__name__}: {outcome.error}"
    if outcome.stuck:
        yield f"the run makes no progress: {outcome.stuck}; a record that a hook holds is never committed"
    if outcome.missing and not (outcome.stuck or outcome.error):
        yield f"records were never committed: offsets by partition {outcome.missing}"
    yield from raised(outcome)


def raised(outcome: Outcome) -> Iterator[str]:
    """Say which hooks raised errors of their own."""
    logged = [line for line in outcome.logs if repr(outcome.under_test.name) in line and " in on_" in line]
    shown = f"; logged: {logged[0]}" if logged else ""
    for own in outcome.own_errors or logged[:1]:
        yield f"{own}: an error of its own fails a record, or is logged and the hook is not called any more{shown}"


def not_once_each(outcome: Outcome) -> Iterator[str]:
    """Say which records were not handled once each."""
    counts = Counter(outcome.places)
    if repeated := sorted(place for place, count in counts.items() if count > 1):
        yield f"records were handled more than once, (partition, offset): {repeated[:5]}"
    if absent := sorted(set(_keys(outcome)) - set(counts)):
        yield (
            f"{len(absent)} records never came to the handler, the first ones are (partition, offset) {absent[:5]}: "
            "if the plugin answers for records on purpose, declare leaves_out_records = True"
        )


def disorder(outcome: Outcome) -> Iterator[str]:
    """Say which records of a key were not handled in the order of their offsets."""
    keys, lanes = _keys(outcome), defaultdict[tuple[int, Any], list[int]](list)
    for partition, offset in outcome.places:
        lanes[partition, keys[partition, offset]].append(offset)
    for (partition, key), offsets in lanes.items():
        if offsets != sorted(offsets):
            yield f"records of key {key!r} of partition {partition} were handled in the order {offsets}"


def _keys(outcome: Outcome) -> dict[tuple[int, int], Any]:
    """The key of each record of the topic, by partition and offset."""
    logs = [(place.partition, log) for place, log in outcome.cluster.logs.items() if place.topic == outcome.topic]
    return {(partition, record.offset): record.key for partition, log in logs for record in log.records}


def wrong_attempts(outcome: Outcome, bad: Collection[int], wanted: Sequence[int]) -> Iterator[str]:
    """Say which records were not tried as often as wanted: the *bad* ones with the *wanted* numbers, others once."""
    tried = defaultdict[tuple[int, int], list[int]](list)
    for attempt in outcome.attempts:
        tried[attempt.raw.partition, attempt.raw.offset].append(attempt.number)
    for (partition, offset), numbers in sorted(tried.items()):
        right = [*wanted] if offset in bad else [1]
        if numbers != right:
            yield (
                f"the record at offset {offset} of partition {partition} was tried with the numbers {numbers}, where "
                f"without the plugin they are {right}: a plugin that answers in on_error has to declare it in decides"
            )


def changed_records(outcome: Outcome) -> Iterator[str]:
    """Say which records came to the handler otherwise than Kafka has them."""
    for seen in outcome.seen:
        (record,) = outcome.cluster.log(TopicPartition(outcome.topic, seen.partition)).read(seen.offset, 1)
        for part in ("key", "value", "headers"):
            has, got = getattr(record, part), getattr(seen, part)
            if (tuple(has) if part == "headers" else has) != got:
                yield (
                    f"the {part} of the record at offset {seen.offset} is {has!r} in Kafka, and the handler got "
                    f"{got!r}: a hook must not change the record, for retries and dead letters would have it changed"
                )


def changed_results(outcome: Outcome) -> Iterator[str]:
    """Say which results of handlers did not come out as they were."""
    for (partition, offset), results in outcome.outside.results.items():
        (record,) = outcome.cluster.log(TopicPartition(outcome.topic, partition)).read(offset, 1)
        try:
            wanted: Any = result_of(record)
        except BadRecordError as error:
            yield from _changed_errors(offset, results, error)
            continue
        if wanted not in results:
            yield (
                f"the handler returned {wanted!r} for offset {offset}, and {results[-1]!r} came out of the plugins: a "
                "wrapper of on_record has to end with 'return (yield)', else results are never sent"
            )


def _changed_errors(offset: int, results: list[Any], wanted: BadRecordError) -> Iterator[str]:
    for result in results:
        if not isinstance(result, BaseException):
            yield (
                f"the handler raised {wanted!r} for offset {offset}, and {result!r} came out of the plugins: the "
                "record counts as handled; a wrapper of on_record has to let errors pass: use try/finally, or raise"
            )


def misfit_answers(outcome: Outcome) -> Iterator[str]:
    """Say which answers of the plugin fit no hook."""
    cause = None if outcome.error is None else outcome.error.__cause__  # run() ends with RecordFailed
    errors = [outcome.error, cause, *(error for error, _, _ in outcome.verdicts.asked)]
    texts = [str(error) for error in errors if isinstance(error, PluginError)]
    yield from dict.fromkeys(text for text in texts if repr(outcome.under_test.name) in text)
    for line in outcome.logs:
        if repr(outcome.under_test.name) in line and "answer" in line:
            yield line


def changed_commits(outcome: Outcome, *, commits_itself: bool) -> Iterator[str]:
    """Say where other offsets were committed than the library wanted, or by another hand."""
    if True in outcome.commits.answers and not commits_itself:
        yield (
            "on_commit answered True, so Kafka was not asked to commit: answer None, or declare commits_itself = True "
            "if the plugin keeps the offsets in a store of its own"
        )
    if any("changed the offsets of a commit" in line for line in outcome.logs):
        yield (
            "a wrapper of on_commit changed an offset, so nothing was committed: records would be lost or repeated; it "
            "may add metadata beside the offset, and must not change an offset"
        )


def calls_on_consumer(outcome: Outcome) -> Iterator[str]:
    """Say where the plugin took the consumer into its own hands."""
    yield from (
        f"{call}: the consumer belongs to the library while it runs; use the hooks"
        for call in outcome.calls_on_consumer
    )

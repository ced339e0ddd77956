"""The fields of a log line about a record or a batch: those that the plugin ``log-context`` gives a handler's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel.logs import RecordInfo

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task

Fields: TypeAlias = "dict[str, str | int | None]"


def fields_of(item: Task | TaskBatch, group: str | None) -> Fields:
    """Describe a record, or a batch by its first record and the place that all of it shares."""
    tasks = item.tasks
    if not tasks:
        return RecordInfo(None, None, None, group).fields()
    first, size = tasks[0], len(tasks) if isinstance(item, TaskBatch) else None
    places = {(task.record.topic, task.record.partition) for task in tasks}
    topics = {topic for topic, _ in places}
    topic = first.record.topic if len(topics) == 1 else None
    partition = first.record.partition if len(places) == 1 else None
    return RecordInfo(topic, partition, first.offset, group, first.attempt, batch_size=size).fields()

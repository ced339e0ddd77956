"""How one process runs several consumers, each with its handler: ``run_all()``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from kafka_parallel._consumer import ParallelConsumer
from kafka_parallel._runtime.loop.shutdown import Signals
from kafka_parallel._runtime.loop.together import Together
from kafka_parallel._showing import shown
from kafka_parallel.consumer_types import BatchHandler, Handler
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.values import Batch

if TYPE_CHECKING:
    from typing_extensions import Never  # a checker has it; Python has one from 3.11 on

    from kafka_parallel._runtime.loop.together import BegunRun

ConsumerAndHandler: TypeAlias = (
    tuple[ParallelConsumer, Handler]
    | tuple[ParallelConsumer, Handler, None]
    | tuple[ParallelConsumer, BatchHandler, Batch]
)


# see docs/decisions/0089-runs-end-together.md
def run_all(runs: Iterable[ConsumerAndHandler], *more: Never) -> None:
    """Run several consumers in this process until all have stopped; blocks.

    Each one runs as `ParallelConsumer.run` does, on a thread of its own: with its own workers, commits and group
    membership. On the main thread, one SIGTERM or SIGINT stops all of them, and a second one abandons the running
    records of all. If one of them fails, the others stop as by `ParallelConsumer.stop`. One that ends otherwise, by its
    own ``stop()`` or ``consumer_timeout_ms``, ends alone, and the others go on.

    Everything that can be checked before the start is checked of all of them before any of them begins; a refusal
    leaves every consumer as it was.

    :param more: nothing; a consumer and its handler beside the list are refused.
    :param runs: pairs of a `ParallelConsumer` and its handler, or ``(consumer, handler, batch)``; the last two are the
        arguments of `ParallelConsumer.run`.
    :raises Exception: the error of the consumer that failed first, as its ``run()`` raises it; the errors of others are
        logged. An error that ends the program, such as SystemExit, comes before all others.
    :raises ConfigurationError: if there is no consumer, or one is given twice; if they differ in
        ``install_signal_handlers``, for one signal stops all or none; and as `ParallelConsumer.run`.
    :raises StateError: if one of them was started before.
    """
    if more:
        raise ConfigurationError(
            f"run_all() got {1 + len(more)} arguments: give one list of pairs, as in run_all([(consumer, handler)])"
        )
    begun = _begun(_checked(runs))
    together = Together(begun)
    with ExitStack() as entered:
        if begun[0].installs_signal_handlers:
            entered.enter_context(Signals(together))
        for run in begun:
            entered.enter_context(run.explain_signal)
        together.run_until_over()


def _checked(runs: Iterable[ConsumerAndHandler]) -> list[ConsumerAndHandler]:
    if not isinstance(runs, Iterable):
        raise ConfigurationError(
            f"run_all() got {shown(runs)}: give a list of pairs of a ParallelConsumer and its handler"
        )
    given = [*runs]
    if not given:
        raise ConfigurationError("run_all() got no consumer: give pairs of a ParallelConsumer and its handler")
    for place, item in enumerate(given, start=1):
        if not (isinstance(item, tuple) and len(item) in {2, 3} and isinstance(item[0], ParallelConsumer)):
            raise ConfigurationError(
                f"item {place} of run_all() is {_shown(item)}: give pairs of a ParallelConsumer and its handler, or "
                "(consumer, handler, Batch(...)); a KafkaConsumer is wrapped first: ParallelConsumer(consumer)"
            )
    _refuse_twice([item[0] for item in given], "ParallelConsumer")
    return given


def _shown(item: object) -> str:
    return f"({', '.join(map(shown, item))})" if isinstance(item, tuple) else shown(item)


def _refuse_twice(objects: Sequence[object], kind: str) -> None:
    places: dict[int, int] = {}
    for place, found in enumerate(objects, start=1):
        before = places.setdefault(id(found), place)
        if before != place:
            raise ConfigurationError(
                f"items {before} and {place} of run_all() have one {kind}: build a KafkaConsumer and a "
                "ParallelConsumer for each handler"
            )


def _begun(given: Iterable[ConsumerAndHandler]) -> list[BegunRun]:
    """Begin all, or leave all as they were."""
    begun: list[BegunRun] = []
    try:
        for consumer, handler, *batch in given:
            begun.append(consumer._begin_beside_others(handler, *batch or [None]))  # noqa: SLF001 - of this package
        _check_together(begun)
    except BaseException:
        for run in begun:
            run.cancel()
        raise
    return begun


def _check_together(begun: Sequence[BegunRun]) -> None:
    _refuse_twice([run.consumer for run in begun], "KafkaConsumer")
    if len({run.installs_signal_handlers for run in begun}) > 1:
        raise ConfigurationError(
            "the consumers of run_all() differ in install_signal_handlers, and one signal stops all of them or none: "
            "give all the same"
        )

"""Do handler, executor, ordering and plugins go together? The library's own refusals, and pairs that fight."""

from __future__ import annotations

from collections.abc import Iterator

from kafka_parallel._plugins.combinations import check_plugins
from kafka_parallel._plugins.provided import Provided
from kafka_parallel._runtime.handlers.compatibility import check_batch, check_executor, check_handler
from kafka_parallel._unfinished import is_async
from kafka_parallel.cli.preflight.findings import Finding, failure, good, remark, warning
from kafka_parallel.cli.preflight.intended import Intended
from kafka_parallel.errors import KafkaParallelError
from kafka_parallel.results import Producing

__all__ = ()


def handler_findings(intended: Intended) -> Iterator[Finding]:
    """Judge the handler by itself."""
    handler = intended.handler
    if handler is None:
        return
    inner = handler.handler if isinstance(handler, Producing) else handler
    try:
        check_handler(inner)
    except KafkaParallelError as error:
        yield failure("handler", str(error))
    else:
        kind = "async def" if is_async(inner) else "plain function"
        takes = "lists of records" if intended.batch is not None else "single records"
        yield good("handler", f"{kind} that takes {takes}")


def combination_findings(intended: Intended) -> Iterator[Finding]:
    """Judge the plugins with the options, as the start of a run would."""
    if intended.plugins is None:
        return
    try:
        _require_start(intended)
    except KafkaParallelError as error:
        yield failure("plugins", str(error))
    yield from _ports(intended)
    if not intended.plugins.implementing("on_error"):
        yield remark(
            "plugins",
            "none decides about a record that fails: the first one stops the consumer, and each start after it; retry "
            "tries it again, dlq puts it aside",
        )


def _require_start(intended: Intended) -> None:
    """Ask the provide-hooks as a run does.

    :raises KafkaParallelError: a run would not start.
    """
    plugins, options = intended.plugins, intended.options
    if plugins is None:
        return
    provided = Provided(plugins, intended.settings)
    provided.delayed_topics()
    ordering = provided.ordering(options.ordering, None)
    if intended.batch is not None:
        check_batch(intended.batch, options, has_order=ordering is not None)
    handler = intended.handler
    usual = "asyncio" if handler is not None and is_async(handler) else "thread-pool"
    check_plugins(plugins, options, intended.group_id, usual)
    executor = provided.executor(options.executor_name, usual)
    if handler is not None:
        check_executor(handler, executor)
    provided.transactions()
    provided.decoder()


def _ports(intended: Intended) -> Iterator[Finding]:
    """Two plugins that listen on one port: the second ends the start."""
    found: dict[object, str] = {}
    for name, settings in _named_settings(intended):
        port = settings.get("port")
        if not port:
            continue
        if port in found:
            yield failure(
                "plugins", f"{found[port]} and {name} both listen on port {port}: give one of them another port"
            )
        found[port] = name


def _named_settings(intended: Intended) -> Iterator[tuple[str, dict[str, object]]]:
    for item in intended.options.plugins:
        if isinstance(item, tuple):
            yield item[0], dict(item[1])


def speed_findings(intended: Intended, rate: float | None) -> Iterator[Finding]:
    """A limit below the rate at which records come: the lag only grows."""
    for name, settings in _named_settings(intended):
        most = settings.get("records_per_second")
        if rate is not None and isinstance(most, (int, float)) and most < rate:
            yield warning(
                "plugins",
                f"{name} lets {most:g} records a second pass, and --rate says that {rate:g} come: the lag grows for "
                "ever; raise records_per_second, or start more instances",
            )

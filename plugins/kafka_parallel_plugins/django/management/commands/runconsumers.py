"""``manage.py runconsumers [NAME ...]``: runs the consumers of ``settings.KAFKA_PARALLEL`` until a signal comes."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import autoreload
from kafka.errors import KafkaError

from kafka_parallel import ConfigurationError, PluginError, run_all
from kafka_parallel_plugins.django.consumers_setting import consumers, mistakes

__all__ = ()

WRONG_USAGE = 2


class Command(BaseCommand):  # type: ignore[misc]
    """Runs them; the exit code is 2 for settings that cannot work, and nothing was taken then."""

    help = "Run the consumers that settings.KAFKA_PARALLEL names until SIGTERM or Ctrl-C, in one process."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take names, and whether to restart after changes of the source."""
        parser.add_argument("name", nargs="*", help="the consumers to run; default: all")
        parser.add_argument("--autoreload", action="store_true", help="restart when the source changes")

    def handle(self, *_: object, **options: Any) -> None:
        """Run until all have stopped."""
        if options["autoreload"]:
            with_autoreload(options["name"])
        else:
            run_all(self._consumers(options["name"]))

    def _consumers(self, names: list[str]) -> list[tuple[Any, ...]]:
        try:
            return checked_consumers(names)
        except (ConfigurationError, PluginError, KafkaError) as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error


def checked_consumers(names: list[str]) -> list[tuple[Any, ...]]:
    """Build the consumers of the settings.

    :raises ConfigurationError: the settings have mistakes; all of them are named.
    """
    if found := mistakes(names):
        raise ConfigurationError("\n".join(found))
    return consumers(names)


def with_autoreload(names: list[str]) -> None:
    """Run the consumers in a process that Django restarts when the source changes.

    Django ends that process on its main thread; the consumers stop in good order before it is gone.
    """
    run = ReloadedRun(names)
    try:
        autoreload.run_with_reloader(run.run_consumers)
    finally:
        run.stop_consumers()


class ReloadedRun:
    """The consumers of a process that is about to be restarted.

    :param names: as for the command.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._pairs: list[tuple[Any, ...]] = []
        self._is_stopped = False
        self._has_ended = threading.Event()
        self._has_ended.set()

    def run_consumers(self) -> None:
        """Run them, on Django's thread."""
        self._has_ended.clear()
        try:
            self._pairs = checked_consumers(self._names)
            if not self._is_stopped:
                run_all(self._pairs)
        finally:
            self._has_ended.set()

    def stop_consumers(self) -> None:
        """Stop them, and wait for that."""
        self._is_stopped = True
        for consumer, *_ in self._pairs:
            consumer.stop()
        self._has_ended.wait()

"""The Django app, for ``INSTALLED_APPS``: it brings the management command and the checks of its settings."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

from kafka_parallel_plugins.django.consumers_setting import mistakes

__all__ = ()


class KafkaParallelConfig(AppConfig):  # type: ignore[misc]
    """Registers the checks."""

    name = "kafka_parallel_plugins.django"
    label = "kafka_parallel"
    verbose_name = "kafka-parallel"

    def ready(self) -> None:
        """Let ``manage.py check`` look at the settings."""
        checks.register(check_settings)


def check_settings(app_configs: object, **_: object) -> list[checks.CheckMessage]:  # noqa: ARG001 - Django's signature
    """Return the mistakes in ``settings.KAFKA_PARALLEL``."""
    return [checks.Error(mistake, id="kafka_parallel.E001") for mistake in mistakes()]

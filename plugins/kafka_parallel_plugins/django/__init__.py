"""Runs handlers as Django runs requests: database connections that are stale are closed before and after each of them.

It does what ``request_started`` and ``request_finished`` do: ``close_old_connections()``. Connections belong to
threads. A plain handler has those of its thread; the ORM calls of all ``async def`` handlers run on the one thread that
``sync_to_async`` has for them, so there the same function is called, in turn with them.

With ``"kafka_parallel_plugins.django"`` in ``INSTALLED_APPS`` there is a management command, too: see
``management/commands/runconsumers.py``.
"""

from __future__ import annotations

from kafka_parallel_plugins.django.around_handlers import Django

__all__ = ["Django"]

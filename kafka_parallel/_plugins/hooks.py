"""Composes each hook, and fixes the rule by which it is called.

Every hook but those that provide something (``provided.py``) has its line here and nowhere else; the rest of the
library calls `Hooks`. A new hook needs its specification (``hookspecs.py``), a method here, and a call where its moment
comes. How implementations are called is in ``chains.py``, which shapes and answers count in ``implementations.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kafka_parallel._plugins.chains import (
    Observers,
    Steps,
    call_each,
    decision,
    surround,
    surround_async,
    surround_steps,
)
from kafka_parallel._plugins.implementations import HookWithout, takes
from kafka_parallel._plugins.plugin_errors import PluginErrors

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel._plugins.implementations import Call
    from kafka_parallel._plugins.manager import Plugins
    from kafka_parallel.throttle import Throttle
    from kafka_parallel.values import BackpressureEvent, Handled, Settings


# see docs/decisions/0017-chains-composed-once.md
class Hooks:
    """The hooks of one run; made when all plugins are loaded, those that provide the usual choices included.

    :param settings: the settings of the run, passed to plugins.
    :param wrapped_elsewhere: the plugins whose wrappers run in the handler's process, in the place of ``on_record`` and
        ``on_batch`` here.
    :ivar errors: counts the hooks that raise.
    """

    def __init__(self, plugins: Plugins, settings: Settings, wrapped_elsewhere: Collection[str] = ()) -> None:
        self._hook = hook = plugins.hook
        self._settings = settings
        self._record = HookWithout(hook.on_record, wrapped_elsewhere)
        self._batch = HookWithout(hook.on_batch, wrapped_elsewhere)
        self.errors = PluginErrors()
        self._assign = Observers(hook.on_assign, self.errors)
        self._revoke = Observers(hook.on_revoke, self.errors)
        self._backpressure = Observers(hook.on_backpressure, self.errors)
        self._handled = Observers(hook.on_handled, self.errors)
        self._stop = Observers(hook.on_stop, self.errors)
        self._worker_end = Observers(hook.on_worker_end, self.errors)

    # They may stop the start: run() raises the error of one of them.

    def on_throttle(self, throttle_of: Callable[[str], Throttle]) -> None:
        """Give each plugin its throttle, the one of its name."""
        call_each(
            self._hook.on_throttle,
            self.errors,
            lambda plugin: {"throttle": throttle_of(plugin), "settings": self._settings},
        )

    def on_start(self) -> None:
        """Tell that the run starts."""
        call_each(self._hook.on_start, self.errors, lambda _: {"settings": self._settings})

    # They observe: an implementation that raises is logged and not called again.

    def on_assign(
        self, partitions: frozenset[TopicPartition], committed: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> list[tuple[str, Any]]:
        """Tell which partitions came; return the plugins' answers, each with the plugin's name."""
        return self._assign.notify(partitions=partitions, settings=self._settings, committed=committed)

    @cached_property
    def readers_of_committed(self) -> frozenset[str]:
        """The plugins that want to know what is committed when partitions come."""
        return frozenset(impl.plugin_name for impl in self._hook.on_assign.get_hookimpls() if takes(impl, "committed"))

    def on_revoke(self, partitions: frozenset[TopicPartition], *, lost: bool) -> None:
        """Tell which partitions left."""
        self._revoke.notify(partitions=partitions, settings=self._settings, lost=lost)

    def on_backpressure(self, event: BackpressureEvent) -> None:
        """Tell which partitions were paused and resumed."""
        self._backpressure.notify(event=event, settings=self._settings)

    @property
    def hears_handled(self) -> bool:
        """True if any plugin implements `on_handled`; without one, nothing is measured."""
        return bool(self._hook.on_handled.get_hookimpls())

    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Tell which attempts have ended."""
        self._handled.notify(handled=handled, settings=self._settings)

    @property
    def hears_worker_ends(self) -> bool:
        """True if any plugin implements `on_worker_end`; without one, nothing looks for it."""
        return bool(self._hook.on_worker_end.get_hookimpls())

    def on_worker_end(self) -> None:
        """Tell, on its thread, that a worker ends."""
        self._worker_end.notify(settings=self._settings)

    def on_stop(self, error: BaseException | None) -> None:
        """Tell that the run has ended, and with which error."""
        self._stop.notify(settings=self._settings, error=error)

    # They surround something, and may answer in its place.

    @property
    def surrounds_records(self) -> bool:
        """True if any plugin implements `on_record`; without one, the handler is called directly."""
        return bool(self._record.get_hookimpls())

    @property
    def surrounds_batches(self) -> bool:
        """True if any plugin implements `on_batch`; without one, the handler of a list is called directly."""
        return bool(self._batch.get_hookimpls())

    def around_record(self, innermost: Call, *, is_async: bool) -> Call:
        """Compose `on_record` around *innermost*, a function of a record and its context."""
        compose = surround_async if is_async else surround
        return compose(self._record, innermost, ("record", "context"), self.errors)

    def around_record_of_batch(self) -> Callable[..., Steps] | None:
        """Compose `on_record` for the records of a batch, each of them entered before and left after the handler."""
        return surround_steps(self._record, ("record", "context"), self.errors)

    def around_batch(self, innermost: Call, *, is_async: bool) -> Call:
        """Compose `on_batch` around *innermost*, a function of records and the context of their call."""
        compose = surround_async if is_async else surround
        return compose(self._batch, innermost, ("records", "context"), self.errors)

    def around_commit(self, answered: Callable[[], None]) -> Callable[..., Steps] | None:
        """Compose `on_commit`; *answered* is called when a plugin has stored the offsets itself."""
        names = ("offsets", "context", "finished_above")
        return surround_steps(self._hook.on_commit, names, self.errors, answered=answered)

    @property
    def commits_tell_finished_above(self) -> bool:
        """True if any plugin wants to know at a commit what is finished above its offsets."""
        return any(takes(impl, "finished_above") for impl in self._hook.on_commit.get_hookimpls())

    @cached_property
    def on_error(self) -> Call:
        """The function that asks the plugins for a verdict about a failed attempt."""
        return decision(self._hook.on_error, self.errors)

"""The objects that plugins provide for one run(), checked for use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel._showing import shown
from kafka_parallel._unfinished import is_async, makes_generator
from kafka_parallel.errors import PluginError
from kafka_parallel.values import DelayedTopics

if TYPE_CHECKING:
    from kafka_parallel._options import OrderingOption
    from kafka_parallel._plugins.manager import Plugins
    from kafka_parallel.decoders import Decoder
    from kafka_parallel.executors import Executor
    from kafka_parallel.values import AttemptScope, ChildWrapper, Settings, Transactions

# The plugin that decodes if no other does.
DECODER = "fast-decoder"

Ordering: TypeAlias = Callable[[Any], "Hashable | None"]


# see docs/decisions/0018-ordering-none.md
class Provided:
    """Asks the provide-hooks.

    :param settings: passed to the plugins.
    :ivar executor_name: the plugin that provided the executor, once it was asked for.
    :ivar ordering_name: the same of the ordering; ``"function"`` and ``"unordered"`` come from no plugin.
    :raises PluginError: in every method, if a plugin fails, two answer, or the answer cannot be used.
    """

    def __init__(self, plugins: Plugins, settings: Settings) -> None:
        self._plugins = plugins
        self._settings = settings
        self.executor_name = self.ordering_name = ""

    def delayed_topics(self) -> DelayedTopics | None:
        """The topics that some plugin wants to be read too."""
        provided = self._plugins.provided(self._plugins.hook.provide_topics, self._settings)
        if provided is None:
            return None
        name, delayed = provided
        if not isinstance(delayed, DelayedTopics):
            raise PluginError(f"{self._plugins.describe(name)} provided {shown(delayed)}, which is no DelayedTopics")
        return delayed

    def ordering(self, chosen: OrderingOption, deserialize: Callable[[Any], Any] | None) -> Ordering | None:
        """The function from a raw record to its ordering key; ``None`` for no order at all."""
        if chosen == "unordered":
            self.ordering_name = chosen
            return None
        if chosen is not None and not isinstance(chosen, str):
            self.ordering_name = "function"
            return chosen if deserialize is None else lambda record: chosen(deserialize(record))
        default = "key-ordered" if chosen is None else None
        provided = self._plugins.provided(self._plugins.hook.provide_ordering, self._settings, default)
        if provided is None:
            raise PluginError(f"ordering={chosen!r}: {self._plugins.describe(str(chosen))} provides no ordering")
        name, ordering = provided
        self.ordering_name = name
        if not callable(ordering):
            raise PluginError(
                f"{self._plugins.describe(name)} provided the ordering {shown(ordering)}, which is not a function"
            )
        if is_async(ordering) or makes_generator(ordering):
            raise PluginError(
                f"{self._plugins.describe(name)} provided the ordering {shown(ordering)}: a call of it runs "
                "nothing, and each record would get a key of its own and no order; it must have no async and no yield"
            )
        return ordering  # type: ignore[no-any-return]

    def executor(self, chosen: str | None, usual: str) -> Executor:
        """The executor that runs the handlers.

        :param usual: the plugin that provides it if none is *chosen*.
        """
        provided = self._plugins.provided(
            self._plugins.hook.provide_executor, self._settings, usual if chosen is None else None
        )
        if provided is None:
            raise PluginError(f"executor={chosen!r}: that plugin provides no executor")
        name, executor = provided
        self.executor_name = name
        if not (hasattr(executor, "start") and hasattr(executor, "join")):
            raise PluginError(
                f"{self._plugins.describe(name)} provided {shown(executor)}, which has no start() and join()"
            )
        if isinstance(executor, type) or is_async(executor.start):
            raise PluginError(
                f"{self._plugins.describe(name)} provided {shown(executor)}, which never runs anything: provide an "
                "object whose start() is a plain method"
            )
        return executor  # type: ignore[no-any-return]

    def child_wrappers(self) -> dict[str, ChildWrapper]:
        """The wrappers that run in the handler's process, by the name of their plugins, the innermost first."""
        found = dict(self._plugins.all_provided(self._plugins.hook.provide_child_wrapper, self._settings))
        for name, wrapper in found.items():
            who = f"{self._plugins.describe(name)} provided the child wrapper {shown(wrapper)}"
            if not callable(wrapper):
                raise PluginError(f"{who}, which is not a function")
            if is_async(wrapper) or inspect.isgeneratorfunction(wrapper):
                raise PluginError(f"{who}, which returns no context manager: write @contextlib.contextmanager above it")
        return found

    def attempt_scopes(self) -> list[tuple[str, AttemptScope]]:
        """The scopes of attempts, each with the name of its plugin, the outermost first."""
        found = self._plugins.all_provided(self._plugins.hook.provide_attempt_scope, self._settings)
        for name, scope in found:
            if not callable(scope) or is_async(scope) or makes_generator(scope):
                raise PluginError(
                    f"{self._plugins.describe(name)} provided the attempt scope {shown(scope)}: it must be a plain "
                    "function, without async and yield"
                )
        return found[::-1]

    def transactions(self) -> Transactions | None:
        """The way to write records together with offsets that some plugin provides."""
        provided = self._plugins.provided(self._plugins.hook.provide_transactions, self._settings)
        if provided is None:
            return None
        name, transactions = provided
        if not all(
            hasattr(transactions, needed) for needed in ("require_topic", "add_results", "add_instead", "interval_ms")
        ):
            raise PluginError(
                f"{self._plugins.describe(name)} provided {shown(transactions)}, which has no require_topic(), "
                "add_results(), add_instead() and interval_ms"
            )
        return transactions  # type: ignore[no-any-return]

    def decoder(self) -> tuple[str, Decoder] | None:
        """The decoder that replaces kafka-python's, and its plugin's name: the default one, unless it is blocked."""
        default = None if self._plugins.is_blocked(DECODER) else DECODER
        provided = self._plugins.provided(self._plugins.hook.provide_decoder, self._settings, default)
        if provided is not None and not callable(provided[1]):
            raise PluginError(
                f"{self._plugins.describe(provided[0])} provided the decoder {shown(provided[1])}, which is not a "
                "function"
            )
        return provided

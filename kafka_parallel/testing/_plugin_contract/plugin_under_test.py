"""The plugin that a contract is about: how it is made, what it is called, and which code is its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from kafka_parallel._plugins.implementations import mark_of, raw_attribute
from kafka_parallel._plugins.installed import InstalledPlugins, distribution_of
from kafka_parallel._plugins.loading import imported, instance, name_of

__all__: list[str] = []


class PluginUnderTest:
    """One plugin, as an item of ``plugins=[...]``.

    :param item: its name, a pair of name and settings, an object, a class or a module.
    :ivar item: the same, but a class is an object of it by now.
    :ivar name: its name in messages and statistics.
    :ivar plugin: the object itself.
    """

    def __init__(self, item: Any) -> None:
        if isinstance(item, (str, tuple)):
            self.name, settings = (item, {}) if isinstance(item, str) else item
            self.plugin = made_by_entry_point(self.name, settings)
            self.item: Any = item
        else:
            self.plugin = self.item = item() if inspect.isclass(item) else item
            self.name = name_of(self.plugin)
        self._places = own_places(self.plugin)

    def hooks(self) -> dict[str, Any]:
        """The names of its functions that are marked as hooks, each with its mark."""
        found = {name: mark_of(raw_attribute(self.plugin, name)) for name in dir(self.plugin)}
        return {name: mark for name, mark in found.items() if mark is not None}

    def implements(self, hook: str) -> bool:
        """Tell whether it implements *hook*."""
        return any((mark.get("specname") or name) == hook for name, mark in self.hooks().items())

    def owns(self, code: CodeType) -> bool:
        """Tell whether *code* is the plugin's own."""
        return code.co_filename.startswith(self._places)

    def own_frame(self, frame: FrameType | None) -> FrameType | None:
        """The innermost frame of the plugin's own code on the stack of *frame*; ``None`` if there is none."""
        while frame is not None and not self.owns(frame.f_code):
            frame = frame.f_back
        return frame

    def standing(self) -> list[str]:
        """The places in its code where threads are right now, as sentences."""
        frames = sys._current_frames().values()  # noqa: SLF001 - documented, for debuggers
        own = [found for frame in frames if (found := self.own_frame(frame)) is not None]
        return [f"a thread is in {place_of(frame)}" for frame in own]


def place_of(frame: FrameType) -> str:
    """Name the function and the line that *frame* is at."""
    return f"{frame.f_code.co_name} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"


def made_by_entry_point(name: str, settings: Mapping[str, Any]) -> Any:
    """Make the plugin *name* as a consumer does.

    :raises PluginError: there is none, or it cannot be made.
    :raises ConfigurationError: it does not take these *settings*.
    """
    point = InstalledPlugins().find(name)
    distribution = distribution_of(point)
    return instance(imported(point, name, distribution), settings, f"plugin {name!r} of {distribution}")


def modules_of(plugin: object) -> Iterator[ModuleType]:
    """The modules of the plugin's code: that of its class and those of its base classes of one project, or itself."""
    if isinstance(plugin, ModuleType):
        yield plugin
        return
    project = type(plugin).__module__.split(".")[0]
    for base in type(plugin).__mro__:
        if base.__module__.split(".")[0] == project and base.__module__ in sys.modules:
            yield sys.modules[base.__module__]


def own_places(plugin: object) -> tuple[str, ...]:
    """The files and the folders with the plugin's code: a package is all that is below it."""
    files = [Path(file) for module in modules_of(plugin) if (file := getattr(module, "__file__", None))]
    return tuple(f"{file.parent}/" if file.name == "__init__.py" else str(file) for file in files)

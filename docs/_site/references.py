"""Resolves names in signatures and docstrings: to a place of the reference, or to a name of another package.

Signatures name classes as the source does, without their module. A name that is neither in the reference nor one that
Python or kafka-python has is left for Sphinx to complain about.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import kafka
import kafka.consumer.fetcher
import kafka.errors
from docutils.nodes import Element
from sphinx.util.nodes import make_refnode

from docs._site.public_names import resolved

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ELSEWHERE = {*sys.stdlib_module_names, "kafka", "click"}
CLIENT = (kafka, kafka.errors, kafka.consumer.fetcher)
# Classes of packages that only an extra needs, so the documentation is built without them.
OF_EXTRAS = {"CollectorRegistry", "MeterProvider", "TracerProvider"}
# Protocols that only the library itself meets, in signatures of objects that it hands out, and variables of types.
PRIVATE = {"WritesAnew", "Argument_contra", "H", "T"}


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("missing-reference", _resolve)


def _resolve(app: Sphinx, env: BuildEnvironment, node: Any, shown: Element) -> Element | None:
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    place = place_of(target, env.domains.python_domain.objects)
    if place is not None:
        entry = env.domains.python_domain.objects[place]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, place)
    return shown if is_elsewhere(target, node.get("py:module")) else None


def place_of(target: str, documented: Any) -> str | None:
    """The documented name that *target* means: the one with the same object, or the only one with the same end."""
    found = resolved(target)
    if found is not None and target.startswith("kafka_parallel"):
        return next((name for name in documented if resolved(name) is found), None)
    ends = [name for name in documented if name.rpartition(".")[2] == target]
    return ends[0] if len(ends) == 1 else None


def is_elsewhere(target: str, user: str | None) -> bool:
    """Tell whether *target* is a name of Python or of kafka-python, for the module *user*."""
    module, _, name = target.rpartition(".")
    if name in PRIVATE or target.startswith("Callable["):  # the second: a bound of such a variable
        return True
    if module.split(".")[0] in ELSEWHERE:
        return hasattr(importlib.import_module(module), name)
    used = getattr(sys.modules.get(user or ""), name, None)
    is_imported = getattr(used, "__module__", "").split(".")[0] in ELSEWHERE
    return not module and (is_imported or name in OF_EXTRAS or any(hasattr(each, name) for each in CLIENT))

"""How may an act be stopped between any two things that another thread can see?

The real source of ``_core/chunk.py`` and ``_core/batch_chunk.py`` is used, with a call of `see` put in front of every
access to shared state: the containers of a chunk and the tasks of a unit. Nothing is written anew, so a change of the
source is explored as it is. An act runs in a greenlet; `see` hands over to the explorer, which may let any other act go
on first. The grain is one operation on one built-in container, the unit that threads see of each other with and without
the interpreter lock.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from greenlet import getcurrent, greenlet

from kafka_parallel._core import batch_chunk, chunk
from tests.planting.change import Change, planted

MODULES = (chunk, batch_chunk)
# The attributes that a worker and the holder of the lock use at the same time.
SHARED = {"_units", "_settled", "tasks"}
# The attributes that only the worker writes and others look at for diagnosis, and those that only the holder of the
# lock touches.
NOT_SHARED = {"_single", "_unit", "_batch", "_claimed", "moved_at", "since", "taken"}
# The operations on a container that was handed on under another name.
OPERATIONS = {"append", "clear", "extend", "insert", "pop", "popleft", "remove"}
# Functions that run before any other thread can know the object, or ask nothing that may change.
ALONE = {"__init__", "count_of"}


class Bug(NamedTuple):
    """One change of the core, inside of a function, as `Change` says; it shows in the *scope* named."""

    name: str
    where: str
    old: str
    new: str
    scope: str

    @property
    def change(self) -> Change:
        """The change of the source."""
        return Change(self.where, self.old, self.new)


class _Steps(ast.NodeTransformer):
    """Puts `see` in front of shared state."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node if node.name in ALONE else self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr in SHARED:
            node.value = _seen(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in OPERATIONS and isinstance(called.value, ast.Name):
            called.value = _seen(called.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        node.value = _seen(node.value)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node


def _seen(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name("see", ast.Load()), [node], []), node)


def see(shared: Any) -> Any:
    """Let others act before *shared* is used; an act begins with its first use, so there is nothing before that."""
    me = getcurrent()
    if type(me) is Act and me.concerns(shared):
        me.steps += 1
        if me.steps > 1:
            me.at = shared
            me.parent.switch()
    return shared


class Act(greenlet):
    """An act on its way.

    :param concerns: tells whether another thread may be at something at this moment.
    :ivar steps: how many things it has begun that others can see.
    :ivar at: the object it is about to use.
    """

    def __init__(self, run: Callable[[], Any], concerns: Callable[[Any], bool]) -> None:
        super().__init__(run)
        self.concerns = concerns
        self.steps = 0
        self.at: Any = None

    @property
    def frames(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Its position: of each function its name, its place and its variables."""
        frame = self.gr_frame
        while frame is not None:
            yield frame.f_code.co_name, frame.f_lasti, frame.f_locals
            frame = frame.f_back


@contextmanager
def stepped(bug: Bug | None = None) -> Iterator[None]:
    """Let acts be stopped for the time of a ``with`` block, and have *bug* in the core."""
    sources = {module: inspect.getsource(module) for module in MODULES}
    if bug is not None:
        sources[import_module(bug.change.module)] = planted(bug.change)
    before: list[tuple[FunctionType, CodeType]] = []
    try:
        for module, source in sources.items():
            module.__dict__["see"] = see
            codes = _codes(source, has_steps=module in MODULES)
            for path, function in _functions(module):
                if path in codes:  # else a dataclass has made it
                    before.append((function, function.__code__))
                    function.__code__ = codes[path]
        yield
    finally:
        for function, code in before:
            function.__code__ = code
        for module in sources:
            module.__dict__.pop("see", None)


def _codes(source: str, *, has_steps: bool) -> dict[tuple[str, ...], CodeType]:
    """The code of every function of *source*, by its name, and that of its class."""
    tree: ast.AST = ast.parse(source)
    if has_steps:
        tree = ast.fix_missing_locations(_Steps().visit(tree))
    found: dict[tuple[str, ...], CodeType] = {}

    def collect(code: CodeType, path: tuple[str, ...]) -> None:
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                found[(*path, inner.co_name)] = inner
                if not path:
                    collect(inner, (inner.co_name,))

    collect(compile(tree, "<with steps>", "exec", dont_inherit=True), ())  # type: ignore[call-overload]
    return found


def _functions(module: ModuleType) -> Iterator[tuple[tuple[str, ...], FunctionType]]:
    for name, member in vars(module).items():
        if getattr(member, "__module__", None) != module.__name__:
            continue
        if isinstance(member, FunctionType):
            yield (name,), member
        elif isinstance(member, type):
            for inner_name, inner in vars(member).items():
                function = inner.fget if isinstance(inner, property) else inner
                if isinstance(function, FunctionType):
                    yield (name, inner_name), function

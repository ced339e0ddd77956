"""Makes docs/reference/hooks.md from the hook specifications: ``python -m tests.docs.hooks_page``."""

from __future__ import annotations

import inspect
import sys

from kafka_parallel import hookspecs

HEAD = """# Hooks

Made from `kafka_parallel/hookspecs.py` by `python -m tests.docs.hooks_page > docs/reference/hooks.md`.
"""


def hooks() -> list:
    """The hook specifications, in the order of the file."""
    return [found for name, found in vars(hookspecs).items() if name.startswith(("on_", "provide_"))]


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(hook) for hook in hooks())])


def section(hook) -> str:
    """One hook: its name and arguments as the heading, its docstring with the arguments as a list."""
    arguments = ", ".join(inspect.signature(hook).parameters)
    text = inspect.getdoc(hook).replace(":param ", "- `").replace("``", "`")
    lines = [line.replace(": ", "`: ", 1) if line.startswith("- `") else line for line in text.splitlines()]
    return f"## {hook.__name__}({arguments})\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())

"""The directive ``click-command``: usage, help and options of a command, as click knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from kafka_parallel.cli import command

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("click-command", ClickCommand)


class ClickCommand(SphinxDirective):
    """Shows one command; the argument is the words that call it."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Make a definition of it."""
        path = self.arguments[0]
        lines = StringList([*shown(path, commands()[path])], source="kafka_parallel.cli")
        container = nodes.container()
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children


def commands() -> dict[str, click.Command]:
    """Each command that does something, by the words that call it."""
    return dict(leaves(command()))


def leaves(found: click.Command, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command below *found* that does something, with the words that call it."""
    path = f"{above} {found.name}".strip()
    if not isinstance(found, click.Group) or found.invoke_without_command:
        yield path, found
    if not isinstance(found, click.Group):
        return
    for child in found.commands.values():
        yield from leaves(child, path)


def shown(path: str, found: click.Command) -> Iterator[str]:
    """The description of one command, in reStructuredText."""
    context = click.Context(found, info_name=path)
    usage = " ".join(found.get_usage(context).split()).removeprefix("Usage: ")
    yield from (f".. program:: {path}", "", "::", "", f"   {usage}", "")
    yield from (*_paragraphs(found.help or ""), "")
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            yield from _option(parameter, context)


def _paragraphs(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\b", "").splitlines()]


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    names, text = option.get_help_record(context) or ("", "")
    yield from (f".. option:: {names}", "", f"   {text}", "")

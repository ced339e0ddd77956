"""The directive ``metrics-table``: every metric of the one table, for the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from kafka_parallel.metric_names import METRICS

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Add the directive."""
    app.add_directive("metrics-table", MetricsTable)


class MetricsTable(SphinxDirective):
    """A table of all metrics."""

    def run(self) -> list[nodes.Node]:
        """Make the nodes of the table."""
        node = nodes.container()
        self.state.nested_parse(StringList(lines(), source="kafka_parallel.metric_names"), self.content_offset, node)
        return node.children


def lines() -> list[str]:
    """The table in reStructuredText: name, kind, labels, unit and meaning."""
    table = [".. list-table::", "   :header-rows: 1", ""]
    rows = [("Name", "Kind", "Labels", "Unit", "Meaning")]
    for metric in METRICS:
        labels = ", ".join(f"``{label}``" for label in metric.labels)
        rows.append((f"``{metric.name}``", metric.kind, labels, f"``{metric.unit}``", metric.meaning))
    for row in rows:
        table += [f"   {'* -' if place == 0 else '  -'} {cell}" for place, cell in enumerate(row)]
    return table

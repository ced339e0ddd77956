"""Every expression of dashboard, rules and autoscaler names only metrics and labels of the one table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import promql_parser
import pytest

from kafka_parallel.metric_names import COMMON_LABELS, METRICS
from tests.deploy.shipped import ALERTS, RECORDING, dashboard, rules, scaled_object

# The variables of a dashboard that stand where the language wants something of its own.
DURATION = re.compile(r"\$__rate_interval")
CHOICE = re.compile(r"label_values\((?P<selector>\S*?(?:\{.*\})?), \w+\)")
RECORDED = {rule["record"]: rule["expr"] for rule in rules(RECORDING)}


def labels_of_the_table() -> Mapping[str, set[str]]:
    """The labels of every series, by its name."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        labels = {*COMMON_LABELS, *metric.labels}
        if metric.kind == "histogram":
            found |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
            found[f"{metric.name}_bucket"] = {*labels, "le"}
        else:
            found[metric.name] = labels
    return found


KNOWN = labels_of_the_table()


def shipped() -> Iterator[tuple[str, str]]:
    """All expressions, each with the place where it stands."""
    for path in (ALERTS, RECORDING):
        yield from ((f"{path.name} {rule.get('alert') or rule.get('record')}", rule["expr"]) for rule in rules(path))
    for panel in dashboard()["panels"]:
        yield from ((f"panel {panel['title']} {query['refId']}", query["expr"]) for query in panel.get("targets", ()))
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", CHOICE.fullmatch(variable["definition"])["selector"]
    for trigger in scaled_object()["spec"]["triggers"]:
        yield f"trigger {trigger['type']}", trigger["metadata"]["query"]


EXPRESSIONS = dict(shipped())


def selected(expression: str) -> list[tuple[str, set[str]]]:
    """The names that *expression* selects, each with the labels it asks for."""
    found: list[tuple[str, set[str]]] = []

    def look(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector | promql_parser.MatrixSelector):
            selector = node if isinstance(node, promql_parser.VectorSelector) else node.vector_selector
            found.append((selector.name, {matcher.name for matcher in selector.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(DURATION.sub("5m", expression)), look)
    return found


def problems(expression: str) -> list[str]:
    """The names and labels of *expression* that the table does not have."""
    wrong: list[str] = []
    for name, labels in selected(expression):
        if name in RECORDED:
            continue
        if name not in KNOWN:
            wrong.append(str(name))
        else:
            wrong += [f"{name}{{{label}}}" for label in labels - KNOWN[name] - {"__name__"}]
    return wrong


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_it_names_only_what_the_table_has(place):
    assert selected(EXPRESSIONS[place]), "it selects something"
    assert problems(EXPRESSIONS[place]) == []


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_it_groups_only_by_labels_that_its_metrics_have(place):
    expression = EXPRESSIONS[place]
    by = {label for part in re.findall(r"\bby \(([^)]*)\)", expression) for label in part.replace(" ", "").split(",")}
    had = {label for name, _ in selected(expression) for label in KNOWN.get(name, ())}

    assert by <= had


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(kafka_parallel_lag)", ["kafka_parallel_lag"]),
        ("rate(kafka_parallel_records_total[$__rate_interval]) > other", ["other"]),
        ('kafka_parallel_lag_records{tpoic="orders"}', ["kafka_parallel_lag_records{tpoic}"]),
        ("kafka_parallel_process_duration_seconds", ["kafka_parallel_process_duration_seconds"]),
        ('absent({__name__="x"})', ["None"]),
    ],
)
def test_a_wrong_name_is_found(expression, wrong):
    assert problems(expression) == wrong


def test_there_are_expressions_of_every_kind():
    kinds = {place.split()[0] for place in EXPRESSIONS}

    assert kinds == {"alerts.yml", "recording.yml", "panel", "variable", "trigger"}
    assert len(EXPRESSIONS) > 40


def test_every_metric_but_bare_offsets_is_on_the_dashboard():
    shown = {name for place, text in EXPRESSIONS.items() if place.startswith("panel") for name, _ in selected(text)}
    left_out = {
        metric.name
        for metric in METRICS
        if not any(name.removesuffix("_bucket") == metric.name for name in shown) and metric.kind != "info"
    }

    offsets = ("committed_offset", "position_offset", "highwater_offset")
    assert left_out == {f"kafka_parallel_{name}" for name in offsets}

"""Writes the answer to a scrape, ours quickly: the library needs 10 µs for each sample, so 0.1 s for 1,000 partitions.

Our samples of one partition share their labels, whose text is made once here. Metrics of other collectors in the same
registry are written by the library, and so is every request but the plain one that Prometheus makes.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder

from kafka_parallel.metric_names import METRICS
from kafka_parallel_plugins.prometheus.samples import family_name

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

_END = b"# EOF\n"
_OURS = frozenset(map(family_name, METRICS))


class _Others:
    """The metrics of a registry without ours, which are put aside.

    :ivar ours: ours, when the others have been collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.ours: list[Metric] = []
        self.collect = self._hand_on_others  # the library asks a registry so

    def _hand_on_others(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            if family.name in _OURS:
                self.ours.append(family)
            else:
                yield family


def application(registry: CollectorRegistry, library: Any) -> Callable[..., Any]:
    """Make a WSGI application that answers scrapes of *registry*.

    :param library: the library's own application, for requests of other kinds.
    """

    def answer(request: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if request["REQUEST_METHOD"] != "GET" or request.get("QUERY_STRING") or request["PATH_INFO"] != "/metrics":
            found: Iterable[bytes] = library(request, start_response)
            return found
        body, kind = written(registry, request.get("HTTP_ACCEPT", ""))
        headers = [("Content-Type", kind)]
        if "gzip" in request.get("HTTP_ACCEPT_ENCODING", ""):
            body = gzip.compress(body, compresslevel=1)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", headers)
        return [body]

    return answer


def written(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Write all metrics of *registry*; return the text and its content type.

    :param accept: the formats that the client takes, as it says in HTTP.
    """
    encode, kind = choose_encoder(accept)
    others = _Others(registry)
    text = encode(others)
    is_open_metrics = text.endswith(_END)
    ours = "".join(_lines(others.ours, is_open_metrics=is_open_metrics)).encode()
    return (text.removesuffix(_END) + ours + _END if is_open_metrics else text + ours), kind


def _lines(families: Iterable[Metric], *, is_open_metrics: bool) -> Iterator[str]:
    texts: dict[int, str] = {}
    for family in families:
        name, kind = family.name, family.type
        if not is_open_metrics:  # this format names a family as its samples, and knows no info
            name += {"counter": "_total", "info": "_info"}.get(kind, "")
            kind = "gauge" if kind == "info" else kind
        yield f"# HELP {name} {family.documentation}\n# TYPE {name} {kind}\n"
        for sample in family.samples:
            labels = sample.labels
            text = texts.get(id(labels))
            if text is None:
                text = texts[id(labels)] = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
            example = _example(sample.exemplar) if is_open_metrics and sample.exemplar is not None else ""
            yield f"{sample.name}{{{text}}} {sample.value}{example}\n"


def _example(exemplar: Any) -> str:
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in exemplar.labels.items())
    return f" # {{{labels}}} {exemplar.value} {exemplar.timestamp}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

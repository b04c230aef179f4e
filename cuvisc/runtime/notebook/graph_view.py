"""A `Graph` to what a notebook shows of it: the drawing, its nodes and leaves, and what training will do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cuvisc.compiler.views.summary import Summary
from cuvisc.runtime.notebook.frame import frame
from cuvisc.runtime.report.markup import Html, code, count, join, table, tag
from cuvisc.runtime.report.structure import drawing, passes
from cuvisc.schema.errors import SpecError

if TYPE_CHECKING:
    from cuvisc.runtime.graph import Graph

_LONGEST = 40


def graph_text(graph: Graph) -> str:
    """One line: what the graph holds, and whether it is trained."""
    held = (
        count(len(graph.nodes), "node"),
        count(len(graph.leaves), "leaf", "leaves"),
        *([count(len(graph.monitors), "monitor")] if graph.monitors else []),
    )
    return f"<Graph {graph.name!r}: {', '.join(held)}{_trained(graph)}>"


def graph_html(graph: Graph) -> Html:
    """The typed graph; of one that does not compile, what is wrong with it."""
    try:
        summary = Summary(graph.compile(graph.training_config))
    except SpecError as error:
        return frame(_head(graph), tag("p", "does not compile yet:", class_="about"), tag("pre", str(error)))
    return frame(
        _head(graph),
        tag("div", drawing(summary), class_="scroll graph"),
        table(("node", "type", "parameters", "gives"), _nodes(summary), "Nodes"),
        table(("leaf", "type", "parameters", "looks at"), _leaves(summary), "Leaves")
        if graph.leaves
        else None,
        tag("h3", "Phase 1"),
        passes(summary.plan.describe()),
        tag("h3", "Phase 2"),
        tag("p", summary.training),
    )


def _head(graph: Graph) -> Html:
    return tag("h2", graph.name, tag("span", _trained(graph), class_="meta"))


def _trained(graph: Graph) -> str:
    return f", trained in {graph.run.folder}" if graph.run is not None else ""


def _nodes(summary: Summary) -> Iterator[tuple[str, ...]]:
    for node in summary.graph.nodes:
        gives = join(tag("div", code(f"{port}  {type_}")) for port, type_ in node.outputs.items())
        kind = f"{node.type}, trainable" if node.trainable else node.type
        yield code(node.id), kind, _params(summary.given(node)), gives


def _leaves(summary: Summary) -> Iterator[tuple[str, ...]]:
    for leaf in summary.graph.leaves:
        yield code(leaf.id), f"{leaf.kind}: {leaf.type}", _params(summary.given(leaf)), code(str(leaf.parent))


def _params(given: Mapping[str, object]) -> str:
    """The parameters that the user gave, each shortened."""
    return ", ".join(f"{name}: {_plain(value)}" for name, value in given.items()) or "defaults"


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

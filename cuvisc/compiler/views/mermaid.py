"""A typed graph as a Mermaid flow chart, for Markdown pages. Pure Python: never torch or numpy."""

from __future__ import annotations

from html import escape

from cuvisc.compiler.graph import INPUT, INPUT_NODE, TypedGraph
from cuvisc.compiler.views.summary import Summary, edges
from cuvisc.schema.render import printable

_CLASSES = (
    "classDef trainable stroke-width:3px",
    "classDef leaf stroke-dasharray:4 3",
)


def draw_mermaid(summary: Summary) -> str:
    """The chart, top down; types on the edges, leaves dashed, trainable nodes with a thick border.

    Identifiers of the chart are numbers, so that no name of the user can be a word of its syntax.
    """
    graph = summary.graph
    names = {INPUT_NODE: "input"} | {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["flowchart TD", f"  input([{_label(f'{INPUT}')}])"]
    for node in graph.nodes:
        mark = ":::trainable" if node.trainable else ""
        lines.append(f"  {names[node.id]}[{_label(node.id, node.type)}]{mark}")
    for edge in edges(graph):
        label = _label(_described(graph, edge.reader, edge.port), str(graph.port(edge.value)))
        lines.append(f"  {names[edge.value.node]} -->|{label}| {names[edge.reader]}")
    for index, value in enumerate(graph.outputs):
        lines.append(f"  out{index}([{_label(str(value))}])")
        lines.append(f"  {names[value.node]} -->|{_label(str(graph.port(value)))}| out{index}")
    for index, leaf in enumerate(graph.leaves):
        lines.append(f"  leaf{index}({_label(leaf.id, f'{leaf.kind}: {leaf.type}')}):::leaf")
        lines.append(f"  {names[leaf.parent.node]} -.- leaf{index}")
    return "\n".join([*lines, *(f"  {line}" for line in _CLASSES)])


def _described(graph: TypedGraph, reader: str, port: str) -> str:
    """The name of an input, where a node has several."""
    return port if len(graph.by_id[reader].inputs) > 1 else ""


def _label(*lines: str) -> str:
    shown = [escape(printable(line)).replace("#", "#35;") for line in lines if line]
    return f'"{"<br/>".join(shown)}"'

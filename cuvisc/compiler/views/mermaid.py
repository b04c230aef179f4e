"""A typed graph as a Mermaid flow chart, for Markdown pages. Pure Python: never torch or numpy."""

from __future__ import annotations

from html import escape

from cuvisc.compiler.graph import INPUT, INPUT_NODE, TypedGraph, TypedNode
from cuvisc.compiler.views.marks import facts, is_stripped, marks_of
from cuvisc.compiler.views.summary import Summary, edges
from cuvisc.schema.render import printable

_CLASSES = (
    "classDef trainable stroke-width:3px",
    "classDef leaf stroke-dasharray:4 3",
    "classDef stripped opacity:0.5",
    "classDef blocked stroke:#d1242f",
)


def draw_mermaid(summary: Summary) -> str:
    """The chart, top down; types on the edges, leaves dashed, trainable nodes with a thick border.

    What an export leaves out is pale, what blocks a target red; comments at the end hold what has no place in boxes.
    Identifiers of the chart are numbers, so that no name of the user can be a word of its syntax.
    """
    graph = summary.graph
    names = {INPUT_NODE: "input"} | {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["flowchart TD", f"  input([{_label(f'{INPUT}', *marks_of(summary, INPUT_NODE))}])"]
    for node in graph.nodes:
        lines.append(f"  {names[node.id]}[{_label(node.id, node.type, *marks_of(summary, node.id))}]")
        lines += [f"  class {names[node.id]} {name}" for name in _classes(summary, node)]
    for edge in edges(graph):
        label = _label(_described(graph, edge.reader, edge.port), str(graph.port(edge.value)))
        lines.append(f"  {names[edge.value.node]} -->|{label}| {names[edge.reader]}")
    for index, value in enumerate(graph.outputs):
        lines.append(f"  out{index}([{_label(str(value))}])")
        lines.append(f"  {names[value.node]} -->|{_label(str(graph.port(value)))}| out{index}")
    for index, leaf in enumerate(graph.leaves):
        lines.append(f"  leaf{index}({_label(leaf.id, f'{leaf.kind}: {leaf.type}')}):::leaf")
        lines.append(f"  {names[leaf.parent.node]} -.- leaf{index}")
    lines += [f"  {line}" for line in _CLASSES]
    return "\n".join([*lines, *(f"  %% {printable(fact)}" for fact in facts(summary))])


def _classes(summary: Summary, node: TypedNode) -> list[str]:
    blocks = any(blocking == node.id for blocking, _, _ in summary.blocked)
    found = {"trainable": node.trainable, "stripped": is_stripped(summary, node.id), "blocked": blocks}
    return [name for name, holds in found.items() if holds]


def _described(graph: TypedGraph, reader: str, port: str) -> str:
    """The name of an input, where a node has several."""
    return port if len(graph.by_id[reader].inputs) > 1 else ""


def _label(*lines: str) -> str:
    shown = [escape(printable(line)).replace("#", "#35;") for line in lines if line]
    return f'"{"<br/>".join(shown)}"'

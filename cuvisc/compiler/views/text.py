"""A typed graph as aligned text for people: nodes with their ports, then what training and export will do.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from cuvisc.compiler.graph import INPUT, INPUT_NODE, TypedLeaf, TypedNode, ValueRef
from cuvisc.compiler.views.summary import Summary
from cuvisc.schema.render import printable

Row = tuple[str, ...]


def draw_text(summary: Summary) -> str:
    """The whole page."""
    graph = summary.graph
    lines = [
        printable(f"{graph.name}: {_count(len(graph.nodes), 'node', 'nodes')}") + _leaf_count(summary),
        "",
    ]
    lines += _aligned(_graph_rows(summary))
    for title, body in _sections(summary):
        lines += ["", title, *(f"  {line}" for line in body)]
    return "\n".join(lines)


def _graph_rows(summary: Summary) -> Iterator[Row]:
    yield (INPUT_NODE,)
    yield (f"  → {INPUT.port}", str(summary.graph.input), f"cast from {summary.cast}" if summary.cast else "")
    for node in summary.graph.nodes:
        yield (node.id, _described(node.type, summary.given(node), "trainable" if node.trainable else ""))
        for port, type_ in node.input_types.items():
            yield (f"  ← {port}", str(type_), " with ".join(str(value) for value in node.inputs[port]))
        for port, out in node.outputs.items():
            leaves_graph = ValueRef(node.id, port) in summary.graph.outputs
            yield (f"  → {port}", str(out), "output" if leaves_graph else "")
        for leaf in summary.leaves_of(node):
            yield (
                f"  · {leaf.kind}",
                f"{leaf.id}: {_described(leaf.type, summary.given(leaf), _not_first(leaf, node))}",
            )


def _not_first(leaf: TypedLeaf, node: TypedNode) -> str:
    return "" if leaf.parent == node.output else f"of {leaf.parent.port}"


def _described(type_name: str, given: Mapping[str, object], remark: str) -> str:
    shown = {name: value for name, value in given.items() if not (remark == name and value is True)}
    params = ", ".join(f"{name}: {_plain(value)}" for name, value in shown.items())
    return "  ".join(part for part in (type_name, params, remark) if part)


def _plain(value: object) -> str:
    """A value as YAML would write it on one line, shortened."""
    text = printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 40 else text[:39] + "…"


def _sections(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    yield "phase 1", list(summary.plan.describe())
    yield "phase 2", [summary.training]
    export = [f"folds {', '.join(chain)} into one affine map" for chain in summary.folds]
    if summary.stripped:
        export.append(f"leaves out {', '.join(summary.stripped)}")
    export += [f"{node} blocks {target}: {reason}" for node, target, reason in summary.blocked]
    if not summary.blocked:
        export.append("every node can be exported to every target")
    given = [(str(value), str(summary.graph.port(value))) for value in summary.graph.outputs]
    export += _aligned([(f"gives {name}", port) for name, port in given])
    yield "export", export


def _aligned(rows: Iterable[Row]) -> list[str]:
    """Rows as lines: the first column as wide as its widest cell, the second as wide as its widest with a third."""
    table = [(*row, "", "")[:3] for row in rows]
    first = max((len(row[0]) for row in table if row[1]), default=0)
    second = max((len(row[1]) for row in table if row[2]), default=0)
    return [f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]}".rstrip() for row in table]


def _leaf_count(summary: Summary) -> str:
    leaves = len(summary.graph.leaves)
    return f", {_count(leaves, 'leaf', 'leaves')}" if leaves else ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

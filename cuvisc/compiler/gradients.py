"""Which trainable nodes the losses of a typed graph reach: what phase 2 moves. Pure Python: never torch or numpy."""

from __future__ import annotations

from collections.abc import Iterator

from cuvisc.compiler.graph import TypedGraph, TypedLeaf, TypedNode


def losses(graph: TypedGraph) -> tuple[TypedLeaf, ...]:
    """The loss leaves."""
    return tuple(leaf for leaf in graph.leaves if leaf.kind == "loss")


def reached_by(graph: TypedGraph, leaf: TypedLeaf) -> Iterator[TypedNode]:
    """The leaf's node and all that it depends on through values that carry gradients, the nearest first."""
    seen: set[str] = set()
    waiting = [graph.by_id[leaf.parent.node]]
    while waiting:
        node = waiting.pop(0)
        if node.id in seen:
            continue
        seen.add(node.id)
        yield node
        for value in node.reads():
            if value.node in graph.by_id and graph.port(value).type.dtype.startswith("float"):
                waiting.append(graph.by_id[value.node])


def nothing_trains(graph: TypedGraph) -> tuple[str, str] | None:
    """Why phase 2 has nothing to move, and what to do about it; None where it has."""
    if trained_nodes(graph):
        return None
    if not losses(graph):
        return "there is no loss", "add one under `loss_leaves`"
    trainable = [f"`{node.id}`" for node in graph.nodes if node.trainable]
    if not trainable:
        return "no node is trainable", "set `trainable: true` on a node that a loss depends on"
    return (
        f"no loss depends on what is trainable ({', '.join(trainable)})",
        "attach a loss to it or behind it",
    )


def trained_nodes(graph: TypedGraph) -> tuple[TypedNode, ...]:
    """The trainable nodes that some loss depends on, in topological order."""
    reached = {node.id for leaf in losses(graph) for node in reached_by(graph, leaf)}
    return tuple(node for node in graph.nodes if node.trainable and node.id in reached)

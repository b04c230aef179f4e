"""Keep what inference needs: the nodes the outputs depend on. Leaves, and nodes that only leaves read, go."""

from __future__ import annotations

from dataclasses import replace

from cuvisc.compiler.graph import TypedGraph


def strip_leaves(graph: TypedGraph) -> TypedGraph:
    """The graph without leaves and without nodes no output depends on."""
    return replace(graph, leaves=(), nodes=tuple(node for node in graph.nodes if node.id in graph.live))

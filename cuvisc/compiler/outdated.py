"""Statistics that phase 2 leaves behind: a typed graph to warnings about nodes that keep them of bands exchanged since.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cuvisc.compiler.gradients import losses, reached_by, trained_nodes
from cuvisc.compiler.graph import TypedGraph, TypedNode, ValueRef
from cuvisc.compiler.references import listed
from cuvisc.schema.diagnostics import Diagnostics


def check_outdated(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    """Nodes fitted behind a trained choice of bands that do not train with it."""
    trainer = graph.spec.training.get("trainer")
    if isinstance(trainer, Mapping) and trainer.get("max_epochs") == 0:
        return
    choosing = [node for node in trained_nodes(graph) if node.entry.get("reselects")]
    behind = {node.id: _depends_on(graph, node) for node in choosing}
    reached = {node.id for leaf in losses(graph) for node in reached_by(graph, leaf)}
    for node in graph.nodes:
        if node.statistics is None or node.trainable:
            continue
        read = {value for port in node.statistics["of"] for value in node.inputs[port]}
        before = [choice for choice in choosing if read & behind[choice.id]]
        if before:
            named = listed([choice.id for choice in before])
            diagnostics.warning(
                "W309",
                f"`nodes.{node.id}`: training exchanges the bands of {named}, but the statistics here stay those of "
                "the first ones: what it computes will be wrong",
                node.span,
                help=", or ".join(_remedies(node, before, node.id in reached)),
            )


def _depends_on(graph: TypedGraph, choice: TypedNode) -> set[ValueRef]:
    """The values that are others once a node chooses other bands."""
    found = {ValueRef(choice.id, port) for port in choice.outputs}
    for node in graph.nodes:
        if found & set(node.reads()):
            found |= {ValueRef(node.id, port) for port in node.outputs}
    return found


def _remedies(node: TypedNode, before: list[TypedNode], reached: bool) -> Iterator[str]:
    names = listed([choice.id for choice in before])
    switch = _switch(node)
    if switch and reached:
        yield f"set `{switch}: true`, so that the statistics follow"
    elif node.mapping == "diagonal":
        yield f"put it before {names}"
    freezes = dict.fromkeys(switch for choice in before if (switch := _switch(choice)))
    if freezes:
        yield f"set {' and '.join(f'`{switch}: false`' for switch in freezes)} on {names}"
    else:
        yield f"train {names} in a run of its own"


def _switch(node: TypedNode) -> str:
    """The parameter that makes a node trainable, "" where there is none."""
    fact = node.entry.get("trainable")
    return str(fact["choose"]) if isinstance(fact, Mapping) and "choose" in fact else ""

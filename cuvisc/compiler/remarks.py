"""What is legal and most likely not meant, and what a target cannot express: a typed graph to warnings.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cuvisc.compiler.declared import Use
from cuvisc.compiler.gradients import losses, nothing_trains, reached_by, trained_nodes
from cuvisc.compiler.graph import TypedGraph, TypedNode
from cuvisc.compiler.references import listed
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics


def check_targets(
    graph: TypedGraph, catalogue: Catalogue, asked: Iterable[str], diagnostics: Diagnostics
) -> None:
    """Nodes that an export would keep and a target cannot express: an error for a target asked for, else a warning."""
    wanted = set(asked)
    for node in graph.nodes:
        if node.id not in graph.live:
            continue
        reasons = Use(catalogue, "node", node.type, node.params).fact("targets") or {}
        assert isinstance(reasons, Mapping)
        for target, reason in reasons.items():
            message = f"`nodes.{node.id}`: {node.type} cannot be exported to {target}: {reason}"
            if target in wanted:
                diagnostics.error("E401", message, node.span)
            else:
                diagnostics.warning(
                    "W401", message, node.span, help="export to another target, or replace it"
                )


def check_use(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    """Values nobody reads, losses that weigh nothing, losses without parameters and parameters without a loss."""
    _unused_nodes(graph, diagnostics)
    _joined_with_themselves(graph, diagnostics)
    _weightless_losses(graph, diagnostics)
    if not _epochs_without_training(graph, diagnostics):
        _training_without_effect(graph, diagnostics)


def _unused_nodes(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    read = {value.node for node in graph.nodes for value in node.reads()}
    read |= {value.node for value in graph.outputs} | {leaf.parent.node for leaf in graph.leaves}
    for node in graph.nodes:
        if node.id not in read:
            diagnostics.warning(
                "W301",
                f"`nodes.{node.id}`: nothing reads {listed([f'{node.id}.{port}' for port in node.outputs])}",
                node.span,
                help="name it in `graph.outputs`, or leave the node out",
            )


def _joined_with_themselves(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    for node in graph.nodes:
        for port, values in node.inputs.items():
            twice = [str(value) for value in dict.fromkeys(values) if values.count(value) > 1]
            if twice:
                diagnostics.warning(
                    "W308",
                    f"`nodes.{node.id}`: {listed(twice)} stands more than once in what is joined to `{port}`",
                    graph.spec.document.value_span(("nodes", node.id, "parent")),
                    help="name every value once: repeated bands say nothing new",
                )


def _weightless_losses(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    for leaf in losses(graph):
        weight = leaf.params.get("weight")
        if isinstance(weight, (int, float)) and weight == 0:
            diagnostics.warning(
                "W303",
                f"`{leaf.section}.{leaf.id}`: a loss of weight 0 has no effect",
                graph.spec.document.value_span((leaf.section, leaf.id, "weight")),
                help="give it a weight, or leave the loss out",
            )


def _epochs_without_training(graph: TypedGraph, diagnostics: Diagnostics) -> bool:
    """Whether the spec asks for gradient training where there is nothing to train, which is reported."""
    reason = nothing_trains(graph)
    if reason is None or not _asks_for_epochs(graph):
        return False
    fact, remedy = reason
    diagnostics.error(
        "E313",
        f"`training.trainer.max_epochs` asks for gradients, but {fact}",
        graph.spec.document.value_span(("training", "trainer", "max_epochs")),
        help=f"{remedy}, or set `max_epochs: 0`",
    )
    return True


def _training_without_effect(graph: TypedGraph, diagnostics: Diagnostics) -> None:
    for leaf in losses(graph):
        upstream = list(reached_by(graph, leaf))
        if not any(node.trainable for node in upstream):
            diagnostics.warning(
                "W302",
                f"`{leaf.section}.{leaf.id}`: nothing to train: no trainable node leads to `{leaf.parent}`",
                leaf.span,
                help=_make_trainable(upstream),
            )
    if not losses(graph) and not _asks_for_epochs(graph):
        return
    trained = trained_nodes(graph)
    for node in graph.nodes:
        if node.trainable and node not in trained:
            diagnostics.warning(
                "W304",
                f"`nodes.{node.id}` is trainable, but no loss depends on it",
                node.span,
                help=_freeze(node),
            )


def _make_trainable(upstream: Iterable[TypedNode]) -> str:
    """Which parameter would make the nearest node trainable, "" when none can."""
    for node in upstream:
        fact = node.entry.get("trainable")
        if isinstance(fact, dict) and "choose" in fact:
            for value, case in fact["cases"]:
                if case and isinstance(value, bool):
                    return f"set `{fact['choose']}: {str(value).lower()}` on `{node.id}`"
    return ""


def _freeze(node: TypedNode) -> str:
    """How to make a node what it is in effect, or to make it what it says."""
    fact = node.entry.get("trainable")
    chosen = fact["choose"] if isinstance(fact, dict) and "choose" in fact else ""
    return f"add a loss behind it, or set `{chosen}: false`" if chosen else "add a loss behind it"


def _asks_for_epochs(graph: TypedGraph) -> bool:
    """Whether the spec asks for gradient training in so many words."""
    trainer = graph.spec.training.get("trainer")
    epochs = trainer.get("max_epochs") if isinstance(trainer, Mapping) else None
    return isinstance(epochs, int) and epochs != 0

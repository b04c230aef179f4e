"""What a leaf or a node takes for given and nothing gives: keys of the batch, thresholds in the right unit.

Legal, and most likely not meant: warnings. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator

from cuvisc.compiler.declared import Use, entries_of
from cuvisc.compiler.graph import Facts, TypedGraph, TypedLeaf, ValueRef
from cuvisc.compiler.references import listed
from cuvisc.compiler.sizes import accepts_unit
from cuvisc.language.choose import read_choice
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Path, Span
from cuvisc.schema.wording import dotted

_LABELS_STAND_IN_FOR = "mask"


def check_expectations(graph: TypedGraph, catalogue: Catalogue, diagnostics: Diagnostics) -> None:
    """Warn of everything that training would look for in vain, or compare with something else."""
    _check_batches(graph, catalogue, diagnostics)
    for compared in _compared(graph):
        compared.check(graph, diagnostics)


def _check_batches(graph: TypedGraph, catalogue: Catalogue, diagnostics: Diagnostics) -> None:
    data = graph.spec.datamodule
    entry = catalogue.entry("datamodule", data.type) if data is not None else None
    gives = entry.get("gives") if entry is not None else None
    if data is None or gives is None:
        return
    for leaf in graph.leaves:
        lacking = [
            need for need in needs_of(leaf, catalogue) if need not in gives and not _stands_in(need, gives)
        ]
        if lacking:
            held = f"it gives the cube and {listed(gives)}" if gives else "it gives the cube alone"
            diagnostics.warning(
                "W306",
                f"`{leaf.section}.{leaf.id}` reads {listed(lacking)} of every batch, which {data.type} does not give",
                leaf.span,
                help=f"leave the leaf out, or take other data: {held}",
            )


def needs_of(leaf: TypedLeaf, catalogue: Catalogue) -> list[str]:
    """What a leaf, and those inside it, read of a batch besides the cube, each once."""
    use = Use(catalogue, leaf.kind, leaf.type, leaf.params)
    return list(dict.fromkeys(need for one in (use, *entries_of(use)) for need in one.entry.get("needs", ())))


def _stands_in(need: str, gives: list[str]) -> bool:
    return need == _LABELS_STAND_IN_FOR and "labels" in gives


class _Compared:
    """One parameter that is compared with a value of the graph as it is."""

    def __init__(
        self, path: Path, entry: Facts, params: Facts, given: Facts, value: ValueRef, name: str
    ) -> None:
        self.path, self.name, self.value, self.given = path, name, value, given
        self.threshold = params.get(name)
        self.type = str(entry["name"])
        self.units = read_choice(entry["compared"][name], params)

    def check(self, graph: TypedGraph, diagnostics: Diagnostics) -> None:
        unit = graph.port(self.value).unit
        if unit is None or self.units is None or not accepts_unit(self.units, unit):
            return
        if not isinstance(self.threshold, (int, float)):
            return
        shown = f"`{dotted(self.path)}`"
        if unit == "scores" and self.name not in self.given:
            diagnostics.warning(
                "W307",
                f"{shown} compares scores from `{self.value}` with the default of `{self.name}`, {self.threshold:g}",
                graph.spec.document.key_span(self.path),
                help=f"scores are no probabilities: say `{self.name}` in their unit",
            )
        elif unit == "logits" and self.threshold in _probabilities(graph, self.value):
            diagnostics.warning(
                "W307",
                f"{shown} compares logits from `{self.value}` with {self.threshold:g}, a threshold of probabilities",
                self._span(graph),
                help=f"say it as a logit: log(p / (1 - p)) is {_logit(self.threshold)}",
            )
        elif unit == "probabilities" and not 0 <= self.threshold <= 1:
            diagnostics.warning(
                "W307",
                f"{shown} compares probabilities from `{self.value}` with {self.threshold:g}",
                self._span(graph),
                help="a probability lies between 0 and 1",
            )

    def _span(self, graph: TypedGraph) -> Span:
        document = graph.spec.document
        return (
            document.value_span((*self.path, self.name))
            if self.name in self.given
            else document.key_span(self.path)
        )


def _compared(graph: TypedGraph) -> Iterator[_Compared]:
    nodes = {node.id: node.params for node in graph.spec.nodes}
    for node in graph.nodes:
        for name in node.entry.get("compared", {}):
            yield _Compared(
                ("nodes", node.id), node.entry, node.params, nodes[node.id], next(iter(node.reads())), name
            )
    leaves = {(leaf.section, leaf.id): leaf.params for leaf in graph.spec.leaves}
    for leaf in graph.leaves:
        for name in leaf.entry.get("compared", {}):
            yield _Compared(
                (leaf.section, leaf.id),
                leaf.entry,
                leaf.params,
                leaves[leaf.section, leaf.id],
                leaf.parent,
                name,
            )


def _probabilities(graph: TypedGraph, value: ValueRef) -> set[float]:
    """The thresholds that are probabilities where others look at the same logits."""
    readers: list[Facts] = [node.params for node in graph.readers(value) if "threshold" in node.params]
    readers += [leaf.params for leaf in graph.leaves if _reads_logits(leaf, value)]
    return {params["threshold"] for params in readers if isinstance(params["threshold"], (int, float))} - {0}


def _reads_logits(leaf: TypedLeaf, value: ValueRef) -> bool:
    """Whether a leaf takes the sigmoid of these logits before it compares them."""
    return leaf.parent == value and leaf.params.get("reads") == "logits" and "threshold" in leaf.params


def _logit(probability: float) -> str:
    from math import log

    return f"{log(probability / (1 - probability)):.3g}" if 0 < probability < 1 else "not finite"

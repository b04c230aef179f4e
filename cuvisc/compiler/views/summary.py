"""What `cuvisc show` tells about a typed graph beyond its nodes: facts for every view, and the view for programs.

Everything follows from the graph, its plan and the catalogue's facts. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from cuvisc.compiler.gradients import losses, trained_nodes
from cuvisc.compiler.graph import INPUT, TypedGraph, TypedLeaf, TypedNode, TypedPort, ValueRef
from cuvisc.compiler.plan import Plan, plan_statistics
from cuvisc.language.choose import read_choice
from cuvisc.schema.spec import thaw


@dataclass(frozen=True)
class Summary:
    """A graph with what can be said about its training and its export."""

    graph: TypedGraph

    @cached_property
    def plan(self) -> Plan:
        """The passes over the data that phase 1 makes."""
        return plan_statistics(self.graph)

    @property
    def cast(self) -> str | None:
        """The dtype that the graph casts to float32 first, None when it reads float32."""
        dtype = self.graph.spec.graph.input_dtype
        return dtype if dtype != self.graph.input.type.dtype else None

    def leaves_of(self, node: TypedNode) -> tuple[TypedLeaf, ...]:
        """The leaves that look at a node."""
        return self._leaves.get(node.id, ())

    @cached_property
    def _leaves(self) -> Mapping[str, tuple[TypedLeaf, ...]]:
        leaves: dict[str, tuple[TypedLeaf, ...]] = {}
        for leaf in self.graph.leaves:
            leaves[leaf.parent.node] = (*leaves.get(leaf.parent.node, ()), leaf)
        return leaves

    def given(self, what: TypedNode | TypedLeaf) -> Mapping[str, object]:
        """The parameters that the user gave, as plain data."""
        section = what.section if isinstance(what, TypedLeaf) else "nodes"
        return {name: thaw(value) for name, value in self._given[section, what.id].items()}

    @cached_property
    def _given(self) -> Mapping[tuple[str, str], Mapping[str, object]]:
        spec = self.graph.spec
        nodes = {("nodes", node.id): node.params for node in spec.nodes}
        return nodes | {(leaf.section, leaf.id): leaf.params for leaf in spec.leaves}

    @property
    def folds(self) -> tuple[tuple[str, ...], ...]:
        """Chains of nodes that an export makes one affine map of, as far as their declarations tell.

        A map that works band by band folds into every map that reads it, any other into its only reader, and none
        where the composed matrix would be larger than both. The last of a chain may only begin with a map.
        """
        chains = (
            chain
            for node in self.graph.nodes
            if self._begins(node) and not self._folds(node)
            for chain in [self._chain(node)]
        )
        return tuple(chain for chain in chains if len(chain) > 1)

    def _maps(self, node: TypedNode) -> bool:
        return node.id in self.graph.live and node.mapping is not None and len(node.inputs) == 1

    def _begins(self, node: TypedNode) -> bool:
        """Whether a node is an affine map of its one input, or begins with one."""
        opening = read_choice(node.entry.get("opening"), node.params)
        return self._maps(node) or (
            node.id in self.graph.live and opening is not None and len(node.inputs) == 1
        )

    def _folds(self, node: TypedNode) -> bool:
        """Whether a node disappears into the maps that read it."""
        if not self._maps(node) or node.output in self.graph.outputs:
            return False
        readers = [reader for reader in self.graph.readers(node.output) if reader.id in self.graph.live]
        into_all = all(self._begins(reader) and list(reader.reads()) == [node.output] for reader in readers)
        if node.mapping == "diagonal":
            return into_all and bool(readers)
        return into_all and len(readers) == 1 and _is_smaller(node, readers[0])

    def _chain(self, last: TypedNode) -> tuple[str, ...]:
        chain = [last.id]
        step = last
        while (sources := list(step.reads())) and len(sources) == 1 and sources[0] != INPUT:
            step = self.graph.by_id[sources[0].node]
            if not self._folds(step) or sources[0] != step.output:
                break
            chain.insert(0, step.id)
        return tuple(chain)

    @property
    def stripped(self) -> tuple[str, ...]:
        """What an export leaves out: leaves, and nodes that no output depends on."""
        dead = [node.id for node in self.graph.nodes if node.id not in self.graph.live]
        return (*(leaf.id for leaf in self.graph.leaves), *dead)

    @cached_property
    def blocked(self) -> tuple[tuple[str, str, str], ...]:
        """Node, target and reason wherever a node that an export keeps cannot be expressed in a target."""
        return tuple(
            (node.id, target, reason)
            for node in self.graph.nodes
            if node.id in self.graph.live
            for target, reason in (read_choice(node.entry.get("targets"), node.params) or {}).items()
        )

    @property
    def trained(self) -> tuple[str, ...]:
        """The nodes that phase 2 moves."""
        return tuple(node.id for node in trained_nodes(self.graph))

    @property
    def epochs(self) -> int | None:
        """`training.trainer.max_epochs` where the spec says it."""
        trainer = self.graph.spec.training.get("trainer")
        epochs = trainer.get("max_epochs") if isinstance(trainer, Mapping) else None
        return epochs if isinstance(epochs, int) else None

    @property
    def training(self) -> str:
        """What phase 2 does, in one line."""
        aims = [leaf.id for leaf in losses(self.graph)]
        if self.epochs == 0:
            return "none: max_epochs is 0"
        if not aims:
            return "none: there is no loss"
        if not self.trained:
            return f"none: no trainable node leads to {', '.join(aims)}"
        length = "" if self.epochs is None or self.epochs < 0 else f", for {self.epochs} epochs"
        return f"trains {', '.join(self.trained)} against {', '.join(aims)}{length}"

    def as_dict(self) -> dict[str, object]:
        """Everything, as plain data for JSON."""
        graph = self.graph
        return {
            "name": graph.name,
            "input": {"name": str(INPUT), "cast_from": self.cast, **_port(graph.input)},
            "nodes": [self._node(node) for node in graph.nodes],
            "leaves": [
                {
                    "id": leaf.id,
                    "kind": leaf.kind,
                    "type": leaf.type,
                    "params": self.given(leaf),
                    "parent": str(leaf.parent),
                }
                for leaf in graph.leaves
            ],
            "outputs": [{"name": str(value), **_port(graph.port(value))} for value in graph.outputs],
            "phase1": [
                {
                    "measures": [
                        {"values": [str(part) for part in tap.parts], "kinds": sorted(tap.kinds)}
                        for tap in step.taps
                    ],
                    "solves": list(step.solves),
                }
                for step in self.plan.passes
            ],
            "phase2": {"trains": list(self.trained), "losses": [leaf.id for leaf in losses(graph)]},
            "export": {
                "folds": [list(chain) for chain in self.folds],
                "leaves_out": list(self.stripped),
                "blocked": [
                    {"node": node, "target": target, "reason": reason}
                    for node, target, reason in self.blocked
                ],
            },
        }

    def _node(self, node: TypedNode) -> dict[str, object]:
        return {
            "id": node.id,
            "type": node.type,
            "params": self.given(node),
            "inputs": {
                port: {"reads": [str(value) for value in node.inputs[port]], **_port(type_)}
                for port, type_ in node.input_types.items()
            },
            "outputs": {port: _port(type_) for port, type_ in node.outputs.items()},
            "statistics": dict(node.statistics) if node.statistics is not None else None,
            "mapping": node.mapping,
            "trainable": node.trainable,
        }


@dataclass(frozen=True)
class Edge:
    """One value on its way into one input."""

    value: ValueRef
    reader: str
    port: str


def edges(graph: TypedGraph) -> Iterator[Edge]:
    """Every edge, in topological order of the readers."""
    for node in graph.nodes:
        for port, values in node.inputs.items():
            for value in values:
                yield Edge(value, node.id, port)


def _is_smaller(first: TypedNode, second: TypedNode) -> bool:
    """Whether the matrix of both maps has no more numbers than the two have; yes where only the data can tell."""
    given, between = (next(iter(node.input_types.values())).type.dims[-1] for node in (first, second))
    last = next(iter(second.outputs.values())).type.dims[-1] if second.mapping is not None else between
    if second.mapping == "diagonal" or not all(isinstance(bands, int) for bands in (given, between, last)):
        return True
    return int(given) * int(last) <= int(given) * int(between) + int(between) * int(last)


def _port(port: TypedPort) -> dict[str, object]:
    return {"type": str(port.type), "unit": port.unit}

"""The edges of the graph: a spec's `inputs`, `parent` and order of declaration to links between ports, sorted.

A node that cannot be wired is left out and silences everything behind it. Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cuvisc.compiler.graph import INPUT, INPUT_NODE, ValueRef
from cuvisc.compiler.references import Place, References, listed
from cuvisc.compiler.sorting import sort_nodes
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.document import Span
from cuvisc.schema.spec import NodeSpec, PortRef


@dataclass(frozen=True)
class Link:
    """One value that an input reads, and where the user said so; `implicit` when only the order says it."""

    value: ValueRef
    place: Place
    span: Span
    implicit: bool = False


@dataclass
class Wiring:
    """The wired nodes in topological order, the links of each of their inputs, and the outputs of the graph."""

    order: tuple[NodeSpec, ...] = ()
    links: dict[str, dict[str, tuple[Link, ...]]] = field(default_factory=dict)
    outputs: tuple[ValueRef, ...] = ()


def wire(references: References) -> Wiring:
    """Wire the nodes of a spec; whatever is wrong is reported, and left out."""
    nodes = references.spec.nodes
    wiring = Wiring()
    previous = None
    for node in nodes:
        if node.id in references.entries:
            links = _Wirer(references, node, previous).links()
            if links is not None:
                wiring.links[node.id] = links
        previous = node
    _sort(wiring, references)
    wiring.outputs = _outputs(references, wiring.links)
    if not nodes:
        references.diagnostics.error(
            "E311", "the graph has no nodes", references.spec.document.key_span(("nodes",)), label="add one"
        )
    return wiring


@dataclass
class _Wirer:
    """Finds out what each input of one node reads."""

    references: References
    node: NodeSpec
    previous: NodeSpec | None

    def links(self) -> dict[str, tuple[Link, ...]] | None:
        """The links of every input, None when something is wrong, which is then reported."""
        ports = list(self.references.entries[self.node.id]["inputs"])
        if self.node.inputs is not None and self.node.parents:
            self._error(
                "E308",
                f"`nodes.{self.node.id}` has both `parent` and `inputs`",
                self._key("parent"),
                label="keep one of the two",
            )
            return None
        if self.node.inputs is not None:
            return self._from_inputs(self.node.inputs, ports)
        if self.node.parents:
            return self._from_parents(self.node.parents, ports)
        return self._from_order(ports)

    def _from_inputs(
        self, inputs: Mapping[str, PortRef], ports: Sequence[str]
    ) -> dict[str, tuple[Link, ...]] | None:
        found: dict[str, tuple[Link, ...]] = {}
        sound = True
        for port, reference in inputs.items():
            if port in ports:
                link = self._link(reference, Place.at("nodes", self.node.id, "inputs", port))
                sound = sound and link is not None
                found[port] = (link,) if link is not None else ()
            else:
                sound = False
                self._unknown_input(port, ports)
        open_ports = [port for port in ports if port not in inputs]
        unknown = [port for port in inputs if port not in ports]
        if open_ports and not unknown:
            self._left_open(open_ports)
        return {port: found[port] for port in ports} if sound and not open_ports else None

    def _from_parents(
        self, parents: Sequence[PortRef], ports: Sequence[str]
    ) -> dict[str, tuple[Link, ...]] | None:
        if len(ports) != 1:
            self._parent_of_many(parents, ports)
            return None
        several = len(parents) > 1
        path: tuple[str | int, ...] = ("nodes", self.node.id, "parent")
        links = [
            self._link(parent, Place.at(*path, index) if several else Place.at(*path))
            for index, parent in enumerate(parents)
        ]
        sound = [link for link in links if link is not None]
        return {ports[0]: tuple(sound)} if len(sound) == len(links) else None

    def _from_order(self, ports: Sequence[str]) -> dict[str, tuple[Link, ...]] | None:
        if not ports:
            return {}
        if len(ports) > 1:
            self._left_open(ports)
            return None
        value = INPUT if self.previous is None else self.references.first_output(self.previous.id)
        if value is None:
            return None
        place = Place.at("nodes", self.node.id)
        return {ports[0]: (Link(value, place, self._key(), implicit=True),)}

    def _link(self, reference: PortRef, place: Place) -> Link | None:
        value = self.references.resolve(reference, place)
        if value is None:
            return None
        span = self.references.spec.document.value_span(place.path)
        if value.node == self.node.id:
            help = "name another node; without a `parent` a node reads the one before it"
            self._error("E303", f"`{place.name}` reads `{reference}`, the node itself", span, help=help)
            return None
        return Link(value, place, span)

    def _unknown_input(self, port: str, ports: Sequence[str]) -> None:
        self._error(
            "E302",
            f"`nodes.{self.node.id}.inputs.{port}`: {self.node.type} has no input `{port}`",
            self._key("inputs", port),
            help=did_you_mean(port, ports) or (f"it has {listed(ports)}" if ports else "it reads nothing"),
        )

    def _left_open(self, ports: Sequence[str]) -> None:
        said = self.node.inputs or {}
        every = self.references.entries[self.node.id]["inputs"]
        wanted = ", ".join(f"{port}: {said.get(port, '…')}" for port in every)
        self._error(
            "E304",
            f"`nodes.{self.node.id}` leaves {listed(ports)} of {self.node.type} open",
            self._key("inputs"),
            help=f"say what each input reads: `inputs: {{{wanted}}}`",
        )

    def _parent_of_many(self, parents: Sequence[PortRef], ports: Sequence[str]) -> None:
        name = f"`nodes.{self.node.id}.parent`: {self.node.type}"
        if not ports:
            self._error("E312", f"{name} reads nothing", self._key("parent"), label="leave it out")
            return
        names = parents if len(parents) == len(ports) else ["…"] * len(ports)
        inside = ", ".join(f"{port}: {parent}" for port, parent in zip(ports, names, strict=True))
        self._error(
            "E309",
            f"{name} has the inputs {listed(ports)}, and `parent` does not say which",
            self._key("parent"),
            help=f"write `inputs: {{{inside}}}`",
        )

    def _error(self, code: str, message: str, span: Span, label: str = "", help: str = "") -> None:
        self.references.diagnostics.error(code, message, span, label=label, help=help)

    def _key(self, *below: str) -> Span:
        return self.references.spec.document.key_span(("nodes", self.node.id, *below))


def _sort(wiring: Wiring, references: References) -> None:
    """Put the nodes in topological order; the nodes of a circle are reported and left out."""
    wired = {node.id: node for node in references.spec.nodes if node.id in wiring.links}
    reads = {name: [link for links in wiring.links[name].values() for link in links] for name in wired}
    order, circles = sort_nodes(
        list(wired),
        {name: [link.value.node for link in reads[name] if link.value.node in wired] for name in wired},
    )
    for circle in circles:
        _report_circle(circle, reads, references)
        for name in circle:
            del wiring.links[name]
    wiring.order = tuple(wired[name] for name in order if name in wiring.links)


def _report_circle(
    circle: Sequence[str], reads: Mapping[str, Sequence[Link]], references: References
) -> None:
    """`circle` goes with the data: each node is read by the next, the last by the first."""
    edges: list[tuple[str, str, Link]] = []
    for source, reader in zip(circle, [*circle[1:], circle[0]], strict=True):
        link = next(link for link in reads[reader] if link.value.node == source)
        edges.append((reader, source, link))
    edges.sort(key=lambda edge: (edge[2].implicit, circle.index(edge[0])))
    reader, source, link = edges[0]
    references.diagnostics.error(
        "E303",
        f"{len(circle)} nodes wait for each other: {' → '.join(f'`{name}`' for name in [*circle, circle[0]])}",
        link.span,
        label=f"here `{reader}` reads `{source}`",
        notes=tuple(
            (other.span, f"`{name}` reads `{behind}`" + ", declared before it" * other.implicit)
            for name, behind, other in edges[1:]
        ),
    )


def _outputs(
    references: References, links: Mapping[str, Mapping[str, tuple[Link, ...]]]
) -> tuple[ValueRef, ...]:
    """The values that leave the graph: those named, else every output of every node that no node reads."""
    named = references.spec.graph.outputs
    if named is None:
        read = {link.value.node for ports in links.values() for group in ports.values() for link in group}
        return tuple(
            ValueRef(node.id, port)
            for node in references.spec.nodes
            if node.id in links and node.id not in read
            for port in references.entries[node.id]["outputs"]
        )
    found: dict[ValueRef, None] = {}
    for index, reference in enumerate(named):
        place = replace(Place.at("graph", "outputs", index), name="graph.outputs")
        value = references.resolve(reference, place)
        if value is None:
            continue
        if value.node == INPUT_NODE or value in found:
            fact = "the cube that the graph reads" if value.node == INPUT_NODE else "a second time"
            references.diagnostics.error(
                "E310",
                f"`graph.outputs` names `{value}`, {fact}",
                references.spec.document.value_span(place.path),
                label="leave it out",
            )
        found[value] = None
    if not named:
        span = references.spec.document.value_span(("graph", "outputs"))
        references.diagnostics.error(
            "E310", "`graph.outputs` names no output", span, label="leave it out, or name one"
        )
    return tuple(found)

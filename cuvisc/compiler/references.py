"""Names as the user wrote them to values of the graph: `rx` or `rx.scores` to a node and one of its outputs.

Pure Python: never torch or numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cuvisc.compiler.graph import INPUT, INPUT_NODE, INPUT_PORT, Facts, ValueRef
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics, did_you_mean
from cuvisc.schema.document import Path, Span
from cuvisc.schema.spec import LeafSpec, PortRef, Spec

_MANY = 8


@dataclass(frozen=True)
class Place:
    """A spot in the spec: its path, and what it is called in a message, such as `nodes.pca.parent`."""

    path: Path
    name: str

    @classmethod
    def at(cls, *path: str | int) -> Place:
        """The place of a path; an index of a list is not part of its name."""
        return cls(path, ".".join(str(key) for key in path if isinstance(key, str)))


class References:
    """The names that a spec declares, and the values they stand for."""

    def __init__(self, spec: Spec, catalogue: Catalogue, diagnostics: Diagnostics) -> None:
        self.spec = spec
        self.catalogue = catalogue
        self.diagnostics = diagnostics
        self.entries: dict[str, Facts] = {}
        self._misdeclared: set[str] = set()
        for node in spec.nodes:
            self._declare(node.id, node.type)

    def _declare(self, node: str, type_name: str) -> None:
        entry = self.catalogue.entry("node", type_name)
        if ("nodes", node) in self.spec.doubtful:
            self._misdeclared.add(node)
        elif node == INPUT_NODE:
            self._misdeclared.add(node)
            self.diagnostics.error(
                "E108",
                f"`nodes.{node}`: the name `{INPUT_NODE}` is taken: it stands for the cube that the graph reads",
                self.spec.document.key_span(("nodes", node)),
                label="choose another name",
            )
        elif entry is None:
            self._misdeclared.add(node)
            self.diagnostics.error(
                "E106",
                f"`nodes.{node}`: there is no node type `{type_name}`",
                self.spec.document.value_span(("nodes", node, "type")),
                help=did_you_mean(type_name, self.catalogue.names("node")),
            )
        else:
            self.entries[node] = entry

    def first_output(self, node: str) -> ValueRef | None:
        """What a node gives when no port is named; None when its type is wrong or gives nothing."""
        if node not in self.entries:
            return None
        port = next(iter(self.entries[node]["outputs"]), None)
        return None if port is None else ValueRef(node, port)

    def resolve(self, reference: PortRef, place: Place) -> ValueRef | None:
        """The value that a reference means; None, with what is wrong reported, when it means none."""
        span = self.spec.document.value_span(place.path)
        if reference.node == INPUT_NODE:
            return self._port_of_input(reference, place, span)
        if reference.node in self._misdeclared:
            return None
        if reference.node not in self.entries:
            self._unknown_node(reference, place, span)
            return None
        outputs: Mapping[str, object] = self.entries[reference.node]["outputs"]
        if reference.port is not None and reference.port not in outputs:
            self._unknown_port(reference, list(outputs), place, span)
            return None
        return (
            ValueRef(reference.node, reference.port) if reference.port else self.first_output(reference.node)
        )

    def _port_of_input(self, reference: PortRef, place: Place, span: Span) -> ValueRef | None:
        if reference.port in (None, INPUT_PORT):
            return INPUT
        self._unknown_port(reference, [INPUT_PORT], place, span)
        return None

    def _unknown_node(self, reference: PortRef, place: Place, span: Span) -> None:
        leaf = next((leaf for leaf in self.spec.leaves if leaf.id == reference.node), None)
        known = [INPUT_NODE, *(node.id for node in self.spec.nodes if node.id != INPUT_NODE)]
        if leaf is not None:
            fact = f"which is a leaf (`{leaf.section}.{leaf.id}`): leaves look at nodes and give nothing"
        else:
            fact = "which is not a node of this graph"
        self.diagnostics.error(
            "E301",
            f"`{place.name}` refers to `{reference.node}`, {fact}",
            span,
            help=did_you_mean(reference.node, known) or _beside(leaf, known),
        )

    def _unknown_port(self, reference: PortRef, ports: Sequence[str], place: Place, span: Span) -> None:
        assert reference.port is not None
        node = reference.node
        owner = f"`{node}`" if node == INPUT_NODE else f"`{node}` ({self.entries[node]['name']})"
        have = f"it gives {listed([f'{node}.{port}' for port in ports])}" if ports else "it gives nothing"
        self.diagnostics.error(
            "E302",
            f"`{place.name}` refers to `{reference}`, but {owner} has no output `{reference.port}`",
            span,
            help=did_you_mean(str(reference), [f"{node}.{port}" for port in ports]) or have,
        )


def _beside(leaf: LeafSpec | None, known: Sequence[str]) -> str:
    """What may have been meant by something that is no node."""
    if leaf is not None and leaf.parent is not None:
        return f"did you mean `{leaf.parent}`, at which it looks?"
    return f"there are {listed(known)}"


def listed(names: Sequence[str]) -> str:
    """Names in backticks, `a`, `b` and `c`; beyond eight only their number."""
    quoted = [f"`{name}`" for name in names[:_MANY]]
    if len(names) > _MANY:
        quoted.append(f"{len(names) - _MANY} more")
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"

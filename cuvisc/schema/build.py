"""A checked tree to the frozen `Spec`, and a document to its canonical form.

The canonical form is what is hashed and written: `type` for `_target_`, sections in one order, nothing disabled,
interpolations as they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from cuvisc.schema.catalogue import SECTION_KINDS, Catalogue
from cuvisc.schema.conformance import is_enabled
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document, Marked, Path
from cuvisc.schema.places import written_type
from cuvisc.schema.spec import (
    ComponentSpec,
    FrozenMap,
    GraphSpec,
    LeafSpec,
    NodeSpec,
    PortRef,
    Spec,
    parse_reference,
)
from cuvisc.schema.wording import dotted, shortened

_LEAF_SECTIONS = ("loss_leaves", "metric_leaves", "visualization_leaves")
_NOT_PARAMETERS = ("type", "_target_", "enabled", "parent", "inputs")


def build_spec(
    document: Document, root: Marked, catalogue: Catalogue, diagnostics: Diagnostics
) -> Spec | None:
    """The spec of a tree that fits the schema; None when a reference cannot be read."""
    builder = _Builder(root, catalogue, document, diagnostics)
    graph = builder.graph()
    nodes = tuple(builder.node(name, entry) for name, entry in builder.entries("nodes"))
    leaves = tuple(
        builder.leaf(section, name, entry)
        for section in _LEAF_SECTIONS
        for name, entry in builder.entries(section)
    )
    monitors = tuple(
        builder.component("monitoring", name, entry) for name, entry in builder.entries("monitoring")
    )
    if diagnostics.has_errors:
        return None
    version = root.child("version")
    return Spec(
        version=version.value if version is not None and isinstance(version.value, int) else 1,
        graph=graph,
        nodes=nodes,
        leaves=leaves,
        monitors=monitors,
        datamodule=builder.datamodule(),
        training=FrozenMap(builder.plain("training")),
        document=document,
        canonical=FrozenMap(_canonical(document, builder)),
        doubtful=builder.doubtful,
    )


class _Builder:
    def __init__(
        self, root: Marked, catalogue: Catalogue, document: Document, diagnostics: Diagnostics
    ) -> None:
        self.root = root
        self.catalogue = catalogue
        self.document = document
        self.diagnostics = diagnostics

    def plain(self, section: str) -> dict[str, Any]:
        found = self.root.child(section)
        plain = found.plain() if found is not None else None
        return plain if isinstance(plain, dict) else {}

    def entries(self, section: str) -> Iterator[tuple[str, Marked]]:
        """The enabled entries of a section, in the order they stand."""
        found = self.root.child(section)
        if found is not None and isinstance(found.value, Mapping):
            yield from ((name, entry) for name, entry in found.value.items() if is_enabled(entry))

    @cached_property
    def doubtful(self) -> frozenset[tuple[str, str]]:
        """Section and key of everything in which something is doubled, or could not be read and has no default."""
        assert isinstance(self.root.value, Mapping)
        return frozenset(
            (section, name)
            for section, found in self.root.value.items()
            if isinstance(found.value, Mapping)
            for name, entry in found.value.items()
            if entry.doubtful and not self.is_clear(section, entry)
        )

    def is_clear(self, section: str, entry: Marked) -> bool:
        """Whether all that is not sound in an entry are parameters for which their defaults may stand."""
        if section not in SECTION_KINDS or section == "datamodule" or entry.reading != "sound":
            return False
        kind = SECTION_KINDS[section]
        definition = self.catalogue.definition(kind, self.type_name(kind, entry))
        assert definition is not None
        assert isinstance(entry.value, Mapping)
        return all(
            child.reading == "unread" and "default" in definition["properties"][key]
            for key, child in entry.value.items()
            if child.doubtful
        )

    def graph(self) -> GraphSpec:
        plain = self.plain("graph")
        cube = {} if ("graph", "input") in self.doubtful else plain.get("input") or {}
        outputs, centers = plain.get("outputs"), cube.get("wavelengths")
        references = [
            self.reference(text, ("graph", "outputs", index)) for index, text in enumerate(outputs or ())
        ]
        return GraphSpec(
            name=plain.get("name") or "graph",
            input_dtype=cube.get("dtype"),
            channels=cube.get("channels"),
            wavelengths=None if centers is None else tuple(map(float, centers)),
            outputs=tuple(references) if outputs is not None else None,
        )

    def node(self, name: str, entry: Marked) -> NodeSpec:
        path: Path = ("nodes", name)
        inputs = self.value(entry, "inputs")
        return NodeSpec(
            id=name,
            type=self.type_name("node", entry),
            params=self.params(entry),
            inputs=self.inputs(inputs, (*path, "inputs")) if isinstance(inputs, dict) else None,
            parents=self.references(self.value(entry, "parent"), (*path, "parent")),
        )

    def leaf(self, section: str, name: str, entry: Marked) -> LeafSpec:
        kind = SECTION_KINDS[section]
        parents = self.references(self.value(entry, "parent"), (section, name, "parent"))
        return LeafSpec(
            id=name,
            section=section,
            kind=kind,
            type=self.type_name(kind, entry),
            params=self.params(entry),
            parent=parents[0] if parents else None,
        )

    def component(self, section: str, name: str, entry: Marked) -> ComponentSpec:
        kind = SECTION_KINDS[section]
        return ComponentSpec(id=name, kind=kind, type=self.type_name(kind, entry), params=self.params(entry))

    def datamodule(self) -> ComponentSpec | None:
        entry = self.root.child("datamodule")
        if entry is None or entry.value is None or not is_enabled(entry):
            return None
        return self.component("datamodule", "datamodule", entry)

    def type_name(self, kind: str, entry: Marked) -> str:
        written = written_type(entry)
        name = self.catalogue.resolve_target(kind, str(written.value)) if written is not None else None
        assert name is not None, "the tree was not checked"
        return name

    def params(self, entry: Marked) -> FrozenMap:
        assert isinstance(entry.value, Mapping)
        return FrozenMap(
            {
                key: child.plain()
                for key, child in entry.value.items()
                if key not in _NOT_PARAMETERS and child.reading != "unread"
            }
        )

    def value(self, entry: Marked, key: str) -> Any:
        child = entry.child(key)
        return child.plain() if child is not None else None

    def inputs(self, inputs: dict[str, Any], path: Path) -> Mapping[str, PortRef]:
        found: dict[str, PortRef] = {}
        for port, written in inputs.items():
            references = self.references(written, (*path, port))
            if len(references) != 1:
                fact = f"`{dotted((*path, port))}` wants one value"
                help = "several are concatenated by `parent`, on nodes with one input"
                self.diagnostics.error("E109", fact, self.document.value_span((*path, port)), help=help)
                continue
            found[port] = references[0]
        return FrozenMap(found)  # type: ignore[return-value]

    def references(self, written: Any, path: Path) -> tuple[PortRef, ...]:
        if written is None:
            return ()
        if isinstance(written, list):
            return tuple(self.reference(text, (*path, index)) for index, text in enumerate(written))
        return (self.reference(written, path),)

    def reference(self, text: str, path: Path) -> PortRef:
        found = parse_reference(text)
        if found is None:
            written = self.document.find(path)
            shown = written.value if written is not None and isinstance(written.value, str) else text
            fact = f"`{dotted(path)}`: `{shortened(shown)}` is not a reference"
            self.diagnostics.error(
                "E109", fact, self.document.value_span(path), help="write node, or node.port"
            )
            return PortRef("")
        return found


def _canonical(document: Document, builder: _Builder) -> dict[str, object]:
    """The document with what is enabled, in canonical words; values as they were written."""
    data = document.data
    graph = data.get("graph")
    canonical: dict[str, object] = {
        "version": data.get("version", 1),
        "graph": {"name": "graph", **(graph if isinstance(graph, dict) else {})},
    }
    for section, kind in SECTION_KINDS.items():
        entries: dict[str, object] = {}
        for name, entry in builder.entries(section) if section != "datamodule" else ():
            entries[name] = _canonical_entry(document.find((section, name)), builder.type_name(kind, entry))
        if entries:
            canonical[section] = entries
    component = builder.datamodule()
    if component is not None:
        canonical["datamodule"] = _canonical_entry(document.find(("datamodule",)), component.type)
    if data.get("training"):
        canonical["training"] = data["training"]
    return canonical


def _canonical_entry(entry: Marked | None, type_name: str) -> dict[str, object]:
    plain = entry.plain() if entry is not None else {}
    assert isinstance(plain, dict), "the tree was not checked"
    canonical = {
        "type": type_name,
        **{k: v for k, v in plain.items() if k not in ("type", "_target_", "enabled")},
    }
    parent = canonical.get("parent")
    if isinstance(parent, list) and len(parent) == 1:
        canonical["parent"] = parent[0]
    return canonical

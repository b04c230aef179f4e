"""The spec as frozen values: what the user asked for, checked against the schema, before any graph exists.

Everything is read-only and comparable; positions live in `Spec.document`. Pure Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cuvisc.schema.document import Document


class FrozenMap(Mapping[str, object]):
    """A read-only mapping that can be compared, hashed, copied and pickled; nested values are frozen too."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, object] | None = None) -> None:
        self._items = {key: freeze(value) for key, value in (items or {}).items()}

    def __getitem__(self, key: str) -> object:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def freeze(value: object) -> object:
    """Plain data with mappings read-only and lists as tuples."""
    if isinstance(value, FrozenMap):
        return value
    if isinstance(value, Mapping):
        return FrozenMap(value)
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


def thaw(value: object) -> object:
    """Frozen data as plain dicts and lists, for writing and for libraries that insist on them."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value


@dataclass(frozen=True)
class PortRef:
    """A reference as written: `rx.scores`, or `rx` alone (port None: its only or first output).

    Node `input` is the cube that the graph reads.
    """

    node: str
    port: str | None = None

    def __str__(self) -> str:
        return self.node if self.port is None else f"{self.node}.{self.port}"


@dataclass(frozen=True)
class NodeSpec:
    """One entry of `nodes`: only the parameters the user gave, and the edges the user wrote."""

    id: str
    type: str
    params: Mapping[str, object] = field(default_factory=FrozenMap)
    inputs: Mapping[str, PortRef] | None = None
    parents: tuple[PortRef, ...] = ()


@dataclass(frozen=True)
class LeafSpec:
    """One entry of `loss_leaves`, `metric_leaves` or `visualization_leaves`."""

    id: str
    section: str
    kind: str
    type: str
    params: Mapping[str, object] = field(default_factory=FrozenMap)
    parent: PortRef | None = None


@dataclass(frozen=True)
class ComponentSpec:
    """A monitor or the data module; `kind` says which."""

    id: str
    kind: str
    type: str
    params: Mapping[str, object] = field(default_factory=FrozenMap)


@dataclass(frozen=True)
class GraphSpec:
    """What the user said about the graph as a whole; None where nothing was said."""

    name: str
    input_dtype: str | None = None
    channels: int | None = None
    wavelengths: tuple[float, ...] | None = None
    outputs: tuple[PortRef, ...] | None = None


@dataclass(frozen=True)
class Spec:
    """A whole spec: nodes in document order, only what is enabled, interpolations resolved.

    `doubtful` names, as section and id, the entries of which something is not clear; () in a spec without errors.
    """

    version: int
    graph: GraphSpec
    nodes: tuple[NodeSpec, ...]
    leaves: tuple[LeafSpec, ...]
    monitors: tuple[ComponentSpec, ...]
    datamodule: ComponentSpec | None
    training: Mapping[str, object]
    document: Document = field(compare=False, repr=False)
    canonical: Mapping[str, object] = field(compare=False, repr=False)
    doubtful: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False, repr=False)

    def to_dict(self) -> dict[str, object]:
        """The spec in its canonical form, as plain data.

        `type` stands for `_target_`, nothing is disabled, interpolations are as they were written.
        """
        plain = thaw(self.canonical)
        assert isinstance(plain, dict)
        return plain


def spec_hash(spec: Spec) -> str:
    """SHA-256, in hex, of the canonical form as JSON with sorted keys."""
    import hashlib
    import json

    text = json.dumps(
        spec.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def parse_reference(text: str) -> PortRef | None:
    """`node` or `node.port` as a reference, None when the text is neither."""
    parts: Sequence[str] = text.split(".")
    if len(parts) > 2 or not all(is_name(part) for part in parts):
        return None
    return PortRef(parts[0], parts[1] if len(parts) == 2 else None)


def is_name(text: str) -> bool:
    """Whether a text can name a node or a leaf: ASCII letters, digits, `_`, `-`; a letter or `_` first."""
    plain = text.replace("_", "a").replace("-", "0")
    return plain.isascii() and plain.isalnum() and not plain[0].isdigit()

"""The catalogue with the classes of a program in it that no package registers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cuvisc.language.declare import Declared
from cuvisc.language.describe import describe
from cuvisc.language.leaf import LeafNode
from cuvisc.language.node import Node
from cuvisc.schema.catalogue import Catalogue, load


def catalogue_of(items: Collection[Declared]) -> Catalogue:
    """What is installed, and the classes of these instances; a node of one's own has what its instance has."""
    known = load()
    looked_at = {
        name for item in items if isinstance(item, LeafNode) for name in item.required_parent_attributes
    }
    own: dict[str, Any] = {}
    for item in items:
        if not is_registered(known, item):
            entry = own[f"{item.kind}.{type(item).__name__}"] = describe(type(item))
            if isinstance(item, Node):
                entry["x-cuvisc"]["holds"] = sorted(name for name in looked_at if hasattr(item, name))
    return Catalogue({**known.schema, "$defs": {**known.schema["$defs"], **own}}) if own else known


def is_registered(catalogue: Catalogue, item: Declared) -> bool:
    """Whether the catalogue's entry of this name is this very class."""
    entry = catalogue.entry(item.kind, type(item).__name__)
    return entry is not None and entry["implementation"] == f"{type(item).__module__}:{type(item).__name__}"

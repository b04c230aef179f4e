"""The catalogue: every registered type with its parameters, ports and facts, from the JSON Schema.

`cuvisc.schema.json` is all that the front end knows about nodes and leaves; it never imports them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

SCHEMA_PATH = Path(__file__).with_name("cuvisc.schema.json")
SECTION_KINDS: Mapping[str, str] = {
    "nodes": "node",
    "loss_leaves": "loss",
    "metric_leaves": "metric",
    "visualization_leaves": "visualization",
    "monitoring": "monitor",
    "datamodule": "datamodule",
}
KIND_NAMES: Mapping[str, str] = {
    "node": "node",
    "loss": "loss",
    "metric": "metric",
    "visualization": "visualization",
    "monitor": "monitor",
    "datamodule": "data module",
    "callback": "callback",
}
_ALIAS_ROOTS = ("cuvis_ai.", "cuvisc.")


class Catalogue:
    """The registered types of one JSON Schema, by kind and name."""

    def __init__(self, schema: Json) -> None:
        self.schema = schema
        self._entries: dict[str, dict[str, Json]] = {kind: {} for kind in KIND_NAMES}
        self._targets: dict[tuple[str, str], str] = {}
        for definition in schema.get("$defs", {}).values():
            facts = definition.get("x-cuvisc")
            if facts is None:
                continue
            kind, name = facts["kind"], facts["name"]
            self._entries.setdefault(kind, {})[name] = definition
            for alias in facts.get("aliases", ()):
                self._targets[kind, alias] = name

    def definition(self, kind: str, name: str) -> Json | None:
        """The JSON Schema of one type's entries, None when there is no such type."""
        return self._entries.get(kind, {}).get(name)

    def entry(self, kind: str, name: str) -> Json | None:
        """The facts (`x-cuvisc`) of one type, None when there is no such type."""
        definition = self.definition(kind, name)
        return definition["x-cuvisc"] if definition is not None else None

    def names(self, kind: str) -> tuple[str, ...]:
        """The names registered under a kind, sorted."""
        return tuple(sorted(self._entries.get(kind, ())))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that hold at least one type, in the order of the spec's sections."""
        return tuple(kind for kind, entries in self._entries.items() if entries)

    def kinds_of(self, name: str) -> tuple[str, ...]:
        """Every kind under which a name is registered."""
        return tuple(kind for kind, entries in self._entries.items() if name in entries)

    def resolve_target(self, kind: str, text: str) -> str | None:
        """The registered name that a `type` or `_target_` text means, None when it means none.

        A plain name, a listed alias, or a dotted path under `cuvis_ai` or `cuvisc` that ends in a registered
        name. This is a lookup in a table; nothing is ever imported.
        """
        entries = self._entries.get(kind, {})
        if text in entries:
            return text
        if (kind, text) in self._targets:
            return self._targets[kind, text]
        name = text.rpartition(".")[2]
        return name if text.startswith(_ALIAS_ROOTS) and name in entries else None

    def section(self, name: str) -> Json | None:
        """The JSON Schema of a top-level section, None when there is no such section."""
        section: Json | None = self.schema.get("properties", {}).get(name)
        return section

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the top-level sections."""
        return tuple(self.schema.get("properties", {}))


@cache
def load() -> Catalogue:
    """The catalogue that is shipped with cuvisc."""
    return Catalogue(json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))

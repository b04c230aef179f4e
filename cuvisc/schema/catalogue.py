"""The catalogue: every registered type with its parameters, ports and facts, from the JSON Schema.

`cuvisc.schema.json` is all that the front end knows about nodes and leaves; it never imports them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from cuvisc.schema.plugins import (
    Plugin,
    PluginError,
    find_plugins,
    import_header,
    read_header,
    with_definitions,
)

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
    """The registered types of one JSON Schema, by kind and name, and those that installed packages add.

    A package that ships its header is read at once, any other only when a spec names a type that nobody else knows.
    `problems` says which packages could not be read, and why.
    """

    def __init__(self, schema: Json, plugins: Iterable[Plugin] = ()) -> None:
        self.schema = schema
        self.problems: list[str] = []
        self._entries: dict[str, dict[str, Json]] = {kind: {} for kind in KIND_NAMES}
        self._targets: dict[tuple[str, str], str] = {}
        self._without_header: list[Plugin] = []
        self._register(schema.get("$defs", {}))
        for plugin in plugins:
            if plugin.header is None:
                self._without_header.append(plugin)
            else:
                self._add(plugin, read_header)

    def _register(self, definitions: Json) -> None:
        for definition in definitions.values():
            facts = definition.get("x-cuvisc")
            if facts is None:
                continue
            kind, name = facts["kind"], facts["name"]
            self._entries.setdefault(kind, {})[name] = definition
            for alias in (*facts.get("aliases", ()), facts.get("implementation", "").replace(":", ".")):
                self._targets.setdefault((kind, alias), name)

    def _add(self, plugin: Plugin, read: Callable[[Plugin], Json]) -> None:
        """Add what a package declares; a name that is taken stays with who had it first."""
        try:
            definitions = read(plugin)
        except (PluginError, OSError) as error:
            self.problems.append(f"the types of `{plugin.package}` are left out: {error}")
            return
        taken = [key for key in definitions if self.definition(*key.split(".", 1)) is not None]
        if taken:
            names = ", ".join(key.split(".", 1)[1] for key in taken)
            self.problems.append(f"`{plugin.package}` declares {names} once more: that is left out")
        added = {key: definition for key, definition in definitions.items() if key not in taken}
        self._register(added)
        self.schema = with_definitions(self.schema, added)

    def complete(self) -> bool:
        """Import the packages without a header for what they declare; whether there were any left to import."""
        waiting, self._without_header = self._without_header, []
        for plugin in waiting:
            self._add(plugin, import_header)
        return bool(waiting)

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

        A plain name, a listed alias, the place of its implementation, or a dotted path under `cuvis_ai` or
        `cuvisc` that ends in a registered name. This is a lookup in a table; what is named is never imported.
        """
        found = self._find_target(kind, text)
        if found is None and not self.kinds_of(text.rpartition(".")[2]) and self.complete():
            return self._find_target(kind, text)
        return found

    def _find_target(self, kind: str, text: str) -> str | None:
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
    """The catalogue that is shipped with cuvisc, and what installed packages add to it."""
    return Catalogue(json.loads(SCHEMA_PATH.read_text(encoding="utf-8")), find_plugins())

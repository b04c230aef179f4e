"""Which JSON Schema governs a place of a spec, by the types that the spec itself names. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cuvisc.schema.catalogue import SECTION_KINDS, Catalogue, Json
from cuvisc.schema.document import Marked, Path

ENABLED: Json = {"type": "boolean", "description": "whether the entry takes part"}
CALLBACKS: Path = ("training", "trainer", "callbacks")
TYPE_KEYS = ("type", "_target_")
STRUCTURE = (*TYPE_KEYS, "enabled", "parent", "inputs")


def kind_at(path: Path) -> str | None:
    """The kind of thing that stands at a path: an entry of a section or a callback; None for anything
    else."""
    if path[:3] == CALLBACKS and len(path) == 4:
        return "callback"
    if not path or path[0] not in SECTION_KINDS:
        return None
    depth = 1 if path[0] == "datamodule" else 2
    return SECTION_KINDS[str(path[0])] if len(path) == depth else None


def is_detail(path: Path) -> bool:
    """Whether a place holds a parameter or another detail, without which the graph's nodes and edges are the same."""
    if len(path) < 2 or path[:2] == ("graph", "outputs"):
        return False
    if path[0] not in SECTION_KINDS:
        return True
    depth = 1 if path[0] == "datamodule" else 2
    return len(path) > depth and path[depth] not in STRUCTURE


def written_type(entry: Marked) -> Marked | None:
    """The `type` or `_target_` of an entry, None when it has neither."""
    return entry.child("type") or entry.child("_target_")


def schemas_at(catalogue: Catalogue, root: Marked, path: Path) -> list[Json]:
    """Every schema that may govern the value at a path; [] where the language knows no such place."""
    schemas: list[Json] = [catalogue.schema]
    for depth, key in enumerate(path, start=1):
        here = path[:depth]
        kind = kind_at(here)
        if key == "enabled" and kind_at(path[: depth - 1]) is not None:
            schemas = [ENABLED]
        elif kind is None:
            schemas = [below for schema in schemas for below in _below(catalogue, schema, key)]
        else:
            schemas = _entry_schemas(catalogue, root, here, kind)
    return schemas


def keys_at(catalogue: Catalogue, root: Marked, path: Path) -> list[str]:
    """The keys a mapping at a path has or may have."""
    known = [key for schema in schemas_at(catalogue, root, path) for key in schema.get("properties", {})]
    value: Marked | None = root
    for key in path:
        value = value.child(key) if value is not None else None
    present = list(value.value) if value is not None and isinstance(value.value, Mapping) else []
    switch = ["enabled"] if kind_at(path) is not None else []
    return list(dict.fromkeys([*present, *known, *switch]))


def alternatives(catalogue: Catalogue, schema: Json) -> Iterator[Json]:
    """A schema with its local references followed and its alternatives told apart."""
    if "$ref" in schema:
        target = catalogue.schema.get("$defs", {}).get(schema["$ref"].rpartition("/")[2])
        if target is not None:
            yield from alternatives(catalogue, target)
    elif branches := schema.get("anyOf") or schema.get("oneOf"):
        for branch in branches:
            yield from alternatives(catalogue, branch)
    else:
        yield schema


def _entry_schemas(catalogue: Catalogue, root: Marked, path: Path, kind: str) -> list[Json]:
    entry: Marked | None = root
    for key in path:
        entry = entry.child(key) if entry is not None else None
    written = written_type(entry) if entry is not None else None
    if written is None or not isinstance(written.value, str):
        return []
    name = catalogue.resolve_target(kind, written.value)
    definition = catalogue.definition(kind, name) if name is not None else None
    return [definition] if definition is not None else []


def _below(catalogue: Catalogue, schema: Json, key: str | int) -> Iterator[Json]:
    for branch in alternatives(catalogue, schema):
        if isinstance(key, int):
            below = branch.get("items")
        else:
            below = branch.get("properties", {}).get(key, branch.get("additionalProperties"))
        if isinstance(below, Mapping):
            yield from alternatives(catalogue, below)

"""Declarations to the catalogue: every registered class, assembled into one JSON Schema of the spec language.

``python -m cuvisc.runtime.catalogue`` rewrites ``cuvisc/schema/cuvisc.schema.json``, and docs/reference.md from it;
tests hold both fresh.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cuvisc.language.declare import Declared
from cuvisc.language.describe import describe
from cuvisc.language.exports import scan
from cuvisc.language.types import DTYPES
from cuvisc.runtime.config import training_schema
from cuvisc.schema.catalogue import SCHEMA_PATH, SECTION_KINDS, Catalogue
from cuvisc.schema.reference import PAGE, write_reference

PACKAGES = (
    "cuvisc.nodes",
    "cuvisc.leaves",
    "cuvisc.runtime.monitors",
    "cuvisc.runtime.data",
    "cuvisc.runtime.callbacks",
)
VERSION = 1
SECTION_DOCS = {
    "nodes": "the graph: nodes by id, in order; a node reads the one before it unless it says otherwise",
    "loss_leaves": "losses, summed with their weights into train/loss/total",
    "metric_leaves": "metrics, accumulated over every validation epoch",
    "visualization_leaves": "figures drawn during validation",
    "monitoring": "where losses, metrics and figures are reported to",
    "datamodule": "the data that is trained and validated on",
}


def registered() -> Iterator[type[Declared]]:
    """Every class a spec can name."""
    for package in PACKAGES:
        for cls in scan(package, Declared):
            if issubclass(cls, Declared) and cls.kind:
                yield cls


def build_schema() -> dict[str, Any]:
    """The JSON Schema of a whole spec."""
    entries = {f"{cls.kind}.{cls.__name__}": describe(cls) for cls in registered()}
    definitions = dict(sorted(entries.items()))
    for kind in SECTION_KINDS.values():
        definitions[kind] = _one_of_kind(kind, [name for name in entries if name.startswith(f"{kind}.")])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "cuvisc.schema.json",
        "title": f"cuvisc spec, version {VERSION}",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "version": {"type": "integer", "minimum": 1, "maximum": VERSION, "default": VERSION},
            "defaults": {
                "type": "array",
                "description": "files composed into this spec, in order; _self_ is this file",
            },
            "graph": _graph_schema(),
            **{section: _section(section, kind) for section, kind in SECTION_KINDS.items()},
            "training": training_schema(),
        },
        "required": ["nodes"],
        "$defs": definitions,
    }


def _section(section: str, kind: str) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{kind}"}
    doc = {"description": SECTION_DOCS[section]}
    if section == "datamodule":
        return doc | reference
    return doc | {"type": "object", "additionalProperties": reference}


def _one_of_kind(kind: str, entries: list[str]) -> dict[str, Any]:
    """An entry of a section: its ``type`` picks the definition that holds for the rest."""
    names = sorted(entry.removeprefix(f"{kind}.") for entry in entries)
    return {
        "type": "object",
        "properties": {"type": {"enum": names}},
        "anyOf": [{"required": ["type"]}, {"required": ["_target_"]}],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/{kind}.{name}"},
            }
            for name in names
        ],
    }


def _graph_schema() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "description": "the graph as a whole",
        "additionalProperties": False,
        "properties": {
            "name": {**text, "default": "graph", "description": "name of runs and artifacts"},
            "input": {
                "type": "object",
                "additionalProperties": False,
                "description": "the cube that the first node reads",
                "properties": {
                    "dtype": {
                        "enum": [dtype for dtype in DTYPES if dtype not in ("bool", "float16")],
                        "description": "dtype of the exported model's input; default: that of the training data",
                    },
                    "channels": {"type": "integer", "minimum": 1, "description": "number of bands"},
                    "wavelengths": {
                        "type": "array",
                        "items": {"type": "number", "exclusiveMinimum": 0},
                        "minItems": 1,
                        "description": "band centres in nanometres, where the data does not say them",
                    },
                },
            },
            "outputs": {
                "type": "array",
                "items": text,
                "minItems": 1,
                "description": "values the exported model returns, node or node.port; default: those nothing reads",
            },
        },
    }


def schema_text() -> str:
    """The catalogue file's text."""
    return json.dumps(build_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_PATH.write_text(schema_text(), encoding="utf-8")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(write_reference(Catalogue(build_schema())), encoding="utf-8")

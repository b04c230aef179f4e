"""Random graphs of everything that is registered, right by construction, told from the declared type texts alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from cuvisc.language.choose import read_choice
from cuvisc.schema.catalogue import load

_TYPE = re.compile(r"(\w+)\[B,H,W,(\w+)\]")
_EDGES = ("type", "_target_", "parent", "inputs", "enabled")


@dataclass(frozen=True)
class Made:
    """A value that a graph has so far."""

    reference: str
    dtype: str
    bands: int
    unit: str | None


def definitions(kind: str) -> dict[str, Any]:
    """What the catalogue says of every type of a kind."""
    return {name: load().definition(kind, name) for name in load().names(kind)}


def placeable_nodes() -> dict[str, Any]:
    """Nodes but those that read the spectrum: what they give depends on data, and random graphs have none."""
    return {name: one for name, one in definitions("node").items() if not one["x-cuvisc"]["reads_spectrum"]}


@st.composite
def params(draw: st.DrawFn, definition: Any, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Some parameters of a type, each valid by its own schema."""
    found = {}
    for name in definition["x-cuvisc"]["params"]:
        required = name in definition["required"]
        if name not in skip and (required or draw(st.booleans())):
            value = draw(_values(definition["properties"][name]))
            if value is not None or not required:
                found[name] = value
    return found


def _values(schema: Any) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_values(branch) for branch in schema["anyOf"]])
    kinds = schema.get("type", "null")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_of_kind(kind, schema) for kind in kinds])


def _of_kind(kind: str, schema: Any) -> st.SearchStrategy[Any]:
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        low = schema.get("minimum", 0)
        return st.integers(low, min(schema.get("maximum", low + 3), low + 3))
    if kind == "number":
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        usual = [
            value for value in (1e-6, 0.1, 0.5, 0.9, 1.0, 3.0, schema.get("default")) if value is not None
        ]
        inside = [v for v in usual if (low is None or v > low) and (high is None or v < high)]
        return st.sampled_from(inside)
    if kind == "array":
        return st.lists(_values(schema.get("items", {})), min_size=1, max_size=2, unique_by=str)
    if kind == "string":
        return st.just(schema.get("default"))
    return st.none()


@st.composite
def graphs(draw: st.DrawFn, bands: int, most: int = 5, join: bool = True) -> dict[str, Any]:
    """A spec of chains and branches in which every edge fits.

    `join` lets nodes read several values, which may depend on each other linearly: no data to measure rounding on.
    """
    known = placeable_nodes()
    values = [Made("input", "float32", bands, None)]
    nodes: dict[str, Any] = {}
    for index in range(draw(st.integers(1, most))):
        name = draw(st.sampled_from(sorted(known)))
        node = _node(draw, f"n{index}", name, known[name], values, join)
        if node is not None:
            nodes[f"n{index}"] = node
    if not nodes:
        nodes["n0"] = {"type": "IdentityNormalizer"}
    return {"graph": {"input": {"channels": bands}}, "nodes": nodes}


def _node(
    draw: st.DrawFn, name: str, type_name: str, definition: Any, values: list[Made], join: bool
) -> dict[str, Any] | None:
    """A node that reads values there are, and what it gives; None where nothing fits it."""
    facts = definition["x-cuvisc"]
    given = draw(params(definition))
    for _, relation, right, *_ in facts["constraints"]:
        if relation == "disjoint":
            given.pop(right, None)
    every = _defaults(definition) | given
    edges: dict[str, list[Made]] = {}
    for port, declared in facts["inputs"].items():
        fitting = [value for value in values if _fits(declared, value, every)]
        if not fitting:
            return None
        chosen = [draw(st.sampled_from(fitting))]
        joined = [value for value in fitting if value.unit == chosen[0].unit and value.dtype == "float32"]
        others = [value for value in joined if value != chosen[0]]
        if join and others and len(facts["inputs"]) == 1 and _symbol(declared, every) and draw(st.booleans()):
            chosen.append(draw(st.sampled_from(others)))
        edges[port] = chosen
    sizes = {port: sum(value.bands for value in chosen) for port, chosen in edges.items()}
    own = {_dim(facts["inputs"][port], every): size for port, size in sizes.items()}
    for left, relation, right, *condition in facts["constraints"]:
        if condition and every[condition[0]] == condition[1] and left in given:
            del given[left]
        if relation == "<=" and right in own:
            given[left] = every[left] = draw(st.integers(1, own[right]))
    for port, declared in facts["outputs"].items():
        dtype, dim = _parsed(declared, every)
        width = int(dim) if dim.isdigit() else own.get(dim, every.get(dim))
        values.append(Made(f"{name}.{port}", dtype, width, read_choice(declared["unit"], every)))
    entry: dict[str, Any] = {"type": type_name, **given}
    if len(edges) == 1:
        (chosen,) = edges.values()
        return {**entry, "parent": [value.reference for value in chosen]}
    return {**entry, "inputs": {port: chosen[0].reference for port, chosen in edges.items()}}


def _defaults(definition: Any) -> dict[str, Any]:
    properties = definition["properties"]
    return {name: properties[name].get("default") for name in definition["x-cuvisc"]["params"]}


def _parsed(declared: Any, every: dict[str, Any]) -> tuple[str, str]:
    found = _TYPE.fullmatch(read_choice(declared["type"], every))
    assert found is not None
    return found.group(1), found.group(2)


def _dim(declared: Any, every: dict[str, Any]) -> str:
    return _parsed(declared, every)[1]


def _symbol(declared: Any, every: dict[str, Any]) -> bool:
    dim = _dim(declared, every)
    return not dim.isdigit() and dim not in every and _parsed(declared, every)[0] == "float32"


def _fits(declared: Any, value: Made, every: dict[str, Any]) -> bool:
    dtype, dim = _parsed(declared, every)
    unit = read_choice(declared["unit"], every)
    width = int(dim) if dim.isdigit() else every.get(dim)
    alike = unit is None or value.unit is None or bool(set(unit.split("|")) & set(value.unit.split("|")))
    return dtype == value.dtype and width in (None, value.bands) and alike

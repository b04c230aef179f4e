"""A declared class to its entry in the catalogue: a JSON Schema of its parameters, ports and facts."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from .bands import bands_to_json
from .choose import Choose, choice_to_json
from .declare import Declared, Parameter, Port
from .leaf import LeafNode, MetricNode
from .node import Node
from .statistics import Statistic

_SCALARS = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}

ID = {"type": "string", "minLength": 1}


def describe(cls: type[Declared]) -> dict[str, Any]:
    """The ``$defs`` entry of a declared class."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    declared = cls.declaration.params
    together = [condition.to_json(cls.declaration.defaults()) for condition in cls.conditions]
    return {
        "type": "object",
        "title": cls.__name__,
        "description": doc,
        "additionalProperties": False,
        "properties": {
            "type": {"const": cls.__name__, "description": _summary(doc)},
            "_target_": {"type": "string", "description": "dotted name, looked up and never imported"},
            **_edges(cls),
            **{name: describe_parameter(parameter) for name, parameter in declared.items()},
        },
        "required": [name for name, parameter in declared.items() if parameter.required],
        **({"allOf": together} if together else {}),
        "x-cuvisc": _facts(cls, doc),
    }


def describe_parameter(parameter: Parameter) -> dict[str, Any]:
    """JSON Schema of one parameter."""
    schema = _schema_of(parameter.annotation)
    if parameter.choices:
        schema = {"enum": list(parameter.choices)}
    bounds = {
        "exclusiveMinimum": parameter.gt,
        "minimum": parameter.ge,
        "exclusiveMaximum": parameter.lt,
        "maximum": parameter.le,
    }
    limits = {key: bound for key, bound in bounds.items() if bound is not None}
    schema = _shares(schema, limits) if parameter.share else schema | limits
    if parameter.least_items:
        schema["minItems"] = parameter.least_items
    if parameter.form is not None:
        schema |= parameter.form.to_json()
    if parameter.doc:
        schema["description"] = parameter.doc
    if not parameter.required:
        schema["default"] = (
            list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        )
    return schema


def _shares(schema: dict[str, Any], limits: Mapping[str, float]) -> dict[str, Any]:
    """A count or a share: a whole number, or any other of at most 1."""
    kinds = {"integer": limits, "number": {**limits, "maximum": 1}}
    return {"anyOf": [{"type": kind, **kinds.get(kind, {})} for kind in schema["type"]]}


def _schema_of(annotation: Any) -> dict[str, Any]:
    if annotation in _SCALARS:
        return {"type": _SCALARS[annotation]}
    if annotation is Any:
        return {}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, types.UnionType) or origin is typing.Union:
        if all(option in _SCALARS for option in arguments):
            return {"type": [_SCALARS[option] for option in arguments]}
        return {"anyOf": [_schema_of(option) for option in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        items = [a for a in arguments if a is not Ellipsis]
        fixed = origin is tuple and Ellipsis not in arguments
        size = {"minItems": len(items), "maxItems": len(items)} if fixed else {}
        return {"type": "array", "items": _schema_of(items[0]) if items else {}, **size}
    return {"type": "object"}


def _edges(cls: type[Declared]) -> dict[str, Any]:
    reference = {**ID, "description": "a node, or one of its outputs as node.port"}
    if issubclass(cls, Node):
        ports = cls.declaration.inputs
        several = {"anyOf": [reference, {"type": "array", "items": reference, "minItems": 1}]}
        inputs = {name: {**reference, "description": port.doc} for name, port in ports.items()}
        return {
            "parent": {
                **several,
                "description": "node read by the only input; several are concatenated by band",
            },
            "inputs": {"type": "object", "properties": inputs, "additionalProperties": False},
        }
    if issubclass(cls, LeafNode):
        return {
            "parent": {**reference, "description": "node this leaf reads; default: the one compatible node"}
        }
    return {"enabled": {"type": "boolean", "default": True, "description": "false leaves this entry out"}}


def _facts(cls: type[Declared], doc: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": cls.kind,
        "name": cls.__name__,
        "summary": _summary(doc),
        "implementation": f"{cls.__module__}:{cls.__name__}",
        "aliases": list(cls.aliases),
        "params": list(cls.declaration.params),
    }
    if issubclass(cls, Node):
        facts |= {
            "inputs": {name: _port(port) for name, port in cls.declaration.inputs.items()},
            "outputs": {name: _port(port) for name, port in cls.declaration.outputs.items()},
            "state": {name: {"type": s.type, "doc": s.doc} for name, s in cls.declaration.state.items()},
            "statistics": choice_to_json(cls.statistics, _statistic),
            "mapping": choice_to_json(cls.mapping, lambda mapping: mapping),
            "opening": choice_to_json(cls.opening, lambda opening: opening),
            "constraints": [list(constraint) for constraint in cls.constraints],
            "trainable": choice_to_json(
                Choose(cls.trained_by, {True: True}, otherwise=None), lambda fact: fact
            )
            if cls.trained_by
            else None,
            "compared": _compared(cls.compared),
            "reads_spectrum": cls.reads_spectrum,
            "selects": cls.selects,
            "recentres": cls.recentres,
            "targets": dict(cls.targets),
        }
        if cls.gaussian_widths is not None:
            facts["gaussian_widths"] = choice_to_json(cls.gaussian_widths, lambda name: name)
        if cls.reselects:
            facts["reselects"] = True
        lineage = [base.__name__ for base in cls.__mro__[1:] if issubclass(base, Node) and base is not Node]
        if lineage:
            facts["bases"] = lineage
    if issubclass(cls, LeafNode):
        facts |= {
            "inputs": {"output": _port(cls.declaration.inputs["output"])},
            "parent_types": [p if isinstance(p, str) else p.__name__ for p in cls.compatible_parent_types],
            "parent_attributes": list(cls.required_parent_attributes),
            "needs": list(cls.needs),
            "compared": _compared(cls.compared),
            "excludes": [list(exclusion) for exclusion in cls.excludes],
            "entries": dict(cls.entries),
            "constraints": [list(constraint) for constraint in cls.constraints],
        }
        if cls.rebuilds_input is not False:
            facts["rebuilds_input"] = choice_to_json(cls.rebuilds_input, lambda fact: fact)
    if issubclass(cls, MetricNode):
        facts["logs"] = choice_to_json(cls.logs, lambda names: None if names is None else list(names))
    if cls.kind == "datamodule":
        gives = getattr(cls, "gives", None)
        facts["constraints"] = [list(constraint) for constraint in getattr(cls, "constraints", ())]
        facts["gives"] = None if gives is None else list(gives)
        facts["channels"] = choice_to_json(getattr(cls, "channels", None), bands_to_json)
    return facts


def _compared(compared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: choice_to_json(units, lambda unit: unit) for name, units in compared.items()}


def _port(port: Port) -> Mapping[str, Any]:
    return {
        "type": choice_to_json(port.type, str),
        "doc": port.doc,
        "unit": choice_to_json(port.unit, lambda unit: unit),
    }


def _statistic(statistic: Statistic | None) -> dict[str, Any] | None:
    if statistic is None:
        return None
    ports = (statistic.of,) if isinstance(statistic.of, str) else statistic.of
    return {"kind": statistic.kind, "of": list(ports)}


def _summary(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())

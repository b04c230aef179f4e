"""JSON Schema for the spec language: whole numbers are written without a point, nothing is ever fetched.

Most of a spec is right, and a plain walk through the schema can tell; what that walk is not sure of is held
against the schema by jsonschema, which also says what is wrong. jsonschema is imported only then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from cuvisc.schema.catalogue import Catalogue, Json

_MUTE = frozenset(
    (
        "$schema",
        "$id",
        "$defs",
        "$comment",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "x-cuvisc",
        "errorMessage",
        "patternErrorMessage",
        "if",
    )
)


@lru_cache(maxsize=4)
def _root(catalogue: Catalogue) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    strict: Any = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return strict(catalogue.schema, registry=Registry())


def violations(catalogue: Catalogue, schema: Json, instance: object) -> list[Any]:
    """What a JSON Schema, whose local references are those of the catalogue, has against an instance."""
    if fits(schema, instance):
        return []
    return list(_root(catalogue).evolve(schema=schema).iter_errors(instance))


def accepts(catalogue: Catalogue, schemas: Iterable[Json], instance: object) -> bool:
    """Whether any of some schemas has nothing against an instance."""
    return any(
        fits(schema, instance) or _root(catalogue).evolve(schema=schema).is_valid(instance)
        for schema in schemas
    )


def fits(schema: Json, instance: object) -> bool:
    """Whether an instance certainly fits a schema; False where it does not, or where this walk cannot tell."""
    return all(_holds(keyword, wanted, schema, instance) for keyword, wanted in schema.items())


def _holds(keyword: str, wanted: Any, schema: Json, instance: Any) -> bool:
    if keyword in _MUTE:
        return True
    if keyword == "type":
        kinds = (wanted,) if isinstance(wanted, str) else wanted
        return any(_TYPES[kind](None, instance) for kind in kinds)
    if keyword in ("enum", "const"):
        choices = wanted if keyword == "enum" else (wanted,)
        return any(type(choice) is type(instance) and choice == instance for choice in choices)
    if keyword in _BOUNDS:
        return not _TYPES["number"](None, instance) or _BOUNDS[keyword](instance, wanted)
    if keyword in ("minLength", "maxLength"):
        return not isinstance(instance, str) or _SIZES[keyword](len(instance), wanted)
    if keyword in ("minItems", "maxItems"):
        return not isinstance(instance, list) or _SIZES[keyword](len(instance), wanted)
    if keyword == "items":
        return not isinstance(instance, list) or all(_below(wanted, item) for item in instance)
    if keyword == "pattern":
        return not isinstance(instance, str) or re.search(wanted, instance) is not None
    if keyword == "then":
        return fits(wanted, instance) or (_is_told(schema["if"]) and not fits(schema["if"], instance))
    if keyword == "allOf":
        return all(_below(branch, instance) for branch in wanted)
    if keyword == "anyOf":
        return any(_below(branch, instance) for branch in wanted)
    if not isinstance(instance, Mapping):
        return keyword in ("required", "properties", "additionalProperties")
    if keyword == "required":
        return all(key in instance for key in wanted)
    if keyword == "properties":
        return all(_below(below, instance[key]) for key, below in wanted.items() if key in instance)
    if keyword == "additionalProperties":
        known = schema.get("properties", {})
        return all(key in known or _below(wanted, child) for key, child in instance.items())
    return False


def _is_told(schema: Json) -> bool:
    """Whether this walk can tell that an instance does not fit: a condition on the values of some keys."""
    below = [each for keyword in schema if keyword == "properties" for each in schema[keyword].values()]
    return set(schema) <= {"properties", "required"} and all(
        set(each) <= {"const", "type", "minimum"} for each in below
    )


def _below(schema: Any, instance: object) -> bool:
    return schema is True or (isinstance(schema, Mapping) and fits(schema, instance))


def _is_integer(_: object, instance: object) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


_TYPES: Mapping[str, Callable[[object, object], bool]] = {
    "boolean": lambda _, instance: isinstance(instance, bool),
    "integer": _is_integer,
    "number": lambda _, instance: isinstance(instance, (int, float)) and not isinstance(instance, bool),
    "string": lambda _, instance: isinstance(instance, str),
    "array": lambda _, instance: isinstance(instance, list),
    "object": lambda _, instance: isinstance(instance, dict),
    "null": lambda _, instance: instance is None,
}
_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda instance, bound: instance >= bound,
    "exclusiveMinimum": lambda instance, bound: instance > bound,
    "maximum": lambda instance, bound: instance <= bound,
    "exclusiveMaximum": lambda instance, bound: instance < bound,
}
_SIZES: Mapping[str, Callable[[int, int], bool]] = {
    "minLength": lambda size, bound: size >= bound,
    "maxLength": lambda size, bound: size <= bound,
    "minItems": lambda size, bound: size >= bound,
    "maxItems": lambda size, bound: size <= bound,
}

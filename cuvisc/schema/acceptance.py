"""JSON Schema validators for the spec language: whole numbers are written without a point, nothing is ever
fetched."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend
from referencing import Registry

from cuvisc.schema.catalogue import Catalogue, Json


def _is_integer(_: object, instance: object) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


@lru_cache(maxsize=4)
def _root(catalogue: Catalogue) -> Any:
    return _Validator(catalogue.schema, registry=Registry())


def violations(catalogue: Catalogue, schema: Json, instance: object) -> list[Any]:
    """What a JSON Schema, whose local references are those of the catalogue, has against an instance."""
    return list(_root(catalogue).evolve(schema=schema).iter_errors(instance))


def accepts(catalogue: Catalogue, schemas: Iterable[Json], instance: object) -> bool:
    """Whether any of some schemas has nothing against an instance."""
    root = _root(catalogue)
    return any(root.evolve(schema=schema).is_valid(instance) for schema in schemas)

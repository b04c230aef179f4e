"""The quick walk through a schema says yes only where jsonschema has nothing against the same instance."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cuvisc.schema.acceptance import fits, violations
from cuvisc.schema.catalogue import load

_SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 0.5, 1.0, 2.5, "", "a", "ab"])
)
_INSTANCES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_TYPES = ["boolean", "integer", "number", "string", "array", "object", "null"]
_LEAF_SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(_TYPES)
        | st.lists(st.sampled_from(_TYPES), min_size=1, max_size=2, unique=True),
        "enum": st.lists(_SCALARS, min_size=1, max_size=3),
        "const": _SCALARS,
        "minimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(-2, 2),
        "minLength": st.integers(0, 2),
        "maxItems": st.integers(0, 2),
        "multipleOf": st.just(2),
        "pattern": st.just("b"),
        "description": st.just("words"),
    },
)
_SCHEMAS = st.recursive(
    _LEAF_SCHEMAS,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
            "minProperties": st.integers(0, 2),
        },
    ),
    max_leaves=5,
)


@given(_SCHEMAS, _INSTANCES)
def test_a_quick_yes_is_never_wrong(schema: dict[str, Any], instance: Any) -> None:
    if fits(schema, instance):
        assert Draft202012Validator(schema).is_valid(instance)


@given(_INSTANCES)
def test_violations_are_those_of_jsonschema(instance: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": {"type": "null"},
    }
    found = [(list(v.absolute_path), v.validator) for v in violations(load(), schema, instance)]
    expected = [
        (list(v.absolute_path), v.validator) for v in Draft202012Validator(schema).iter_errors(instance)
    ]
    assert found == expected


def test_whole_numbers_are_written_without_a_point() -> None:
    assert fits({"type": "integer"}, 2)
    assert not fits({"type": "integer"}, 2.0)
    assert violations(load(), {"type": "integer"}, 2.0)

"""The committed catalogue is what the declarations say, and what it says can be loaded."""

from __future__ import annotations

import json

import jsonschema
import pytest

from cuvisc.compiler.module import load_class
from cuvisc.language.choose import Choose, read_choice
from cuvisc.language.declare import Declared
from cuvisc.language.node import Node
from cuvisc.runtime.catalogue import registered, schema_text
from cuvisc.schema.catalogue import SCHEMA_PATH, SECTION_KINDS, load

CLASSES = [*registered()]


def test_fresh() -> None:
    """`python -m cuvisc.runtime.catalogue` would change nothing."""
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text(), (
        "run `python -m cuvisc.runtime.catalogue`"
    )


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_every_kind_has_members() -> None:
    assert {cls.kind for cls in CLASSES} >= set(SECTION_KINDS.values())


def test_names_are_unique_within_a_kind() -> None:
    names = [(cls.kind, cls.__name__) for cls in CLASSES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_entry_leads_to_its_class(cls: type[Declared]) -> None:
    """By name, by every alias and by the implementation; no alias means two things."""
    catalogue = load()
    entry = catalogue.entry(cls.kind, cls.__name__)
    assert entry is not None
    assert load_class(entry["implementation"], Declared) is cls
    for text in (cls.__name__, *cls.aliases, f"cuvis_ai.anywhere.{cls.__name__}"):
        assert catalogue.resolve_target(cls.kind, text) == cls.__name__
    others = [
        alias for other in CLASSES if other.kind == cls.kind and other is not cls for alias in other.aliases
    ]
    assert not set(cls.aliases) & set(others)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_defaults_pass_their_own_schema(cls: type[Declared]) -> None:
    """A parameter's default is one of the values its schema allows."""
    definition = load().definition(cls.kind, cls.__name__)
    assert definition is not None
    for name, parameter in cls.declaration.params.items():
        schema = definition["properties"][name]
        assert ("default" in schema) != parameter.required
        if not parameter.required:
            jsonschema.validate(schema["default"], schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("cls", [c for c in CLASSES if issubclass(c, Node)], ids=lambda cls: cls.__name__)
def test_facts_resolve_alike(cls: type[Node]) -> None:
    """What the front end reads of mapping and statistics is what the class itself resolves to."""
    entry = load().entry("node", cls.__name__)
    assert entry is not None
    facts = (cls.mapping, cls.statistics)
    chosen = {fact.param for fact in facts if isinstance(fact, Choose)}
    values = [cls.declaration.defaults()]
    values += [
        {**values[0], name: value} for name in chosen for value in (True, False, None, 0.5, "variance")
    ]
    for params in values:
        mapping = cls.mapping.resolve(params) if isinstance(cls.mapping, Choose) else cls.mapping
        assert read_choice(entry["mapping"], params) == mapping
        statistics = cls.statistics
        if isinstance(statistics, Choose):
            statistics = statistics.resolve(params)
        read = read_choice(entry["statistics"], params)
        assert (read is None) == (statistics is None)
        if statistics is not None:
            of = [statistics.of] if isinstance(statistics.of, str) else list(statistics.of)
            assert read == {"kind": statistics.kind, "of": of}

"""The catalogue as text: a list of all types by kind, and a page for one type. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cuvisc.schema.catalogue import KIND_NAMES, SECTION_KINDS, Catalogue, Json
from cuvisc.schema.wording import wanted

_TITLES = {"visualization": "visualizations", "datamodule": "data modules", "loss": "losses"}


def list_types(catalogue: Catalogue) -> str:
    """Every type, grouped by kind under the section it belongs to, with its first sentence."""
    groups = []
    for kind in catalogue.kinds:
        names = catalogue.names(kind)
        width = max(map(len, names))
        section = next(
            (section for section, home in SECTION_KINDS.items() if home == kind), "training.trainer.callbacks"
        )
        lines = [f"{_TITLES.get(kind, KIND_NAMES[kind] + 's')}  ({section})"]
        lines += [f"  {name:<{width}}  {(catalogue.entry(kind, name) or {})['summary']}" for name in names]
        groups.append("\n".join(lines))
    return "\n\n".join(groups)


def describe_type(definition: Json) -> str:
    """The page of one type: what it is, its parameters, its ports, what it keeps, how it is fitted."""
    facts = definition["x-cuvisc"]
    parts = [
        f"{facts['name']}  ({KIND_NAMES[facts['kind']]})",
        definition.get("description", facts["summary"]),
    ]
    parts += _table("parameters", [_parameter(name, definition) for name in facts["params"]])
    for title in ("inputs", "outputs", "state"):
        parts += _table(title, [_port(name, port) for name, port in facts.get(title, {}).items()])
    remarks = list(_remarks(facts))
    if remarks:
        parts.append("\n".join(remarks))
    return "\n\n".join(parts)


def _parameter(name: str, definition: Json) -> tuple[str, str, str]:
    schema = definition["properties"][name]
    default = f"default {_literal(schema['default'])}" if "default" in schema else "required"
    return (name, f"{wanted(schema)}, {default}", schema.get("description", ""))


def _port(name: str, port: Json) -> tuple[str, str, str]:
    unit = _choice(port.get("unit"))
    return (name, _choice(port["type"]) + (f"  {unit}" if unit else ""), port.get("doc", ""))


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    if not rows:
        return []
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {name:<{first}}  {what:<{second}}  {doc}".rstrip() for name, what, doc in rows]
    return ["\n".join([title, *lines])]


def _remarks(facts: Json) -> Iterator[str]:
    statistics = facts.get("statistics")
    if statistics:
        yield f"fitted from  {_choice(statistics)}"
    for left, relation, right in facts.get("constraints", ()):
        yield f"requires     {left} {relation} {right}"
    if facts.get("trainable"):
        yield f"trainable    {_choice(facts['trainable'])}"
    if facts.get("parent_types"):
        yield f"stands on    {', '.join(facts['parent_types'])}"
    if facts.get("needs"):
        yield f"needs        {', '.join(facts['needs'])} in every batch"
    targets = facts.get("targets") or {}
    for target, reason in targets.items() if "choose" not in targets else ():
        yield f"not for      {target}: {reason}"


def _choice(value: Any) -> str:
    """A fact as text; one that depends on a parameter as `A where reduce is true, else B`."""
    if value is None:
        return ""
    if isinstance(value, Mapping) and "choose" in value:
        cases = [
            f"{_choice(fact) or 'nothing'} where {value['choose']} is {_literal(key)}"
            for key, fact in value["cases"]
        ]
        return ", ".join([*cases, f"else {_choice(value['otherwise']) or 'nothing'}"])
    if isinstance(value, Mapping) and "kind" in value:
        return f"{value['kind']} of {' with '.join(value['of'])}"
    return "yes" if value is True else str(value)


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if value == "" else str(value)

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
        lines = [f"{plural(kind)}  ({section})"]
        lines += [f"  {name:<{width}}  {(catalogue.entry(kind, name) or {})['summary']}" for name in names]
        groups.append("\n".join(lines))
    return "\n\n".join(groups)


def plural(kind: str) -> str:
    """What several of a kind are called."""
    return _TITLES.get(kind, KIND_NAMES[kind] + "s")


def describe_type(definition: Json) -> str:
    """The page of one type: what it is, its parameters, its ports, what it keeps, how it is fitted."""
    facts = definition["x-cuvisc"]
    parts = [
        f"{facts['name']}  ({KIND_NAMES[facts['kind']]})",
        definition.get("description", facts["summary"]).replace("``", "`"),
    ]
    parts += _table("parameters", [_parameter(name, definition) for name in facts["params"]])
    for title in ("inputs", "outputs", "state"):
        parts += _table(title, [_port(name, port) for name, port in facts.get(title, {}).items()])
    lines = [f"{title:<13}{text}" for title, text in remarks(facts)]
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _parameter(name: str, definition: Json) -> tuple[str, str, str]:
    schema = definition["properties"][name]
    default = f"default {literal_text(schema['default'])}" if "default" in schema else "required"
    return (name, f"{wanted(schema)}, {default}", schema.get("description", ""))


def _port(name: str, port: Json) -> tuple[str, str, str]:
    unit = fact_text(port.get("unit"))
    return (name, fact_text(port["type"]) + (f"  {unit}" if unit else ""), port.get("doc", ""))


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    if not rows:
        return []
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {name:<{first}}  {what:<{second}}  {doc}".rstrip() for name, what, doc in rows]
    return ["\n".join([title, *lines])]


def remarks(facts: Json) -> Iterator[tuple[str, str]]:
    """What else is to be known of a type: how it is fitted, what it requires, where it cannot go."""
    statistics = facts.get("statistics")
    if statistics:
        yield "fitted from", fact_text(statistics)
    for left, relation, right, *condition in facts.get("constraints", ()):
        where = f" where {condition[0]} is {literal_text(condition[1])}" if condition else ""
        bound = f"{right:g}" if isinstance(right, float) and not 0.9 < right < 1 else str(right)
        yield "requires", f"{left} {relation} {bound}{where}"
    for parameter, value, other in facts.get("excludes", ()):
        yield "requires", f"no {other} where {parameter} is {literal_text(value)}"
    if facts.get("trainable"):
        yield "trainable", fact_text(facts["trainable"])
    if facts.get("parent_types"):
        yield "stands on", ", ".join(facts["parent_types"])
    if facts.get("needs"):
        yield "needs", f"{', '.join(facts['needs'])} in every batch"
    targets = facts.get("targets") or {}
    for target, reason in targets.items() if "choose" not in targets else ():
        yield "not for", f"{target}: {reason}"


def fact_text(value: Any) -> str:
    """A fact as text; one that depends on a parameter as `A where reduce is true, else B`."""
    if value is None:
        return ""
    if isinstance(value, Mapping) and "choose" in value:
        cases = [
            f"{fact_text(fact) or 'nothing'} where {value['choose']} is {literal_text(key)}"
            for key, fact in value["cases"]
        ]
        return ", ".join([*cases, f"else {fact_text(value['otherwise']) or 'nothing'}"])
    if isinstance(value, Mapping) and "kind" in value:
        return f"{value['kind']} of {' with '.join(value['of'])}"
    return "yes" if value is True else str(value)


def literal_text(value: object) -> str:
    """A value as it would be written in a spec."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if value == "" else str(value)

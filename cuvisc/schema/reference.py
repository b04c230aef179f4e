"""The catalogue to docs/reference.md: every type a spec can name, and every option of training. Pure Python.

`python -m cuvisc.schema.reference` writes the page; a test holds it fresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cuvisc.schema.catalogue import SECTION_KINDS, Catalogue, Json, load
from cuvisc.schema.pages import fact_text, literal_text, plural, remarks
from cuvisc.schema.wording import wanted

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
_HEAD = """# Reference

Every type that a spec can name, generated from the declarations; do not edit. `cuvisc nodes NAME` prints one entry.

Types of values read `float32[B,H,W,C]`: a dtype, then axes. B images of H rows and W columns are the same throughout a
graph; any other letter belongs to the type it stands at, and a parameter's name as an axis is that parameter's value.
Units (scores, logits, probabilities, decisions) are checked wherever they are given.
"""
_CALLBACKS = "training.trainer.callbacks"
_FORMULA = re.compile(r"(?:\w+:\s+)?[^.;:]{1,70}?\s=\s")
_CODE = re.compile(r"``(.+?)``")


def write_reference(catalogue: Catalogue) -> str:
    """The whole page as Markdown."""
    homes = {kind: section for section, kind in SECTION_KINDS.items()}
    kinds = [(kind, homes.get(kind, _CALLBACKS)) for kind in catalogue.kinds]
    parts = [_HEAD, *_contents(catalogue, kinds)]
    for kind, section in kinds:
        parts.append(f"## {plural(kind).capitalize()}\n\nStand under `{section}`.\n")
        for name in catalogue.names(kind):
            definition = catalogue.definition(kind, name)
            assert definition is not None
            parts.extend(_entry(definition))
    training = catalogue.schema.get("properties", {}).get("training")
    if training:
        parts.append("## Training\n")
        parts.extend(_options("training", training))
    return "\n".join(parts).rstrip("\n") + "\n"


def _contents(catalogue: Catalogue, kinds: Sequence[tuple[str, str]]) -> Iterator[str]:
    for kind, _ in kinds:
        links = " · ".join(f"[{name}](#{name.lower()})" for name in catalogue.names(kind))
        yield f"- {plural(kind)}: {links}"
    yield "- [training](#training)\n"


def _entry(definition: Json) -> Iterator[str]:
    """One type: its documentation, then everything declared about it."""
    facts = definition["x-cuvisc"]
    yield f"### {facts['name']}\n"
    for paragraph in str(definition.get("description", facts["summary"])).split("\n\n"):
        yield f"{_paragraph(paragraph)}\n"
    rows = [_parameter(name, definition["properties"][name]) for name in facts["params"]]
    yield from _table(("parameter", "value", "default", "meaning"), rows)
    for side in ("inputs", "outputs", "state"):
        ports = [_port(name, port) for name, port in facts.get(side, {}).items()]
        yield from _table((_SIDES[side], "type", "unit", "meaning"), ports)
    yield from _remarks(facts)


_SIDES = {"inputs": "input", "outputs": "output", "state": "state"}


def _remarks(facts: Json) -> Iterator[str]:
    lines = [f"- {title}: {_cell(text)}" for title, text in remarks(facts)]
    module = facts["implementation"].partition(":")[0]
    lines.append(f"- source: `{module.replace('.', '/')}.py`")
    if facts.get("aliases"):
        lines.append(f"- also: {', '.join(f'`{alias}`' for alias in facts['aliases'])}")
    yield "\n".join(lines) + "\n"


def _options(path: str, schema: Json) -> Iterator[str]:
    """The options of a section of training, then those of the sections in it."""
    properties: Mapping[str, Json] = schema["properties"]
    nested = {
        name: inner for name, option in properties.items() if (inner := _mapping_in(option)) is not None
    }
    yield f"### {path}\n"
    yield f"{schema['description']}\n"
    rows = [_parameter(name, option) for name, option in properties.items() if name not in nested]
    yield from _table(("option", "value", "default", "meaning"), rows)
    for name, inner in nested.items():
        yield from _options(f"{path}.{name}", inner)


def _mapping_in(option: Json) -> Json | None:
    """The schema of a nested section, where an option is one or may be one; of several they are told as one."""
    choices: Sequence[Json] = [option, *option.get("anyOf", ())]
    found = [choice for choice in choices if choice.get("properties")]
    if len(found) < 2:
        return found[0] if found else None
    told = {name: schema for choice in found for name, schema in choice["properties"].items()}
    for name, schema in told.items():
        if "const" in schema:
            told[name] = {**schema, "enum": [choice["properties"][name]["const"] for choice in found]}
            free = [choice for choice in found if name not in choice.get("required", ())]
            if free:
                told[name]["default"] = free[0]["properties"][name]["const"]
    return {**found[0], "properties": told}


def _parameter(name: str, schema: Json) -> tuple[str, str, str, str]:
    default = f"`{literal_text(schema['default'])}`" if "default" in schema else "required"
    return (f"`{name}`", _cell(wanted(schema)), default, _cell(schema.get("description", "")))


def _port(name: str, port: Json) -> tuple[str, str, str, str]:
    types = _cell(fact_text(port["type"]))
    shown = f"`{types}`" if " " not in types else types
    return (f"`{name}`", shown, _cell(fact_text(port.get("unit"))), _cell(port.get("doc", "")))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table without the columns that are empty in every row; nothing where there are no rows."""
    if not rows:
        return
    kept = [index for index in range(len(titles)) if any(row[index] for row in rows)]
    lines = [titles, ["---"] * len(titles), *rows]
    yield "\n".join(f"| {' | '.join(line[index] for index in kept)} |" for line in lines) + "\n"


def _paragraph(text: str) -> str:
    """Formulas and what is indented as code, everything else as prose."""
    if _FORMULA.match(text) or text.startswith("    "):
        lines = [line.removeprefix("    ") for line in _CODE.sub(r"\1", text).split("\n")]
        return "\n".join(["```text", *lines, "```"])
    return _prose(text)


def _prose(text: str) -> str:
    return _CODE.sub(r"`\1`", text).replace("*", r"\*")


def _cell(text: str) -> str:
    return _prose(text).replace("|", r"\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(write_reference(load()), encoding="utf-8")

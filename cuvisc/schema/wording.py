"""JSON Schemas and values in the words of a message: what is wanted, what was written. Pure Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cuvisc.schema.catalogue import Json
from cuvisc.schema.document import Path

_TYPES = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_BOUNDS = (
    ("exclusiveMinimum", "> {}"),
    ("minimum", ">= {}"),
    ("exclusiveMaximum", "< {}"),
    ("maximum", "<= {}"),
    ("multipleOf", "that is a multiple of {}"),
    ("minLength", "of {} or more characters"),
    ("maxLength", "of {} or fewer characters"),
    ("pattern", "that matches {}"),
    ("minItems", "of {} or more items"),
    ("maxItems", "of {} or fewer items"),
    ("minProperties", "of {} or more keys"),
    ("maxProperties", "of {} or fewer keys"),
)
_MAX_SHOWN = 60
_MAX_CHOICES = 12


def dotted(path: Path) -> str:
    """A path as the user would write it: `training.trainer.callbacks[0].patience`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def wanted(schema: Json) -> str:
    """What a schema wants: `a number > 0 and <= 1`, `one of adam, sgd`, `text or null`."""
    if "enum" in schema:
        choices = list(dict.fromkeys(_plain(value) for value in schema["enum"]))
        if len(choices) == 1:
            return choices[0]
        more = f" and {len(choices) - _MAX_CHOICES} more" if len(choices) > _MAX_CHOICES + 1 else ""
        return f"one of {', '.join(choices[:_MAX_CHOICES] if more else choices)}{more}"
    if "const" in schema:
        return _plain(schema["const"])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return listed(dict.fromkeys(wanted(branch) for branch in branches))
    if "minimum" in schema and schema["minimum"] == schema.get("maximum"):
        return _plain(schema["minimum"])
    types = schema.get("type", [])
    kinds = [types] if isinstance(types, str) else list(types)
    if "null" in kinds and len(kinds) > 1:
        return f"{wanted({**schema, 'type': [kind for kind in kinds if kind != 'null']})}, or null"
    text = listed(_TYPES.get(kind, kind) for kind in kinds) or "another value"
    bounds = [words.format(_plain(schema[key])) for key, words in _BOUNDS if key in schema]
    if "minItems" in schema and schema["minItems"] == schema.get("maxItems"):
        bounds = [f"of {schema['minItems']} items"]
    if len(bounds) == 1 and 1 in (schema.get("minLength"), schema.get("minItems")):
        return f"{text} that is not empty"
    item = schema.get("items", {}).get("type")
    if kinds == ["array"] and item in ("number", "integer", "string"):
        text += {"number": " of numbers", "integer": " of whole numbers", "string": " of texts"}[item]
    return " ".join([text, " and ".join(bounds)]) if bounds else text


def written(value: object) -> str:
    """What was written: `text "3"`, `-1`, `a list`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'text "{shortened(value)}"'
    if isinstance(value, (bool, int, float)):
        return _plain(value)
    kind = "mapping" if hasattr(value, "keys") else "list"
    return f"a {kind}" if value else f"an empty {kind}"


def shortened(text: str) -> str:
    """A text that fits in a message."""
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def listed(words: Iterable[str], last: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    parts: Sequence[str] = list(words)
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _plain(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)

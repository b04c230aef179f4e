"""Plain data to YAML text that reads back as the same data, by this loader and by any YAML 1.1 or 1.2 reader.

Pure Python, imports of cuvisc only the scalars.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping

from cuvisc.schema.scalars import parse_scalar

_SAFE = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
# Text that a YAML 1.1 reader takes for something else.
_WORDS_OF_1_1 = frozenset(("y", "n", "yes", "no", "on", "off"))


def dump_yaml(data: Mapping[str, object]) -> str:
    """A mapping as YAML in block style; lists of scalars and empty values stand on one line.

    Raises TypeError for what YAML 1.2 core has no word for.
    """
    return "".join(f"{line}\n" for line in _mapping(data)) or "{}\n"


def _mapping(data: Mapping[str, object]) -> Iterator[str]:
    for key, value in data.items():
        yield from _entry(f"{_text(str(key))}:", value)


def _entry(head: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from (f"  {line}" for line in _mapping(value))
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
        yield head
        for item in value:
            yield from (f"  {line}" for line in _item(item))
    else:
        yield f"{head} {_inline(value)}"


def _item(value: object) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        first, *rest = _mapping(value)
        yield f"- {first}"
        yield from (f"  {line}" for line in rest)
    else:
        yield from _entry("-", value)


def _inline(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping) and not value:
        return "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_inline(item) for item in value)}]"
    raise TypeError(f"a spec has no word for a {type(value).__name__}")


def _number(value: float) -> str:
    """The shortest text of a float that YAML 1.1, which wants a point and a signed exponent, reads as well."""
    if not math.isfinite(value):
        raise TypeError(f"a spec has no word for {value}")
    digits, exponent, power = repr(value).partition("e")
    if not exponent:
        return digits
    point = "" if "." in digits else ".0"
    return f"{digits}{point}e{power if power[0] in '+-' else '+' + power}"


def _text(value: str) -> str:
    plain = _SAFE.fullmatch(value) and isinstance(parse_scalar(value), str)
    if plain and value.lower() not in _WORDS_OF_1_1:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    escaped = (char if char.isprintable() or char == " " else _escape(char) for char in quoted)
    return "".join(escaped)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

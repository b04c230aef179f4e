"""What a declaration says of parameters beyond their types: the form of a text, and values that only go together.

Pure Python; imports nothing of cuvisc.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Form:
    """A form that a text must have: a regular expression for the whole of it, and words for people."""

    pattern: str
    words: str

    def fits(self, text: str) -> bool:
        """Whether a text has the form."""
        return re.fullmatch(self.pattern, text) is not None

    def to_json(self) -> dict[str, str]:
        """The keywords of JSON Schema; editors show the second."""
        return {"pattern": f"^(?:{self.pattern})$", "patternErrorMessage": self.words}


DURATION = Form(r"\d+:\d\d:\d\d:\d\d", "a time as DD:HH:MM:SS, such as 00:01:30:00")


@dataclass(frozen=True)
class AtLeast:
    """Any number from `least` on, as the value of a condition."""

    least: int

    def __str__(self) -> str:
        return f"at least {self.least}"

    def to_json(self) -> dict[str, Any]:
        """The keywords of JSON Schema."""
        return {"type": "number", "minimum": self.least}


@dataclass(frozen=True)
class Given:
    """Anything but null, as the value of a condition."""

    def __str__(self) -> str:
        return "given"

    def to_json(self) -> dict[str, Any]:
        """The keywords of JSON Schema."""
        return {"type": ["array", "boolean", "number", "object", "string"]}


@dataclass(frozen=True)
class Condition:
    """Where `parameter` has `value`, `other` may only be one of `choices`; `why` says so to people.

    A value may be an :class:`AtLeast` or :class:`Given`. Only values of `other` that are given count: a default that
    would break a condition contradicts itself.
    """

    parameter: str
    value: Any
    other: str
    choices: tuple[Any, ...]
    why: str

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether these parameters go together."""
        return not self._applies(params[self.parameter]) or params[self.other] in self.choices

    def _applies(self, value: object) -> bool:
        if isinstance(self.value, AtLeast):
            return isinstance(value, (int, float)) and value >= self.value.least
        return value is not None if isinstance(self.value, Given) else value == self.value

    def to_json(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """An `if` and `then` of JSON Schema; editors show the message."""
        plain = not isinstance(self.value, (AtLeast, Given))
        value = {"const": self.value} if plain else self.value.to_json()
        by_default = self.parameter in defaults and self._applies(defaults[self.parameter])
        required = {} if by_default else {"required": [self.parameter]}
        return {
            "if": {"properties": {self.parameter: value}, **required},
            "then": {"properties": {self.other: {"enum": list(self.choices), "errorMessage": self.why}}},
        }

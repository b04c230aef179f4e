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
class Condition:
    """Where `parameter` has `value`, `other` may only be one of `choices`; `why` says so to people.

    A value may be an :class:`AtLeast`. Only values that are given count: a default that would break a condition
    contradicts itself.
    """

    parameter: str
    value: Any
    other: str
    choices: tuple[Any, ...]
    why: str

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether these parameters go together."""
        value = params[self.parameter]
        if isinstance(self.value, AtLeast):
            applies = isinstance(value, (int, float)) and value >= self.value.least
        else:
            applies = value == self.value
        return not applies or params[self.other] in self.choices

    def to_json(self) -> dict[str, Any]:
        """An `if` and `then` of JSON Schema; editors show the message."""
        value = self.value.to_json() if isinstance(self.value, AtLeast) else {"const": self.value}
        return {
            "if": {"properties": {self.parameter: value}, "required": [self.parameter]},
            "then": {"properties": {self.other: {"enum": list(self.choices), "errorMessage": self.why}}},
        }

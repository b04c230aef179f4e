"""What a check of data has to say: one fact, how bad it is, what to do. Pure Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """`topic` is what was looked at, such as `bands`; an error is what training fails or learns nothing from."""

    severity: Severity
    topic: str
    message: str
    help: str = ""

    def to_json(self) -> dict[str, str]:
        """For `--json`."""
        return {"severity": self.severity, "topic": self.topic, "message": self.message, "help": self.help}


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: 1 file, 2 files."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"

"""What objects were given from the environment, kept beside them: how it is written, and how messages lose it.

An object that is made of a spec remembers the spelling of its values (`remember`); whoever writes the object down
writes the spelling (`written`), also long after, when the environment has changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cuvisc.schema.spec import Spec
from cuvisc.schema.spelling import as_spelled, variables

_HELD = "_spelling"


@dataclass(frozen=True)
class Spelling:
    """The values of an object when it was made, the same as the spec spells them, and the variables in them."""

    values: Any
    text: Any
    environment: Mapping[str, str]


def remember(item: object, values: Any, text: Any) -> None:
    """Keep how a spec spells the values that an object was made with; nothing where none is from the environment."""
    names = variables(text)
    if names:
        known = {name: os.environ[name] for name in names if name in os.environ}
        setattr(item, _HELD, Spelling(values, text, known))


def written(item: object, values: Any) -> Any:
    """The values of an object as they may be written: as the spec spells them, where they are still those."""
    spelling = _spelling(item)
    return values if spelling is None else as_spelled(values, spelling.values, spelling.text)


def environment_of(*items: object) -> dict[str, str]:
    """The environment variables that objects and specs were made with, and their values."""
    found: dict[str, str] = {}
    for item in items:
        spelling = _spelling(item)
        if isinstance(item, Spec):
            names = variables(item.to_dict())
            found.update((name, os.environ[name]) for name in names if name in os.environ)
        elif spelling is not None:
            found.update(spelling.environment)
    return found


def without_secrets(text: str, *items: object) -> str:
    """A message with every value that specs and objects took from the environment replaced by its name."""
    return conceal(text, environment_of(*items))


def conceal(text: str, environment: Mapping[str, str]) -> str:
    """A text with the values of environment variables as interpolations, the longest first."""
    names = {value: name for name, value in environment.items() if value}
    if not names:
        return text
    values = "|".join(re.escape(value) for value in sorted(names, key=len, reverse=True))
    return re.sub(values, lambda found: f"${{oc.env:{names[found[0]]}}}", text)


def reveal(text: str, environment: Mapping[str, str]) -> str:
    """A text that was concealed, with the values of this environment."""
    for name, value in environment.items():
        text = text.replace(f"${{oc.env:{name}}}", value)
    return text


def _spelling(item: object) -> Spelling | None:
    found = getattr(item, _HELD, None)
    return found if isinstance(found, Spelling) else None

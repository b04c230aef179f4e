"""Values that came from the environment back to the `${oc.env:…}` that a spec spells them with. Pure Python.

Whatever is written to disk holds the spelling: what stands in the environment is a secret as far as anyone knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document
from cuvisc.schema.interpolation import resolve
from cuvisc.schema.spec import Spec

_VARIABLE = re.compile(r"\$\{oc\.env:\s*([A-Za-z_]\w*)")
_ABSENT = object()


def spelled(document: Document) -> dict[str, Any]:
    """The whole document as plain data in which interpolations of its own parts are values, those of the
    environment text."""
    plain = resolve(document.root, None, Diagnostics()).root.plain()
    return plain if isinstance(plain, dict) else {}


def spelled_name(spec: Spec) -> str:
    """The name of a graph as its spec spells it."""
    graph = spec.to_dict()["graph"]
    assert isinstance(graph, dict)
    return str(graph["name"])


def variables(tree: object) -> frozenset[str]:
    """The environment variables that plain data names."""
    return frozenset(name for text in _texts(tree) for name in _VARIABLE.findall(text))


def as_spelled(now: Any, then: Any, spelling: Any) -> Any:
    """A value with the spelling of every part that is still what it was `then`, when the spelling was resolved.

    Parts of mappings are told by key, those of lists by value.
    """
    if not any("${" in text for text in _texts(spelling)):
        return now
    if isinstance(now, Mapping) and isinstance(then, Mapping) and isinstance(spelling, Mapping):
        parts = {
            key: as_spelled(now.get(key, _ABSENT), then.get(key, _ABSENT), spelling.get(key, _ABSENT))
            for key in dict.fromkeys([*now, *spelling])
        }
        return {key: part for key, part in parts.items() if part is not _ABSENT}
    if now == then:
        return spelling
    if _is_list(now) and _is_list(then) and _is_list(spelling) and len(then) == len(spelling):
        return [spelling[then.index(item)] if item in then else item for item in now]
    return now


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _texts(tree: object) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _texts(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from _texts(value)

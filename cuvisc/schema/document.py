"""A composed configuration in which every key and every value knows where it was written.

The loader, the composition and the overrides build trees of `Marked`; everything after them reads a
`Document`. Pure Python, imports nothing of cuvisc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Path: TypeAlias = tuple[str | int, ...]
Reading: TypeAlias = Literal["sound", "doubled", "unread"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of one line: line and column count from 1, columns and length are in characters.

    A span of line 0 belongs to something that was never text (a graph built in Python).
    """

    file: str
    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A value, the place it was written, and the place of the key that leads to it (None in lists).

    What was answered already is not sound: `doubled` is one of two values of a key, `unread` a value that says nothing,
    or a mapping that lacks some of its keys. Nothing more is said about what depends on it.
    """

    value: Scalar | Mapping[str, Marked] | Sequence[Marked]
    span: Span
    key_span: Span | None = None
    reading: Reading = "sound"

    def under(self, key_span: Span | None) -> Marked:
        """The same value reached by another key."""
        return replace(self, key_span=key_span)

    def child(self, key: str | int) -> Marked | None:
        """The value under a key of a mapping or an index of a list, None when there is none."""
        if isinstance(self.value, Mapping):
            return self.value.get(str(key)) if isinstance(key, str) else None
        if isinstance(self.value, Sequence) and not isinstance(self.value, str) and isinstance(key, int):
            return self.value[key] if 0 <= key < len(self.value) else None
        return None

    @property
    def doubtful(self) -> bool:
        """Whether anything in the value is not sound."""
        if self.reading != "sound":
            return True
        if isinstance(self.value, Mapping):
            return any(child.doubtful for child in self.value.values())
        if isinstance(self.value, Sequence) and not isinstance(self.value, str):
            return any(child.doubtful for child in self.value)
        return False

    def plain(self) -> object:
        """The value without its marks: dict, list or scalar."""
        if isinstance(self.value, Mapping):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, Sequence) and not isinstance(self.value, str):
            return [child.plain() for child in self.value]
        return self.value


def marked(data: object, span: Span, key_span: Span | None = None) -> Marked:
    """Plain data as a tree whose every part stands at the same place."""
    if isinstance(data, Mapping):
        return Marked({str(key): marked(child, span, span) for key, child in data.items()}, span, key_span)
    if isinstance(data, (list, tuple)):
        return Marked([marked(child, span) for child in data], span, key_span)
    if data is None or isinstance(data, (str, int, float)):
        return Marked(data, span, key_span)
    raise TypeError(
        f"a spec holds text, numbers, true, false, null, lists and mappings; got {type(data).__name__}"
    )


@dataclass(frozen=True)
class Document:
    """The composed spec: values with spans, and the lines of every text they came from.

    `name` is the file the user named. Interpolations stand in it as they were written.
    """

    root: Marked
    name: str
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def from_data(cls, data: Mapping[str, object], name: str) -> Document:
        """Plain data as a document without text: every span is line 0 of `name`."""
        return cls(marked(data, Span(name, 0, 0, 0)), name)

    @cached_property
    def data(self) -> dict[str, object]:
        """The whole document as plain dicts, lists and scalars; {} when its root is no mapping."""
        plain = self.root.plain()
        return plain if isinstance(plain, dict) else {}

    def find(self, path: Path) -> Marked | None:
        """The value at a path of keys and indices, None when it is not there."""
        found: Marked | None = self.root
        for key in path:
            found = found.child(key) if found is not None else None
        return found

    def value_span(self, path: Path) -> Span:
        """Where the value at `path` stands; of its nearest ancestor when there is none."""
        *_, nearest = self._walk(path)
        return nearest.key_span if nearest.span.length == 0 and nearest.key_span else nearest.span

    def key_span(self, path: Path) -> Span:
        """Where the key that leads to `path` stands; of its nearest ancestor when there is none."""
        for step in reversed(list(self._walk(path))):
            if step.key_span is not None:
                return step.key_span
            if step is not self.root:
                return step.span
        return self.root.span

    def lines(self, file: str) -> Sequence[str]:
        """The lines of one source file, () when its text is not known."""
        return self.sources.get(file, ())

    def _walk(self, path: Path) -> Iterator[Marked]:
        step = self.root
        yield step
        for key in path:
            child = step.child(key)
            if child is None:
                return
            step = child
            yield step

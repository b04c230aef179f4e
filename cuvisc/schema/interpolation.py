"""`${oc.env:NAME,default}` and `${training.seed}` to values; anything else between `${` and `}` is an error.

Values read from the environment are secrets as far as anyone knows: no message shows one. A value that is
one whole interpolation of another part of the spec keeps that part's type; everything else is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cuvisc.schema.diagnostics import Diagnostics, did_you_mean
from cuvisc.schema.document import Marked, Path, Span

_OPEN = "${"
_REFERENCE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_RESULT = 10_000
_MAX_NESTING = 16
_MAX_STEPS = 20_000


@dataclass(frozen=True)
class Resolved:
    """A tree without interpolations, the places whose values came through one, and those that have no
    value."""

    root: Marked
    places: frozenset[Path] = frozenset()
    failed: frozenset[Path] = frozenset()


def resolve(root: Marked, environment: Mapping[str, str] | None, diagnostics: Diagnostics) -> Resolved:
    """The tree with every interpolation replaced; each that cannot be is answered, and its value is null.

    Without an environment `${oc.env:…}` stays as it is written, also where another part of the spec refers to it.
    """
    resolver = _Resolver(root, environment, diagnostics)
    return Resolved(resolver.tree(root, ()), frozenset(resolver.places), frozenset(resolver.failed))


def spelled_places(tree: Marked, path: Path = ()) -> frozenset[Path]:
    """Where a tree that was resolved without an environment holds texts that name a variable of it."""
    if isinstance(tree.value, Mapping):
        below = [spelled_places(child, (*path, key)) for key, child in tree.value.items()]
    elif isinstance(tree.value, list):
        below = [spelled_places(child, (*path, index)) for index, child in enumerate(tree.value)]
    else:
        named = isinstance(tree.value, str) and f"{_OPEN}oc.env:" in tree.value
        return frozenset([path] if named else [])
    return frozenset().union(*below)


class _Unresolved(Exception):
    """The interpolation has no value; `args` are the code, the message and the help."""


class _Resolver:
    def __init__(self, root: Marked, environment: Mapping[str, str] | None, diagnostics: Diagnostics) -> None:
        self.root = root
        self.environment = environment
        self.diagnostics = diagnostics
        self.places: set[Path] = set()
        self.failed: set[Path] = set()
        self.steps = 0

    def tree(self, node: Marked, path: Path) -> Marked:
        if node.reading == "unread":
            self.failed.add(path)
        if isinstance(node.value, Mapping):
            children = {key: self.tree(child, (*path, key)) for key, child in node.value.items()}
            return replace(node, value=children)
        if isinstance(node.value, list):
            items = [self.tree(child, (*path, index)) for index, child in enumerate(node.value)]
            return replace(node, value=items)
        if not isinstance(node.value, str) or _OPEN not in node.value:
            return node
        self.places.add(path)
        try:
            found = self.text(node.value, (path,))
        except _Unresolved as problem:
            code, message, help = problem.args
            self.failed.add(path)
            self.diagnostics.error(code, message, node.span, help=help)
            return Marked(None, node.span, node.key_span, "unread")
        return _standing_at(found, node.span, node.key_span)

    def text(self, text: str, chain: tuple[Path, ...]) -> Marked:
        """The value of a text with interpolations; `chain` is the places being resolved, to find loops."""
        here = Span("", 0, 0, 0)
        if text.startswith(_OPEN) and _end(text, 0) == len(text):
            return self.value(text[2:-1], chain)
        parts: list[str] = []
        at = 0
        while (begin := text.find(_OPEN, at)) >= 0:
            if text[begin - 1 : begin] == "\\":
                parts.append(text[at : begin - (self.environment is not None)] + _OPEN)
                at = begin + 2
                continue
            end = _end(text, begin)
            found = self.value(text[begin + 2 : end - 1], chain).value
            if isinstance(found, (Mapping, list)):
                raise _Unresolved("E040", "a list or a mapping cannot be part of a text", "")
            parts += [text[at:begin], _as_text(found)]
            at = end
        whole = "".join([*parts, text[at:]])
        if len(whole) > _MAX_RESULT:
            raise _Unresolved("E005", f"the text grows beyond {_MAX_RESULT} characters", "")
        return Marked(whole, here)

    def value(self, inside: str, chain: tuple[Path, ...]) -> Marked:
        """The value of what stands between `${` and `}`."""
        self.step()
        if len(chain) > _MAX_NESTING:
            raise _Unresolved("E005", f"interpolations are nested more than {_MAX_NESTING} deep", "")
        inside = inside.strip()
        if inside.startswith("oc.env:"):
            return self.variable(inside.removeprefix("oc.env:"), chain)
        if not _REFERENCE.fullmatch(inside):
            known = "${oc.env:NAME,default} and ${section.key} are known"
            raise _Unresolved("E040", f"`${{{inside}}}` is not an interpolation", known)
        path = tuple(int(key) if key.isdecimal() else key for key in inside.split("."))
        target: Marked | None = self.root
        for depth, key in enumerate(path):
            below = target.child(key) if target is not None else None
            if below is None:
                names = list(target.value) if target is not None and isinstance(target.value, Mapping) else []
                wrong = ".".join(str(part) for part in path[: depth + 1])
                raise _Unresolved("E040", f"the spec has no `{wrong}`", did_you_mean(str(key), names))
            target = below
        assert target is not None
        if any(path == place[: len(path)] for place in chain):
            ring = " → ".join(".".join(str(key) for key in place) for place in (*chain, path) if place)
            raise _Unresolved("E040", f"the interpolation leads back to itself: {ring}", "")
        return self.referred(target, (*chain, path))

    def step(self) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise _Unresolved("E005", f"interpolations take more than {_MAX_STEPS} steps", "")

    def referred(self, target: Marked, chain: tuple[Path, ...]) -> Marked:
        self.step()
        if isinstance(target.value, str):
            return self.text(target.value, chain) if _OPEN in target.value else target
        if isinstance(target.value, Mapping):
            return Marked({k: self.referred(child, chain) for k, child in target.value.items()}, target.span)
        if isinstance(target.value, list):
            return Marked([self.referred(child, chain) for child in target.value], target.span)
        return target

    def variable(self, arguments: str, chain: tuple[Path, ...]) -> Marked:
        name, comma, default = arguments.partition(",")
        name = name.strip()
        if not _VARIABLE.fullmatch(name):
            raise _Unresolved("E040", f"`{name}` is not the name of an environment variable", "")
        if self.environment is None:
            return Marked(self.unresolved(name, comma, default, chain), Span("", 0, 0, 0))
        if name in self.environment:
            return Marked(self.environment[name], Span("", 0, 0, 0))
        if not comma:
            help = f"set it, or give a default: ${{oc.env:{name},…}}"
            raise _Unresolved("E041", f"environment variable `{name}` is not set", help)
        default = default.strip()
        if len(default) >= 2 and default[0] == default[-1] and default[0] in "'\"":
            default = default[1:-1]
        return self.text(default, (*chain, ()) if _OPEN in default else chain)

    def unresolved(self, name: str, comma: str, default: str, chain: tuple[Path, ...]) -> str:
        """A variable as it is written, with the rest of the spec put into its default."""
        if _OPEN in default:
            default = _as_text(self.text(default.strip(), (*chain, ())).value)
        return f"{_OPEN}oc.env:{name}{comma}{default}}}"


def _end(text: str, begin: int) -> int:
    """The index after the `}` that closes the `${` at an index. Raises _Unresolved when nothing does."""
    depth = 0
    for index in range(begin, len(text)):
        if text.startswith(_OPEN, index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index + 1
    raise _Unresolved("E040", "this `${` has no `}`", "")


def _as_text(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _standing_at(tree: Marked, span: Span, key_span: Span | None) -> Marked:
    """A value found elsewhere, with every part standing where the interpolation is written."""
    if isinstance(tree.value, Mapping):
        parts = {key: _standing_at(child, span, span) for key, child in tree.value.items()}
        return Marked(parts, span, key_span)
    if isinstance(tree.value, list):
        return Marked([_standing_at(child, span, None) for child in tree.value], span, key_span)
    return Marked(tree.value, span, key_span)

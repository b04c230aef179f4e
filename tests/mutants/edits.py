"""One small change to a spec's text: every key renamed, dropped and duplicated, every value of a wrong type, every
reference dangling. Works on PyYAML's marks alone; knows nothing of cuvisc."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

REFERENCES = ("parent", "outputs", "inputs")


@dataclass(frozen=True)
class Mutant:
    """A changed text; `lines` are those where the change can be seen: the edit, what holds it, what refers to it."""

    kind: str
    path: tuple[str | int, ...]
    text: str
    lines: frozenset[int]

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(str(key) for key in self.path)}"


def mutants(text: str) -> Iterator[Mutant]:
    """Every mutant of a spec's text."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    yield from _of_mapping(text, root, (), _line(root))


def _of_mapping(
    text: str, node: yaml.MappingNode, path: tuple[str | int, ...], holder: int
) -> Iterator[Mutant]:
    for key, value in node.value:
        here = (*path, key.value)
        line = _line(key)
        seen = frozenset({line, holder})
        edited = text[: key.end_mark.index] + "zz" + text[key.end_mark.index :]
        yield Mutant("rename", here, edited, seen | _lines_that_refer(edited, key.value))
        begin, end = _extent(text, node, key, value)
        edited = text[:begin] + text[end:]
        yield Mutant("drop", here, edited, seen | _lines_that_refer(edited, key.value))
        yield _duplicate(text, node, (begin, end), here, line)
        yield from _of_value(text, value, here, line)


def _of_value(text: str, value: yaml.Node, path: tuple[str | int, ...], line: int) -> Iterator[Mutant]:
    wrong = "zz" if isinstance(value, yaml.MappingNode) else "{zz: 1}"
    yield _replaced("type", text, value, wrong, path, line)
    if isinstance(value, yaml.MappingNode):
        yield from _of_mapping(text, value, path, line)
    elif isinstance(value, yaml.SequenceNode):
        for index, item in enumerate(value.value):
            yield from _of_value(text, item, (*path, index), _line(item))
    elif {"parent", "outputs", "inputs"} & {key for key in path[-2:] if isinstance(key, str)}:
        yield _replaced("dangle", text, value, "nowhere", path, line)


def _replaced(
    kind: str, text: str, value: yaml.Node, new: str, path: tuple[str | int, ...], line: int
) -> Mutant:
    begin, end = value.start_mark.index, _end(text, value)
    tail = "\n" if text[begin:end].endswith("\n") else ""
    return Mutant(kind, path, text[:begin] + new + tail + text[end:], frozenset({line, _line(value)}))


def _duplicate(
    text: str, node: yaml.MappingNode, extent: tuple[int, int], path: tuple[str | int, ...], line: int
) -> Mutant:
    piece = text[slice(*extent)]
    if node.flow_style:
        piece = piece.strip().strip(",")
        where = node.start_mark.index + 1
        return Mutant("duplicate", path, f"{text[:where]}{piece}, {text[where:]}", frozenset({line}))
    lines = piece.count("\n")
    return Mutant("duplicate", path, text[: extent[1]] + piece + text[extent[1] :], frozenset({line + lines}))


def _extent(text: str, node: yaml.MappingNode, key: yaml.Node, value: yaml.Node) -> tuple[int, int]:
    """Where a key and its value begin and end, with the comma or the line break that belongs to them."""
    begin, end = key.start_mark.index, _end(text, value)
    if not node.flow_style:
        begin = text.rfind("\n", 0, begin) + 1
        if not text[:end].endswith("\n"):
            end = text.find("\n", end) + 1 or len(text)
        return begin, end
    rest = len(text[end:]) - len(text[end:].lstrip())
    if text[end + rest : end + rest + 1] == ",":
        return begin, end + rest + 1
    before = text[:begin].rstrip()
    return (len(before) - 1 if before.endswith(",") else begin), end


def _end(text: str, value: yaml.Node) -> int:
    """Where a value ends; a block ends with its last line, not where the next thing begins."""
    end = value.end_mark.index
    flow = isinstance(value, yaml.ScalarNode) or value.flow_style
    return end if flow else text.rfind("\n", 0, end) + 1


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _lines_that_refer(text: str, name: str) -> frozenset[int]:
    lines = enumerate((line.partition("#")[0] for line in text.split("\n")), start=1)
    return frozenset(n for n, line in lines if name in line and any(f"{key}:" in line for key in REFERENCES))

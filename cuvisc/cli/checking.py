"""What `cuvisc validate` does: specs to every error in them, in the form that was asked for; imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from cuvisc.cli.specs import check_file, split_arguments
from cuvisc.schema.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from cuvisc.compiler.graph import TypedGraph
    from cuvisc.schema.diagnostics import Diagnostics


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class Checked(NamedTuple):
    """A file, its graph where nothing is wrong, and what there is to say.

    `part_of` is the named spec that composes the file, where the file is no spec of its own: that spec's findings hold.
    """

    path: Path
    graph: TypedGraph | None
    diagnostics: Diagnostics
    part_of: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the file itself."""
        return self.graph is not None or self.part_of is not None


def plain_arguments(arguments: Sequence[str]) -> tuple[list[str], Format] | None:
    """Specs and overrides, and the format, of a `validate` that says no more; None leaves it to the whole command."""
    rest: list[str] = []
    format = Format.TEXT
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("-"):
            rest.append(argument)
            continue
        name, equals, value = argument.partition("=")
        value = value if equals else next(waiting, "")
        if name != "--format" or value not in list(Format):
            return None
        format = Format(value)
    return (rest, format) if rest else None


def check_specs(arguments: Sequence[str], format: Format) -> None:
    """Check spec files with the overrides behind them and print what is found; leaves with 2 when one is wrong."""
    paths, overrides = split_arguments(arguments)
    if not paths:
        raise SpecError("name at least one spec file, as in: cuvisc validate specs/rx.yaml")
    checked = _without_parts([Checked(path, *check_file(path, overrides)) for path in paths])
    if format is Format.JSON:
        _print_json(checked)
    elif format is Format.SARIF:
        from cuvisc import __version__
        from cuvisc.schema.sarif import render_sarif

        print(render_sarif([one.diagnostics for one in checked], __version__))
    else:
        for one in checked:
            _print(one, format)
    if not all(one.ok for one in checked):
        sys.exit(2)


def _without_parts(checked: list[Checked]) -> list[Checked]:
    """The same, where files without nodes that another of the specs composes are no specs but parts of that one."""
    composed_by: Mapping[str, Path] = {
        file: one.path
        for one in reversed(checked)
        for file in one.diagnostics.sources
        if file != str(one.path)
    }
    return [
        _as_part(one, composed_by[str(one.path)])
        if one.graph is None and str(one.path) in composed_by and _has_no_nodes(one.path)
        else one
        for one in checked
    ]


def _as_part(one: Checked, whole: Path) -> Checked:
    from cuvisc.schema.diagnostics import Diagnostics

    return Checked(one.path, None, Diagnostics(), whole)


def _has_no_nodes(path: Path) -> bool:
    from cuvisc.schema.diagnostics import Diagnostics
    from cuvisc.schema.loader import load_tree
    from cuvisc.schema.reading import read_text

    found = Diagnostics()
    text = read_text(path, found)
    tree = load_tree(text, str(path), found) if text is not None else None
    return tree is not None and tree.child("nodes") is None and tree.child("defaults") is None


def _print(one: Checked, format: Format) -> None:
    from cuvisc.schema.render import printable, render_github, render_text

    if len(one.diagnostics) and format is Format.GITHUB:
        print(render_github(one.diagnostics), flush=True)
    elif len(one.diagnostics):
        from cuvisc.cli.terminal import wants_color

        print(render_text(one.diagnostics, color=wants_color(sys.stderr)), file=sys.stderr)
    name = printable(str(one.path))
    if one.part_of is not None:
        print(f"{name}: part of {printable(str(one.part_of))}", flush=True)
    elif one.graph is not None:
        nodes = _count(len(one.graph.nodes), "node", "nodes")
        leaves = _count(len(one.graph.leaves), "leaf", "leaves")
        print(f"{name}: ok  ({nodes}, {leaves})", flush=True)


def _print_json(checked: list[Checked]) -> None:
    import json

    from cuvisc.schema.render import as_dicts

    answers = [
        {
            "file": str(one.path),
            "ok": one.ok,
            "part_of": str(one.part_of) if one.part_of is not None else None,
            "nodes": len(one.graph.nodes) if one.graph is not None else None,
            "leaves": len(one.graph.leaves) if one.graph is not None else None,
            "diagnostics": as_dicts(one.diagnostics),
        }
        for one in checked
    ]
    print(json.dumps(answers, indent=2, ensure_ascii=False))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

"""What `cuvisc validate` does: specs to every error in them, in the form that was asked for; imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

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
    checked = [(path, *check_file(path, overrides)) for path in paths]
    if format is Format.JSON:
        _print_json(checked)
    elif format is Format.SARIF:
        from cuvisc import __version__
        from cuvisc.schema.sarif import render_sarif

        print(render_sarif([diagnostics for _, _, diagnostics in checked], __version__))
    else:
        for path, graph, diagnostics in checked:
            _print(path, graph, diagnostics, format)
    if any(graph is None for _, graph, _ in checked):
        sys.exit(2)


def _print(path: Path, graph: TypedGraph | None, diagnostics: Diagnostics, format: Format) -> None:
    from cuvisc.schema.render import printable, render_github, render_text

    if len(diagnostics) and format is Format.GITHUB:
        print(render_github(diagnostics), flush=True)
    elif len(diagnostics):
        from cuvisc.cli.terminal import wants_color

        print(render_text(diagnostics, color=wants_color(sys.stderr)), file=sys.stderr)
    if graph is not None:
        nodes, leaves = (
            _count(len(graph.nodes), "node", "nodes"),
            _count(len(graph.leaves), "leaf", "leaves"),
        )
        print(f"{printable(str(path))}: ok  ({nodes}, {leaves})", flush=True)


def _print_json(checked: list[tuple[Path, TypedGraph | None, Diagnostics]]) -> None:
    import json

    from cuvisc.schema.render import as_dicts

    answers = [
        {
            "file": str(path),
            "ok": graph is not None,
            "nodes": len(graph.nodes) if graph is not None else None,
            "leaves": len(graph.leaves) if graph is not None else None,
            "diagnostics": as_dicts(diagnostics),
        }
        for path, graph, diagnostics in checked
    ]
    print(json.dumps(answers, indent=2, ensure_ascii=False))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"

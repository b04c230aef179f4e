"""`cuvisc validate`: specs to every error in them, at once and with its place; imports no torch."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cuvisc.cli.specs import check_file, split_arguments
from cuvisc.cli.terminal import wants_color
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


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def validate(
        arguments: Annotated[
            list[str],
            typer.Argument(metavar="SPEC", help="Spec files, then overrides: key=value, +key=value, ~key."),
        ],
        format: Annotated[Format, typer.Option("--format", help="How to write what is found.")] = Format.TEXT,
    ) -> None:
        """Check specs and type-check their graphs, without running anything.

        Example: cuvisc validate specs/rx.yaml nodes.rx.eps=1e-3
        """
        paths, overrides = split_arguments(arguments)
        if not paths:
            raise SpecError("name at least one spec file, as in: cuvisc validate specs/rx.yaml")
        checked = [(path, *check_file(path, overrides)) for path in paths]
        if format is Format.JSON:
            _print_json(checked)
        else:
            for path, graph, diagnostics in checked:
                _print(path, graph, diagnostics, format)
        if any(graph is None for _, graph, _ in checked):
            raise typer.Exit(2)


def _print(path: Path, graph: TypedGraph | None, diagnostics: Diagnostics, format: Format) -> None:
    from cuvisc.schema.render import printable, render_github, render_text

    if len(diagnostics) and format is Format.GITHUB:
        print(render_github(diagnostics), flush=True)
    elif len(diagnostics):
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

"""`cuvisc show`: a spec to its typed graph, the plan of phase 1 and what an export will do; imports no torch."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cuvisc.cli.specs import compile_file, one_spec
from cuvisc.cli.terminal import wants_color

if TYPE_CHECKING:
    from cuvisc.compiler.views.summary import Summary


class Format(StrEnum):
    """How the graph is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def show(
        arguments: Annotated[
            list[str],
            typer.Argument(metavar="SPEC", help="A spec file, then overrides: key=value, +key=value, ~key."),
        ],
        format: Annotated[Format, typer.Option("--format", help="How to draw the graph.")] = Format.TEXT,
    ) -> None:
        """Show a graph: types, passes over the data, what exports fold.

        What an export leaves out is shown too.

        Example: cuvisc show specs/rx.yaml --format svg > rx.svg
        """
        path, overrides = one_spec(arguments)
        graph, diagnostics = compile_file(path, overrides)
        if len(diagnostics):
            from cuvisc.schema.render import render_text

            print(render_text(diagnostics, color=wants_color(sys.stderr)), file=sys.stderr)
        from cuvisc.compiler.views.summary import Summary

        print(_draw(Summary(graph), format))


def _draw(summary: Summary, format: Format) -> str:
    if format is Format.MERMAID:
        from cuvisc.compiler.views.mermaid import draw_mermaid

        return draw_mermaid(summary)
    if format is Format.SVG:
        from cuvisc.compiler.views.svg import draw_svg

        return draw_svg(summary)
    if format is Format.JSON:
        import json

        return json.dumps(summary.as_dict(), indent=2, ensure_ascii=False)
    from cuvisc.compiler.views.text import draw_text

    return draw_text(summary)

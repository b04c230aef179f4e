"""`cuvisc validate`: specs to every error in them, at once and with its place; imports no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from cuvisc.cli.checking import Format, check_specs


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
        """Check specs and the types of their graphs; nothing is run.

        Example: cuvisc validate specs/rx.yaml nodes.rx.eps=1e-3
        """
        check_specs(arguments, format)

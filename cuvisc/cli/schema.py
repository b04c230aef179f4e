"""`cuvisc schema`: the JSON Schema of the spec language, for editors and programs."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def schema(
        path: Annotated[
            bool, typer.Option("--path", help="Print where the file is instead of what it says.")
        ] = False,
    ) -> None:
        """Print the JSON Schema of specs; editors complete and check with it as you type.

        Example: cuvisc schema > cuvisc.schema.json
        """
        from cuvisc.schema.catalogue import SCHEMA_PATH

        print(SCHEMA_PATH if path else SCHEMA_PATH.read_text(encoding="utf-8").rstrip("\n"))

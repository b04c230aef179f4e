"""`cuvisc explain`: the page of a diagnostic code."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def explain(
        code: Annotated[
            str | None, typer.Argument(help="A code such as E201; without one, all are listed.")
        ] = None,
    ) -> None:
        """Explain a diagnostic code, with an example.

        Example: cuvisc explain E201
        """
        from cuvisc.schema.codes import CODES
        from cuvisc.schema.codes import explain as page_of
        from cuvisc.schema.diagnostics import did_you_mean
        from cuvisc.schema.errors import SpecError

        if code is None:
            print("\n".join(f"{name}  {entry.title}" for name, entry in sorted(CODES.items())))
            return
        page = page_of(code.upper())
        if page is None:
            help = did_you_mean(code.upper(), list(CODES)) or "`cuvisc explain` lists them all"
            raise SpecError(f"there is no code `{code}`; {help}")
        print(page)

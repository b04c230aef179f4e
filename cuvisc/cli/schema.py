"""`cuvisc schema`: the JSON Schema of the spec language, for editors and programs; the header of a package of types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cuvisc.schema.catalogue import Catalogue


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def schema(
        specs: Annotated[
            list[Path] | None,
            typer.Argument(metavar="[SPEC]...", help="With --install: specs of yours that it is for."),
        ] = None,
        path: Annotated[
            bool, typer.Option("--path", help="Print where cuvisc's own file is instead of what it says.")
        ] = False,
        install: Annotated[
            bool, typer.Option("--install", help="Set up the editor of this folder (.vscode) to use it.")
        ] = False,
        package: Annotated[
            str | None, typer.Option("--package", help="Print the header that a package of types ships.")
        ] = None,
    ) -> None:
        """Print the JSON Schema of specs, for editors.

        They complete and check with it as you type.

        Installed packages of types are part of it. `--install tower.yaml` is for that file besides specs/ and
        *.cuvisc.yaml. Example: cuvisc schema > cuvisc.schema.json
        """
        from cuvisc.schema.errors import SpecError

        if path + install + (package is not None) > 1:
            raise SpecError("--path, --install and --package are three different things: ask for one")
        if specs and not install:
            raise SpecError(
                f"the schema is the same for every spec; --install {specs[0]} sets up the editor for it"
            )
        if package is not None:
            print(_header(package), end="")
            return
        from cuvisc.schema.catalogue import SCHEMA_PATH, load

        if path:
            print(SCHEMA_PATH)
            return
        catalogue = load()
        catalogue.complete()
        text = _text(catalogue)
        if install:
            from cuvisc.cli.editor import install_schema

            for line in install_schema(text, specs or ()):
                print(line)
        else:
            print(text)


def _text(catalogue: Catalogue) -> str:
    """The schema as text: cuvisc's own file, unless packages add to it."""
    import json

    from cuvisc.schema.catalogue import SCHEMA_PATH

    own = SCHEMA_PATH.read_text(encoding="utf-8").rstrip("\n")
    known = catalogue.schema.get("$defs", {})
    if set(known) == set(json.loads(own)["$defs"]):
        return own
    return json.dumps(catalogue.schema, indent=1, ensure_ascii=False)


def _header(package: str) -> str:
    """The header of an importable package. Raises SpecError."""
    from cuvisc.schema.errors import SpecError

    try:
        from cuvisc.runtime.header import header_text

        return header_text(package)
    except (ImportError, ValueError) as error:
        raise SpecError(f"`{package}` has no header: {error}") from error

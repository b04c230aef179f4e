"""`cuvisc init`: a spec to start from, with comments that say what may be changed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Template(StrEnum):
    """What there is to start from."""

    ANOMALY = "anomaly"
    PCA = "pca"
    RX = "rx"


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def init(
        template: Annotated[Template, typer.Argument(help="What to start from.")] = Template.ANOMALY,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="File to write; default: <template>.yaml.")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    ) -> None:
        """Write a commented spec that validates; `-o -` prints it.

        Where `cuvisc schema --install` was here, its first line names the schema to editors.

        Example: cuvisc init rx -o detector.yaml
        """
        path = output or Path(f"{template}.yaml")
        printed = str(path) == "-"
        text = _text(template, Path(f"{template}.yaml") if printed else path)
        if printed:
            print(text, end="")
            return
        from cuvisc.runtime.atomic import write_text

        write_text(path, text, force=force)
        print(path)


def _text(template: Template, path: Path) -> str:
    from cuvisc.cli.editor import SCHEMA, modeline
    from cuvisc.schema.templates import template_text

    text = template_text(template, path.as_posix())
    return f"{modeline(path)}\n{text}" if SCHEMA.is_file() else text

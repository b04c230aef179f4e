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

        Example: cuvisc init rx -o detector.yaml
        """
        from cuvisc.schema.errors import SpecError
        from cuvisc.schema.templates import template_text

        path = output or Path(f"{template}.yaml")
        text = template_text(template, path.as_posix())
        if str(path) == "-":
            print(template_text(template, f"{template}.yaml"), end="")
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w" if force else "x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        except FileExistsError:
            raise SpecError(f"{path} exists already; --force replaces it, -o names another file") from None
        except OSError as error:
            raise SpecError(f"{path} cannot be written: {error.strerror}") from error
        print(path)

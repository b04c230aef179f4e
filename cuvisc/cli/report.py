"""`cuvisc report`: a run folder to one HTML page that stands alone; needs neither torch nor the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def report(
        run: Annotated[Path, typer.Argument(help="Run folder that `cuvisc train` wrote.", metavar="RUN_DIR")],
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", help="The page; default: RUN_DIR/report.html.", metavar="FILE"),
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace the file that -o names.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the key numbers as JSON.")] = False,
    ) -> None:
        """Write a page that says how good a detector is.

        It has numbers, pictures, curves, and what they rest on.

        `cuvisc train` writes it at its end, `cuvisc export` adds what it proved. What is missing is said on the page.

        Example: cuvisc report runs/anomaly/20260101-120000-1a2b3c4d -o anomaly.html
        """
        from cuvisc.runtime.artifact import MANIFEST
        from cuvisc.runtime.report.key_numbers import key_numbers
        from cuvisc.runtime.report.run_files import RunFiles
        from cuvisc.runtime.report.write import write_page
        from cuvisc.schema.errors import DataError

        if (run / MANIFEST).is_file():
            raise DataError(
                f"{run} is an artifact, which says nothing about how it was trained: name the run it was exported "
                f"from, whose page shows the parity too; or measure it: cuvisc evaluate {run} CUBE -o FOLDER"
            )
        place = write_page(run, output, force=force or output is None)
        if as_json:
            print(json.dumps({"report": str(place), **key_numbers(RunFiles.read(run))}))
            return
        print(place)

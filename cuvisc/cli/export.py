"""``cuvisc export``: a finished run to an artifact folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cuvisc.cli.speaking import VerboseOption


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def export(
        run: Annotated[Path, typer.Argument(help="Run folder that `cuvisc train` wrote.", metavar="RUN_DIR")],
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="Artifact folder; default: RUN_DIR/artifact.")
        ] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace an existing artifact.")] = False,
        verbose: VerboseOption = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the parity evidence as JSON.")] = False,
    ) -> None:
        """Write ONNX and TorchScript that compute what was trained.

        Both are compared with a float64 reference before anything is kept.

        What the comparison found is added to the run's report.

        Example: cuvisc export runs/anomaly/20260101-120000-1a2b3c4d -o artifacts/anomaly
        """
        from cuvisc.runtime.exporting import export_run
        from cuvisc.runtime.run_folder import load_source

        folder = output or run / "artifact"
        evidence = export_run(load_source(run), folder, run, force=force, always=True)
        if as_json:
            print(json.dumps({"artifact": str(folder), **evidence}))
            return
        cases = len({result["case"] for result in evidence["results"]})
        print(
            f"parity: {cases} sizes, largest relative error {evidence['max_relative_error']:.1e}, "
            f"{evidence['flipped_decisions']} flipped decisions"
        )
        print(folder)

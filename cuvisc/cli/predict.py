"""``cuvisc predict``: an artifact and a cube to a file of outputs, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cuvisc.cli.running import (
    DeviceOption,
    ThreadsOption,
    parse_thresholds,
    progress_bar,
    warn,
    warn_of_device,
)


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def predict(
        artifact: Annotated[
            Path, typer.Argument(help="Folder that `cuvisc export` wrote.", metavar="ARTIFACT")
        ],
        input: Annotated[
            Path, typer.Argument(help="Cube: .npz or .npy, of any numeric dtype.", metavar="INPUT")
        ],
        output: Annotated[
            Path, typer.Option("--output", "-o", help="File to write: .npz, an array an output.")
        ],
        key: Annotated[str, typer.Option("--key", help="Array of the .npz that is the cube.")] = "cube",
        threshold: Annotated[
            list[str] | None,
            typer.Option("--threshold", help="Move a decision: node=value.", metavar="NODE=VALUE"),
        ] = None,
        device: DeviceOption = "auto",
        threads: ThreadsOption = None,
        force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    ) -> None:
        """Run the whole graph, from the raw cube on, with ONNX Runtime.

        The outputs are named node.port and have the cube's rows and columns.

        Example: cuvisc predict artifact scene.npz -o scores.npz
        """
        from cuvisc.runtime.atomic import refuse_existing
        from cuvisc.runtime.data.source import CubeSource
        from cuvisc.runtime.inference import Predictor
        from cuvisc.runtime.prediction import predict_file

        thresholds = parse_thresholds(threshold or [])
        refuse_existing(output, force)
        predictor = Predictor(artifact, device=device, threads=threads)
        warn_of_device(predictor)
        with CubeSource.open(input, key) as source, progress_bar(source.pixels, "predict") as progress:
            summary = predict_file(
                predictor, source, output, thresholds=thresholds, force=force, progress=progress
            )
        if summary.non_finite_pixels:
            warn(
                f"{summary.non_finite_pixels} of {summary.pixels} pixels have a band that is NaN or infinite; "
                "they have no score and are never decided for"
            )
        if as_json:
            print(json.dumps(summary.to_json()))
            return
        print(
            f"{summary.pixels} pixels of {summary.bands} bands in {summary.seconds:.3g} s, "
            f"{summary.mpixels_per_second:.3g} Mpixel/s on {summary.provider}"
        )
        for name, shape in summary.outputs.items():
            print(f"{name}  {'x'.join(map(str, shape))}")
        print(output)

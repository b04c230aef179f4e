"""``cuvisc evaluate``: an artifact and a cube with its mask to detection quality, without torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cuvisc.cli.running import (
    DeviceOption,
    ThreadsOption,
    parse_number,
    parse_thresholds,
    warn,
    warn_of_device,
)


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def evaluate(
        artifact: Annotated[
            Path, typer.Argument(help="Folder that `cuvisc export` wrote.", metavar="ARTIFACT")
        ],
        input: Annotated[
            str,
            typer.Argument(
                help="Cube of any format, with a mask that is > 0 on anomalies in it or beside it.",
                metavar="INPUT",
            ),
        ],
        key: Annotated[str | None, typer.Option("--key", help="Array in the file that is the cube.")] = None,
        mask: Annotated[
            str,
            typer.Option(
                "--mask",
                help="Mask: an array in the file, or a file; default: `mask`, else such as scene_mask.png.",
                metavar="NAME|FILE",
            ),
        ] = "mask",
        output: Annotated[
            str | None,
            typer.Option(
                "--output", help="Output to rank by; default: the first of scores.", metavar="NODE.PORT"
            ),
        ] = None,
        threshold: Annotated[
            list[str] | None,
            typer.Option(
                "--threshold",
                help="Move a decision (node=value), or decide where the scores are at least a plain number.",
                metavar="NODE=VALUE|NUMBER",
            ),
        ] = None,
        ignore_wavelengths: Annotated[
            bool, typer.Option("--ignore-wavelengths", help="Do not compare band centres with the model's.")
        ] = False,
        resample: Annotated[
            bool, typer.Option("--resample", help="Interpolate spectra linearly to the model's band centres.")
        ] = False,
        device: DeviceOption = "auto",
        threads: ThreadsOption = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    ) -> None:
        """Measure AUROC, average precision, precision, recall, F1 and IoU against a mask.

        What the data does not define is null, with the reason on stderr.

        Example: cuvisc evaluate artifact scene.npz --json
        """
        from cuvisc.runtime.data.opening import split_location
        from cuvisc.runtime.evaluation import evaluate_file
        from cuvisc.runtime.inference import Predictor

        numbers = [number for text in threshold or [] if (number := parse_number(text)) is not None]
        named = parse_thresholds([text for text in threshold or [] if parse_number(text) is None])
        predictor = Predictor(artifact, device=device, threads=threads)
        warn_of_device(predictor)
        path, inside = split_location(input, key)
        result = evaluate_file(
            predictor,
            path,
            cube_key=inside,
            mask=mask,
            score_output=output,
            threshold=numbers[-1] if numbers else None,
            thresholds=named,
            ignore_wavelengths=ignore_wavelengths,
            resample=resample,
        )
        for text in result.warnings:
            warn(text)
        if result.excluded_pixels:
            total = result.pixels + result.excluded_pixels
            warn(
                f"{result.excluded_pixels} of {total} pixels have no data or a score that is NaN and are left out"
            )
        for reason in dict.fromkeys(result.reasons.values()):
            names = ", ".join(name for name, why in result.reasons.items() if why == reason)
            warn(f"no {names}: {reason}")
        if as_json:
            print(json.dumps(asdict(result)))
            return
        print(f"{result.pixels} pixels, {result.anomalies} anomalies, on {result.provider}")
        for name, value in result.metrics().items():
            print(f"{name:<18} {'-' if value is None else f'{value:.6f}'}")

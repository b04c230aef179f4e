"""``cuvisc predict``: an artifact and cubes to files of outputs, without torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cuvisc.cli.running import (
    DeviceOption,
    ThreadsOption,
    parse_thresholds,
    progress_bar,
    warn,
    warn_of_device,
)
from cuvisc.cli.speaking import QuietOption, VerboseOption

if TYPE_CHECKING:
    from cuvisc.runtime.batch import Job
    from cuvisc.runtime.inference import Predictor
    from cuvisc.runtime.prediction import Summary


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def predict(
        artifact: Annotated[
            Path, typer.Argument(help="Folder that `cuvisc export` wrote.", metavar="ARTIFACT")
        ],
        inputs: Annotated[
            list[str],
            typer.Argument(
                help="Cubes: files (ENVI, GeoTIFF, HDF5, NetCDF 4, MAT, Zarr, .npy, .npz; FILE::NAME names an array), "
                "folders, patterns.",
                metavar="INPUT...",
            ),
        ],
        output: Annotated[
            Path,
            typer.Option(
                "--output",
                "-o",
                help="File to write, .npz, .tif or .hdr (with several outputs OUT_node.port.tif); else a folder.",
            ),
        ],
        key: Annotated[str | None, typer.Option("--key", help="Array in the files that is the cube.")] = None,
        format: Annotated[
            str | None,
            typer.Option("--format", help="In a folder: npz, geotiff or envi; default: the input's."),
        ] = None,
        threshold: Annotated[
            list[str] | None,
            typer.Option("--threshold", help="Move a decision: node=value.", metavar="NODE=VALUE"),
        ] = None,
        ignore_wavelengths: Annotated[
            bool, typer.Option("--ignore-wavelengths", help="Do not compare band centres with the model's.")
        ] = False,
        resample: Annotated[
            bool, typer.Option("--resample", help="Interpolate spectra linearly to the model's band centres.")
        ] = False,
        device: DeviceOption = "auto",
        threads: ThreadsOption = None,
        force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
        skip_existing: Annotated[
            bool,
            typer.Option(
                "--skip-existing",
                help="Leave out inputs whose outputs by this model and thresholds are all there.",
            ),
        ] = False,
        quiet: QuietOption = False,
        verbose: VerboseOption = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    ) -> None:
        """Run the whole graph, from the raw cube on, with ONNX Runtime.

        The outputs are named node.port and are on the cube's grid. In a folder, GeoTIFF and ENVI inputs give files of
        their own format. A cube that cannot be read is reported and the others are done.

        Example: cuvisc predict artifact scene.hdr -o scores.hdr
        """
        from cuvisc.runtime.batch import plan_jobs
        from cuvisc.runtime.inference import Predictor
        from cuvisc.runtime.inputs import find_inputs
        from cuvisc.runtime.provenance import notes_of
        from cuvisc.schema.errors import DataError, SpecError

        if resample and ignore_wavelengths:
            raise SpecError("--resample and --ignore-wavelengths exclude each other")
        thresholds = parse_thresholds(threshold or [])
        predictor = Predictor(artifact, device=device, threads=threads)
        found = find_inputs(inputs, key, predictor.output_names)
        notes = notes_of(predictor, thresholds)
        plan = plan_jobs(found, output, predictor.output_names, format, force, skip_existing, notes)
        if plan.stale:
            reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(plan.stale.items()))
            cubes = "1 cube" if plan.stale.total() == 1 else f"{plan.stale.total()} cubes"
            warn(f"outputs of {cubes} are made anew: {reasons}")
        warn_of_device(predictor)
        options = {
            "thresholds": thresholds,
            "ignore": ignore_wavelengths,
            "resample": resample,
            "several": len(found.cubes) > 1,
        }
        if found.single and plan.jobs:
            summary = _run(predictor, plan.jobs[0], options, "predict")
            print(json.dumps(summary.to_json()) if as_json else _words(summary))
            return
        done: list[Summary] = []
        failed: list[dict[str, str]] = []
        for number, job in enumerate(plan.jobs, 1):
            try:
                done.append(_run(predictor, job, options, f"{number}/{len(plan.jobs)} {job.cube.path.name}"))
            except DataError as error:
                failed.append({"input": str(job.cube.path), "error": str(error)})
                print(f"error: {error}", file=sys.stderr)
                continue
            if not as_json:
                print(f"{done[-1].input} -> {', '.join(dict.fromkeys(done[-1].files.values()))}")
        skipped = [str(cube.path) for cube in plan.skipped]
        if as_json:
            results = [summary.to_json() for summary in done]
            print(json.dumps({"results": results, "skipped": skipped, "failed": failed}))
        else:
            print(f"{len(done)} predicted, {len(skipped)} skipped, {len(failed)} failed")
        if failed:
            raise DataError(f"{len(failed)} of {len(plan.jobs)} cubes could not be predicted")


def _run(predictor: Predictor, job: Job, options: dict[str, Any], what: str) -> Summary:
    """One cube, with its warnings."""
    from cuvisc.runtime.batch import run_job

    with progress_bar(1, what) as progress:
        summary, warnings = run_job(predictor, job, progress=progress, **options)
    for warning in warnings:
        warn(warning)
    return summary


def _words(summary: Summary) -> str:
    """What was done, for people."""
    first = (
        f"{summary.pixels} pixels of {summary.bands} bands in {summary.seconds:.3g} s, "
        f"{summary.mpixels_per_second:.3g} Mpixel/s on {summary.provider}"
    )
    outputs = [f"{name}  {'x'.join(map(str, shape))}" for name, shape in summary.outputs.items()]
    return "\n".join([first, *outputs, *dict.fromkeys(summary.files.values())])

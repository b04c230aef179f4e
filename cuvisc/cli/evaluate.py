"""``cuvisc evaluate``: an artifact and cubes with their masks to detection quality, without torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cuvisc.cli.running import (
    DeviceOption,
    ThreadsOption,
    parse_number,
    parse_thresholds,
    progress_bar,
    warn,
    warn_of_device,
)
from cuvisc.cli.speaking import QuietOption, VerboseOption

if TYPE_CHECKING:
    from cuvisc.runtime.evaluation import Evaluator, Measured
    from cuvisc.runtime.evaluation_folder import Evaluation
    from cuvisc.runtime.findings import Findings
    from cuvisc.runtime.inputs import Input


def _class_ids(text: str | None) -> list[int | str] | None:
    """`2,5` or `stone,grain`: numbers are ids, all else names."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [int(name) if name.removeprefix("-").isdecimal() else name for name in names]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def evaluate(
        artifact: Annotated[
            Path, typer.Argument(help="Folder that `cuvisc export` wrote.", metavar="ARTIFACT")
        ],
        inputs: Annotated[
            list[str],
            typer.Argument(
                help="Cubes of any format (files, folders, patterns), each with a mask that is > 0 on anomalies in it "
                "or beside it.",
                metavar="INPUT...",
            ),
        ],
        out: Annotated[
            Path | None,
            typer.Option("--out", "-o", help="Folder to write: JSON, CSV and figures.", metavar="FOLDER"),
        ] = None,
        key: Annotated[str | None, typer.Option("--key", help="Array in the files that is the cube.")] = None,
        mask: Annotated[
            str,
            typer.Option(
                "--mask",
                help="Mask: an array in the file, or a file; with {stem}, one for every cube, as .json COCO of all. "
                "Default: `mask`, else such as scene_mask.png, else `labels` or scene_labels.png.",
                metavar="NAME|FILE",
            ),
        ] = "mask",
        anomaly_classes: Annotated[
            str | None,
            typer.Option(
                "--anomaly-classes",
                help="Class ids that are anomalies, or names of COCO; default: whatever is above 0.",
                metavar="ID,ID…",
            ),
        ] = None,
        ignore_label: Annotated[
            int | None, typer.Option("--ignore-label", help="Value of mask or labels on pixels to leave out.")
        ] = None,
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
        force: Annotated[bool, typer.Option("--force", help="Replace the folder that -o names.")] = False,
        quiet: QuietOption = False,
        verbose: VerboseOption = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
        as_csv: Annotated[bool, typer.Option("--csv", help="Print a line for every file as CSV.")] = False,
    ) -> None:
        """Measure a detector against masks, of every file and of all.

        AUROC, average precision, precision, recall, F1 and IoU.

        With -o also the curves, and what every threshold worth knowing decides. Of every pixel one float32 is kept, so
        that all of it is exact; what the data does not define is left out, with the reason on stderr. A cube that
        cannot be measured is reported and the others are done.

        Example: cuvisc evaluate artifact scenes/ -o evaluation
        """
        from cuvisc.cli.evaluation_table import in_words
        from cuvisc.runtime.atomic import refuse_existing
        from cuvisc.runtime.evaluation import Evaluator
        from cuvisc.runtime.evaluation_folder import Evaluation, write_folder
        from cuvisc.runtime.inference import Predictor
        from cuvisc.runtime.inputs import find_inputs
        from cuvisc.runtime.judging import Judge
        from cuvisc.schema.errors import DataError, SpecError

        if as_json and as_csv:
            raise SpecError("--json and --csv exclude each other")
        numbers = [number for text in threshold or [] if (number := parse_number(text)) is not None]
        named = parse_thresholds([text for text in threshold or [] if parse_number(text) is None])
        judge = Judge(mask, _class_ids(anomaly_classes), ignore_label)
        found = find_inputs(inputs, key).cubes
        known = judge.cubes_among([cube.path for cube in found])
        cubes = [cube for cube in found if cube.path in known]
        if len(cubes) > 1 and judge.of_one_cube:
            raise SpecError(
                f"--mask {mask} is the mask of one cube; there are {len(cubes)}; with {{stem}} in its name it is one "
                "for every cube"
            )
        if out is not None:
            refuse_existing(out, force)
        predictor = Predictor(artifact, device=device, threads=threads)
        warn_of_device(predictor)
        evaluator = Evaluator(
            predictor,
            judge=judge,
            score_output=output,
            threshold=numbers[-1] if numbers else None,
            thresholds=named,
            ignore_wavelengths=ignore_wavelengths,
            resample=resample,
        )
        measured, failed = _run(evaluator, cubes)
        evaluation = Evaluation.of(evaluator, measured, failed, numbers)
        _warn(evaluation)
        if out is not None:
            write_folder(evaluation, out, force=force)
        if as_json:
            print(json.dumps(evaluation.to_json()))
        elif as_csv:
            print(evaluation.files_csv(), end="")
        else:
            print(in_words(evaluation), *([out] if out is not None else []), sep="\n")
        if failed:
            raise DataError(f"{len(failed)} of {len(cubes)} cubes could not be measured")


def _run(evaluator: Evaluator, cubes: list[Input]) -> tuple[list[Measured], dict[str, str]]:
    """Every cube measured, or why it cannot be; the only one, or the last hope, raises."""
    from cuvisc.schema.errors import DataError

    measured: list[Measured] = []
    failed: dict[str, str] = {}
    for number, cube in enumerate(cubes, 1):
        what = "evaluate" if len(cubes) == 1 else f"{number}/{len(cubes)} {cube.path.name}"
        try:
            with progress_bar(1, what) as progress:
                measured.append(evaluator.run(*cube, progress=progress))
        except DataError as error:
            if len(cubes) == 1:
                raise
            failed[str(cube.path)] = str(error)
            print(f"error: {error}", file=sys.stderr)
    if not measured:
        raise DataError(f"none of the {len(cubes)} cubes could be measured")
    return measured, failed


def _warn(evaluation: Evaluation) -> None:
    """What the files and the numbers leave in doubt, each once."""
    several = len(evaluation.files) > 1
    for text in dict.fromkeys(text for texts in evaluation.warnings.values() for text in texts):
        warn(text)
    together: Findings = evaluation.together
    if together.excluded_pixels:
        total = together.pixels + together.excluded_pixels
        warn(
            f"{together.excluded_pixels} of {total} pixels are left out: "
            "no data, a score that is NaN, or a mask that says nothing"
        )
    if evaluation.is_mixed:
        warn(
            f"`{evaluation.decision_output}` follows from no threshold on `{evaluation.score_output}`: they are of "
            "different parts of the graph; --output ranks by another output"
        )
    _warn_of_reasons("", together.reasons)
    for name, found in evaluation.files.items() if several else ():
        own = {key: why for key, why in found.reasons.items() if together.reasons.get(key) != why}
        _warn_of_reasons(f"{name}: ", own)


def _warn_of_reasons(where: str, reasons: dict[str, Any]) -> None:
    for reason in dict.fromkeys(reasons.values()):
        names = ", ".join(name for name, why in reasons.items() if why == reason)
        warn(f"{where}no {names}: {reason}")

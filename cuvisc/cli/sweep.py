"""`cuvisc sweep`: a spec and overrides with several values to one run for every combination, compared in a table."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def sweep(
        arguments: Annotated[
            list[str],
            typer.Argument(
                metavar="SPEC",
                help="Spec file, then overrides; several values make several runs: key=1,2 or key=range(1,4).",
            ),
        ],
        out: Annotated[
            Path | None,
            typer.Option("--out", "-o", help="Folder of the runs; default: runs/<name>/sweep-<time>."),
        ] = None,
        sweeper: Annotated[
            str,
            typer.Option(
                "--sweeper", help="Hydra's sweeper: basic makes every combination; optuna, ax search."
            ),
        ] = "basic",
        launcher: Annotated[
            str, typer.Option("--launcher", help="Hydra's launcher: basic, joblib, ray, submitit_slurm, …")
        ] = "basic",
        jobs: Annotated[
            int | None,
            typer.Option("--jobs", "-j", min=1, help="Runs at a time; needs a launcher such as joblib."),
        ] = None,
        objective: Annotated[
            str, typer.Option("--objective", help="Logged value that makes a run the best.", metavar="NAME")
        ] = "val/loss/total",
        maximize: Annotated[bool, typer.Option("--maximize", help="The largest value is the best.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print sweep.json instead of a table.")] = False,
        quiet: Annotated[
            bool, typer.Option("--quiet", "-q", help="No line for every run on stderr.")
        ] = False,
    ) -> None:
        """Train one run for every combination of values.

        They are compared in a table. Every combination is checked before the first run starts. A run that fails does
        not stop the others. Hydra's own settings go along: hydra.sweeper.n_trials=20. Where runs finish and none has
        the objective, the sweep leaves with 3.

        Example: cuvisc sweep specs/anomaly.yaml training.optimizer.lr=1e-3,1e-2 training.seed=1,2
        """
        from cuvisc.cli.specs import check_file, one_spec
        from cuvisc.cli.terminal import wants_color
        from cuvisc.runtime.hydra_jobs import is_setting, settings_for
        from cuvisc.runtime.objective import Objective, check_objective
        from cuvisc.runtime.sweep import check_combinations, new_folder, split_overrides, unranked, worst_code
        from cuvisc.runtime.sweep import sweep as make_runs
        from cuvisc.runtime.sweep_run import TrainOne
        from cuvisc.schema.errors import SpecError
        from cuvisc.schema.render import render_text

        path, texts = one_spec(arguments)
        given = [text for text in texts if is_setting(text)]
        if maximize and sweeper == "optuna":
            given.append("hydra.sweeper.direction=maximize")
        settings = settings_for(sweeper, launcher, jobs, given)
        overrides = split_overrides([text for text in texts if not is_setting(text)])
        if overrides.searched and sweeper == "basic":
            raise SpecError(
                "interval(…) is for a sweeper that searches, such as --sweeper optuna; or list values: key=1,2"
            )
        checked, diagnostics = check_combinations(path, overrides, check_file)
        if checked is None:
            raise SpecError(diagnostics=diagnostics)
        goal = Objective(objective, "max" if maximize else "min")
        warning = check_objective(goal, checked.logged)
        if len(diagnostics):
            print(render_text(diagnostics, color=wants_color(sys.stderr)), file=sys.stderr)
        if warning:
            print(f"warning: {warning}", file=sys.stderr)
        folder = out or new_folder(checked.graph)
        level = logging.WARNING if quiet else logging.INFO
        found = make_runs(TrainOne(path, overrides.fixed, goal, level), overrides, folder, settings)
        if as_json:
            print(json.dumps({"sweep": str(folder), **found}))
        else:
            _print_table(found, folder)
        _print_errors(found, folder)
        if fact := unranked(found):
            print(f"error: {fact}", file=sys.stderr)
        code = worst_code(found)
        if code:
            raise typer.Exit(code)


def _print_table(found: dict[str, Any], folder: Path) -> None:
    from rich.console import Console

    from cuvisc.cli.sweep_table import draw_table

    wide = None if sys.stdout.isatty() else 1000
    Console(width=wide, highlight=False).print(draw_table(found, folder))


def _print_errors(found: dict[str, Any], folder: Path) -> None:
    from cuvisc.schema.render import printable

    for run in found["runs"]:
        if run["status"] != "finished":
            error = run["error"] or {"message": "it ended without a word"}
            print(
                f"error: {folder / run['run']}: {printable(error['message'], keep_newlines=True)}",
                file=sys.stderr,
            )

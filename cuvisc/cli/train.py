"""`cuvisc train`: a spec to a run folder, statistics first, then gradients."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def train(
        arguments: Annotated[
            list[str],
            typer.Argument(metavar="SPEC", help="Spec file, then overrides: key=value, +key=value, ~key."),
        ] = [],  # noqa: B006 - Typer never changes it
        out: Annotated[
            Path | None,
            typer.Option(
                "--out", "-o", help="Run folder; default: runs/<name>/<time>-<hash>.", metavar="RUN_DIR"
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print a summary of the run as JSON.")] = False,
        quiet: Annotated[
            bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")
        ] = False,
        verbose: Annotated[
            bool,
            typer.Option("--verbose", "-v", help="Say more on stderr: every epoch, times, decisions, files."),
        ] = False,
        force: Annotated[
            bool, typer.Option("--force", help="Write into a folder that is not empty.")
        ] = False,
        resume: Annotated[
            Path | None,
            typer.Option(
                "--resume", help="Go on with an interrupted run, in place of a SPEC.", metavar="RUN_DIR"
            ),
        ] = None,
    ) -> None:
        """Fit and train a graph, and keep everything in a run folder.

        A resumed run goes on after its last whole epoch as if nothing had happened, with the spec of its folder. Of
        overrides it takes those that leave the graph as it is, such as a larger training.trainer.max_epochs.

        Example: cuvisc train specs/anomaly.yaml training.trainer.max_epochs=20
        """
        from cuvisc.cli.speaking import level_of
        from cuvisc.cli.specs import compile_file
        from cuvisc.cli.terminal import wants_color
        from cuvisc.runtime.ranks import is_first
        from cuvisc.schema.errors import SpecError
        from cuvisc.schema.render import render_text

        if verbose and quiet:
            raise SpecError("--verbose and --quiet exclude each other")
        path, overrides = _spec_of(arguments, out, force, resume)
        graph, diagnostics = compile_file(path, overrides)
        if len(diagnostics) and is_first():
            print(render_text(diagnostics, color=wants_color(sys.stderr)), file=sys.stderr)

        from cuvisc.runtime.components import make_config, make_datamodule, make_monitors
        from cuvisc.runtime.progress import log, spoken
        from cuvisc.runtime.training import train as run_both_phases

        with spoken(level_of(verbose, quiet), always=True):
            config = make_config(graph.spec)
            if quiet and config.trainer.enable_progress_bar is None:
                config.trainer.enable_progress_bar = False
            run = run_both_phases(
                graph,
                make_datamodule(graph.spec),
                config,
                run_dir=out,
                force=force,
                resume=resume,
                monitors=make_monitors(graph.spec),
                overrides=overrides,
            )
            first = run.trainer.is_global_zero
            for path in sorted(run.folder.rglob("*") if first else ()):
                if path.is_file():
                    log.debug("%s: %.1f kB", path, path.stat().st_size / 1000)
        if first:
            print(json.dumps(_summary(run.folder, run.facts)) if as_json else run.folder)


def _spec_of(
    arguments: list[str], out: Path | None, force: bool, resume: Path | None
) -> tuple[Path, list[str]]:
    """The spec file to train, and the overrides: those named, or that of the run to resume."""
    from cuvisc.cli.specs import one_spec, split_arguments
    from cuvisc.runtime.run_folder import RESOLVED, read_run
    from cuvisc.schema.errors import SpecError

    if resume is None:
        return one_spec(arguments)
    paths, overrides = split_arguments(arguments)
    if paths:
        raise SpecError(f"--resume goes on with the spec of {resume}; leave out {paths[0]}")
    if out is not None or force:
        raise SpecError(
            f"--resume writes into {resume}; leave out {'--out' if out is not None else '--force'}"
        )
    read_run(resume)
    return resume / RESOLVED, overrides


def _summary(folder: Path, facts: Any) -> dict[str, Any]:
    wanted = (
        "name",
        "status",
        "seed",
        "device",
        "epochs",
        "steps",
        "trained",
        "kept",
        "best",
        "metrics",
        "seconds",
    )
    return {"run": str(folder), **{name: facts[name] for name in wanted}, "phase1": facts["phase1"]}

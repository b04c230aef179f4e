"""One run of a sweep: a spec and the overrides of one combination to a run folder that says how it ended."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.objective import Objective
from cuvisc.schema.catalogue import load
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.errors import CuviscError, SpecError
from cuvisc.schema.front_end import load_spec

_log = logging.getLogger("cuvisc.sweep")


def compile_spec(path: Path, overrides: Sequence[str]) -> tuple[TypedGraph | None, Diagnostics]:
    """The typed graph of a spec file, None when there are errors, and everything there is to say about it."""
    spec, diagnostics = load_spec(path, overrides)
    graph = check_graph(spec, load(), diagnostics) if spec is not None else None
    return (None if diagnostics.has_errors else graph), diagnostics


@dataclass(frozen=True)
class TrainOne:
    """The job of a sweep: one run in its folder. It never raises but for an interrupt; the folder says how it ended."""

    spec: Path
    fixed: tuple[str, ...]
    objective: Objective = field(default_factory=Objective)
    level: int = logging.INFO

    def __call__(self, folder: Path, overrides: Sequence[str]) -> float:
        from cuvisc.runtime.progress import spoken

        _log.setLevel(self.level)
        with spoken(logging.WARNING):
            started = time.perf_counter()
            facts = self._run(folder, overrides)
            _log.info(
                "%s (%s): %s in %.1f s%s",
                folder.name,
                " ".join(overrides) or "as it stands",
                facts["status"],
                time.perf_counter() - started,
                _fact(facts, self.objective),
            )
        value = self.objective.of(facts.get("metrics") or {})
        return math.nan if value is None else value

    def _run(self, folder: Path, overrides: Sequence[str]) -> Mapping[str, Any]:
        from cuvisc.runtime.components import make_config, make_datamodule, make_monitors
        from cuvisc.runtime.training import train

        given = [*self.fixed, *overrides]
        graph, diagnostics = compile_spec(self.spec, given)
        if graph is None:
            return _record(None, folder, given, SpecError(diagnostics=diagnostics))
        try:
            config = make_config(graph.spec)
            if config.trainer.enable_progress_bar is None:
                config.trainer.enable_progress_bar = False
            data, monitors = make_datamodule(graph.spec), make_monitors(graph.spec)
            train(graph, data, config, run_dir=folder, monitors=monitors, overrides=given)
        except Exception as error:
            # One failed run is a line of the table; its folder keeps the reason, the others are made.
            return _record(graph, folder, given, error)
        return _record(graph, folder, given, None)


def _record(
    graph: TypedGraph | None, folder: Path, overrides: Sequence[str], error: Exception | None
) -> Mapping[str, Any]:
    """Add to run.json what the sweep knows of the run, making it where the run did not get that far."""
    from cuvisc.runtime.environment import without_secrets
    from cuvisc.runtime.run_folder import FORMAT as RUN_FORMAT
    from cuvisc.runtime.run_folder import RUN, RunFolder, read_run

    if (folder / RUN).exists():
        run = RunFolder(folder, facts=read_run(folder))
    elif graph is not None:
        run = RunFolder.create(graph.spec, folder)
    else:
        run = RunFolder(folder, facts={"format": RUN_FORMAT, "status": "running"})
    if error is not None:
        message = str(error) if graph is None else without_secrets(str(error), graph.spec)
        run.finish("failed", error={"type": type(error).__name__, "message": message})
    code = 0 if error is None else error.exit_code if isinstance(error, CuviscError) else 1
    run.record(overrides=list(overrides), exit_code=code)
    return run.facts


def _fact(facts: Mapping[str, Any], objective: Objective) -> str:
    if facts.get("error"):
        return f": {facts['error']['message'].partition(chr(10))[0]}"
    value = objective.of(facts.get("metrics") or {})
    return "" if value is None else f", {objective.name} {value:.4g}"

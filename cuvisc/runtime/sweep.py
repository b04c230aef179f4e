"""A spec and overrides with several values to one run folder for every combination, and what came of them.

Every combination is checked before the first run starts. A run that fails is recorded in its folder and the others are
made. `sweep.json` lists them all. How runs are spread over processes is up to `cuvisc.runtime.hydra_jobs`.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.logged import Logged, expected_names
from cuvisc.compiler.references import listed
from cuvisc.runtime.atomic import write_text
from cuvisc.runtime.hydra_jobs import configure, drive
from cuvisc.runtime.main_metrics import main_first
from cuvisc.runtime.sweep_run import TrainOne
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Span
from cuvisc.schema.errors import DataError, SpecError
from cuvisc.schema.overrides import OVERRIDE_FILE

FORMAT = 1
SWEEP = "sweep.json"
MAX_RUNS = 10_000
Check: TypeAlias = Callable[[Path, Sequence[str]], tuple[TypedGraph | None, Diagnostics]]


@dataclass(frozen=True)
class Swept:
    """The overrides of a sweep: `fixed` ones hold for every run, `swept` ones have several values."""

    fixed: tuple[str, ...]
    swept: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    searched: bool = False

    @property
    def count(self) -> int:
        """The number of combinations."""
        return math.prod(len(values) for values in self.choices)

    def combinations(self) -> Iterator[tuple[str, ...]]:
        """The overrides of every combination, in the order of a sweep: what was written last changes first."""
        return itertools.product(*self.choices)


def split_overrides(texts: Sequence[str]) -> Swept:
    """Overrides by whether they have several values, in Hydra's grammar; raises :class:`SpecError`."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    fixed, swept, choices = [], [], []
    searched = False
    for text in texts:
        try:
            parsed = OverridesParser.create().parse_override(text)
            if not parsed.is_sweep_override():
                fixed.append(text)
                continue
            swept.append(text)
            if not parsed.is_discrete_sweep():
                searched = True
                continue
            values = tuple(itertools.islice(parsed.sweep_string_iterator(), MAX_RUNS + 1))
        except (HydraException, ValueError, RecursionError) as error:
            fact = str(error).partition("\n")[0] or "it cannot be read"
            raise SpecError(f"`{text}` is not an override in Hydra's grammar: {fact}") from error
        if not values:
            raise SpecError(f"`{text}` has no values, so that there is nothing to run")
        choices.append(tuple(f"{parsed.get_key_element()}={value}" for value in values))
    found = Swept(tuple(fixed), tuple(swept), tuple(choices), searched)
    if found.count > MAX_RUNS:
        raise SpecError(f"the sweep has more than {MAX_RUNS} combinations")
    return found


@dataclass(frozen=True)
class Checked:
    """The typed graph of the first combination, and what is logged by any, each answer once."""

    graph: TypedGraph
    logged: tuple[Logged, ...]


def check_combinations(path: Path, overrides: Swept, check: Check) -> tuple[Checked | None, Diagnostics]:
    """What all combinations are, None when any has errors, and what there is to say about them.

    `check` makes the graph of a spec file and overrides, None when there are errors, and says what it finds.
    Values that a search draws later are checked when their run starts.
    """
    everything = Diagnostics()
    texts: dict[str, int] = {}
    first: TypedGraph | None = None
    logged: dict[Logged, None] = {}
    for chosen in overrides.combinations():
        given = [*overrides.fixed, *chosen]
        graph, found = check(path, given)
        _add(found, everything, texts)
        if graph is not None:
            first = first or graph
            logged[expected_names(graph)] = None
        if everything.full:
            break
    if first is None or everything.has_errors:
        return None, everything
    return Checked(first, tuple(logged)), everything


def _add(found: Diagnostics, everything: Diagnostics, texts: dict[str, int]) -> None:
    """Add one combination's findings to those of all; lines of overrides are numbered through all combinations."""
    lines = found.sources.get(OVERRIDE_FILE, ())

    def moved(span: Span) -> Span:
        if span.file != OVERRIDE_FILE:
            return span
        return replace(span, line=texts.setdefault(lines[span.line - 1], len(texts) + 1))

    for one in found:
        notes = tuple((moved(span), text) for span, text in one.notes)
        everything.add(replace(one, span=one.span and moved(one.span), notes=notes))
    everything.sources.update({file: text for file, text in found.sources.items() if file != OVERRIDE_FILE})
    everything.sources[OVERRIDE_FILE] = tuple(texts)


def new_folder(graph: TypedGraph) -> Path:
    """runs/<name>/sweep-<time>, which does not exist."""
    from cuvisc.runtime.run_folder import public_name

    stem = f"sweep-{time.strftime('%Y%m%d-%H%M%S')}"
    root = Path("runs") / public_name(graph.spec)
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    return next(root / name for name in names if not (root / name).exists())


def sweep(job: TrainOne, overrides: Swept, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Make every run; returns what sweep.json holds, which is written also when the sweep is interrupted."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SpecError(f"{folder} exists and is not empty; choose another --out")
    config = configure(folder, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    try:
        drive(job, overrides.swept, config)
    finally:
        found = _collect(job, overrides, folder)
        write_text(folder / SWEEP, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return found


def _collect(job: TrainOne, overrides: Swept, folder: Path) -> dict[str, Any]:
    from cuvisc.runtime.run_folder import RUN, read_run

    names = sorted((path.name for path in folder.iterdir() if path.name.isdecimal()), key=int)
    runs = []
    for name in names:
        lost: dict[str, Any] = {"status": "lost"}
        facts = read_run(folder / name) if (folder / name / RUN).exists() else lost
        chosen = facts.get("overrides", list(job.fixed))[len(job.fixed) :]
        runs.append(
            {
                "run": name,
                "overrides": chosen,
                "status": facts["status"],
                "exit_code": facts.get("exit_code", 0 if facts["status"] == "finished" else 1),
                "error": facts.get("error"),
                "metrics": facts.get("metrics") or {},
                "seconds": (facts.get("seconds") or {}).get("total"),
            }
        )
    return {
        "format": FORMAT,
        "spec": str(job.spec),
        "fixed": list(overrides.fixed),
        "swept": list(overrides.swept),
        "objective": {"name": job.objective.name, "mode": job.objective.mode},
        "runs": runs,
        "best": job.objective.best(runs),
    }


def unranked(found: Mapping[str, Any]) -> str:
    """Why runs that finished are not ranked, "" where one is the best or none finished."""
    finished = [run for run in found["runs"] if run["status"] == "finished"]
    if found["best"] is not None or not finished:
        return ""
    fact = f"no run has a finite `{found['objective']['name']}`, so that none is the best"
    logged = main_first(name for run in finished for name in run["metrics"])
    return f"{fact}; logged are {listed(logged)}" if logged else f"{fact}; nothing was logged"


def worst_code(found: Mapping[str, Any]) -> int:
    """The exit code of a sweep: 0, or that of the worst run; an internal error is worse than any other.

    Where every run finished and none could be ranked it is that of an error in the data.
    """
    codes = [int(run["exit_code"]) for run in found["runs"]]
    if unranked(found):
        codes.append(DataError.exit_code)
    return 1 if 1 in codes else max(codes, default=0)

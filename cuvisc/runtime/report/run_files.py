"""A run folder to everything that a report shows; what is missing or damaged is named. Never torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cuvisc.compiler.views.summary import Summary
from cuvisc.runtime.report.evidence import EVIDENCE, Evidence
from cuvisc.runtime.report.history import History, read_history
from cuvisc.runtime.run_folder import RESOLVED, read_run
from cuvisc.schema.errors import CuviscError, DataError

RUN, ENDED = "started", "ended"
METRICS, FIGURES = "metrics.jsonl", "figures"
EXPORT = "export.json"
_SECTIONS = ("version", "graph", "nodes", "loss_leaves", "metric_leaves", "visualization_leaves")
_FIGURE = re.compile(r"(?P<leaf>.+)-(?P<stage>[a-z]+)-(?P<step>\d+)\.png")
_LARGEST_TEXT = 2**26


@dataclass(frozen=True)
class LeafFigure:
    """The newest figure of a visualization leaf, and how many older ones there are."""

    leaf: str
    stage: str
    step: int
    path: Path
    older: int


@dataclass
class RunFiles:
    """A run, as far as it can be read; `problems` says by name why something cannot."""

    folder: Path
    facts: Mapping[str, Any]
    evidence: Evidence | None = None
    history: History = field(default_factory=History)
    spec: str | None = None
    summary: Summary | None = None
    parity: Mapping[str, Any] | None = None
    figures: tuple[LeafFigure, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> RunFiles:
        """Read a run folder; raises :class:`DataError` only where there is no run."""
        run = cls(folder, read_run(folder))
        run._read_evidence()
        run._read_history()
        run._read_spec()
        run._read_parity()
        run.figures = _figures(folder / FIGURES)
        return run

    @property
    def name(self) -> str:
        """The name of the graph."""
        name = self.summary.graph.name if self.summary is not None else self.facts.get("name")
        return str(name or self.folder.name)

    @property
    def status(self) -> str:
        """finished, failed, interrupted or running."""
        return str(self.facts.get("status", "unknown"))

    def fact(self, *path: str) -> Any:
        """A value of run.json, None where it is not there."""
        value: Any = self.facts
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def found(self, name: str) -> Any:
        """A fact of the evidence, None where there is none."""
        return self.evidence.facts.get(name) if self.evidence is not None else None

    def _read_evidence(self) -> None:
        try:
            evidence = Evidence.read(self.folder / EVIDENCE)
            if evidence.facts.get(RUN) != self.facts.get(RUN):
                raise DataError(f"{EVIDENCE} was left by an earlier run in this folder")
            self.evidence = evidence
        except FileNotFoundError:
            self.problems["evidence"] = (
                f"the run folder holds no {EVIDENCE}, which `cuvisc train` writes when it has finished"
            )
        except DataError as error:
            self.problems["evidence"] = str(error)

    def _read_history(self) -> None:
        try:
            self.history = read_history(self.folder / METRICS)
        except FileNotFoundError:
            self.problems["history"] = f"the run folder holds no {METRICS}"
        except OSError as error:
            self.problems["history"] = f"{METRICS} cannot be read: {error.strerror or error}"

    def _read_spec(self) -> None:
        try:
            self.spec = _text(self.folder / RESOLVED)
        except FileNotFoundError:
            self.problems["spec"] = self.problems["graph"] = f"the run folder holds no {RESOLVED}"
            return
        except (OSError, ValueError) as error:
            self.problems["spec"] = self.problems["graph"] = f"{RESOLVED} cannot be read: {error}"
            return
        try:
            self.summary = _compile(self.spec, self.folder / RESOLVED)
        except CuviscError as error:
            self.problems["graph"] = f"the graph cannot be drawn: {error}"

    def _read_parity(self) -> None:
        try:
            data = json.loads(_text(self.folder / EXPORT))
        except FileNotFoundError:
            self.problems["parity"] = f"the run folder holds no {EXPORT}, which `cuvisc export` leaves"
            return
        except (OSError, ValueError) as error:
            self.problems["parity"] = f"{EXPORT} cannot be read: {error}"
            return
        if not isinstance(data, dict) or not isinstance(data.get("results"), list):
            self.problems["parity"] = f"{EXPORT} does not hold the evidence of an export"
        elif any(data.get(name) != self.facts.get(name) for name in (RUN, ENDED)):
            self.problems["parity"] = f"{EXPORT} is of the weights before the run was trained again"
        else:
            self.parity = data


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_TEXT:
        raise ValueError("it is larger than any such file")
    return path.read_text(encoding="utf-8")


def _compile(text: str, path: Path) -> Summary:
    """The typed graph with its leaves, or without them where it is not clear what they look at.

    What a spec takes from the environment is a secret, and may be another today: it stands as it is written.
    """
    from cuvisc.compiler.check import check_graph
    from cuvisc.schema.catalogue import load
    from cuvisc.schema.diagnostics import Diagnostics
    from cuvisc.schema.errors import SpecError
    from cuvisc.schema.front_end import load_spelled
    from cuvisc.schema.loader import load_tree

    tree = load_tree(text, str(path), Diagnostics())
    plain = tree.plain() if tree is not None else None
    if not isinstance(plain, dict):
        raise SpecError(f"{path.name} is no spec")
    found = Diagnostics()
    for sections in (_SECTIONS, _SECTIONS[:3]):
        kept = {key: plain[key] for key in sections if key in plain}
        spec, found = load_spelled(kept, path.name)
        graph = check_graph(spec, load(), found) if spec is not None else None
        if graph is not None:
            return Summary(graph)
    first = next(iter(found), None)
    raise SpecError(first.message if first is not None else f"{path.name} is no spec")


def _figures(folder: Path) -> tuple[LeafFigure, ...]:
    newest: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob("*.png")) if folder.is_dir() else ():
        match = _FIGURE.fullmatch(path.name)
        if match is not None:
            newest.setdefault((match["leaf"], match["stage"]), []).append((int(match["step"]), path))
    return tuple(
        LeafFigure(leaf, stage, *max(found), len(found) - 1)
        for (leaf, stage), found in sorted(newest.items())
    )

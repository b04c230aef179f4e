"""The logged value by which the runs of a sweep are compared: whether one can have it, and which run is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cuvisc.compiler.logged import Logged
from cuvisc.compiler.references import listed
from cuvisc.runtime.main_metrics import main_first
from cuvisc.schema.errors import SpecError

_DEFAULT = "val/loss/total"


@dataclass(frozen=True)
class Objective:
    """The logged value by which runs are compared."""

    name: str = _DEFAULT
    mode: str = "min"

    def of(self, metrics: Mapping[str, Any]) -> float | None:
        """The value of a run, None where it was not logged or is not finite."""
        value = metrics.get(self.name)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def best(self, runs: Sequence[Mapping[str, Any]]) -> str | None:
        """The name of the best finished run; the first of several that are as good."""
        sign = 1 if self.mode == "min" else -1
        values = {run["run"]: self.of(run["metrics"]) for run in runs if run["status"] == "finished"}
        known = {name: sign * value for name, value in values.items() if value is not None}
        return min(known, key=lambda name: known[name]) if known else None


def check_objective(objective: Objective, logged: Sequence[Logged]) -> str:
    """A warning where it is not certain that every combination logs the objective, else ""; `logged` has theirs.

    Raises :class:`SpecError` where none ever logs it.
    """
    having = sum(one.has(objective.name) for one in logged)
    if all(objective.name in one.names for one in logged):
        return ""
    if having == len(logged):
        return f"whether `{objective.name}` is logged is known only when a run ends"
    if having:
        return f"not every combination logs `{objective.name}`: those that do not are not ranked"
    names = main_first(name for one in logged for name in one.names)
    if objective.name == _DEFAULT:
        raise SpecError(
            f"there is nothing to rank the runs by: `{_DEFAULT}` is never logged{_instead(names)}"
        )
    raise SpecError(f"--objective: `{objective.name}` is never logged; {_advice(objective.name, logged)}")


def _advice(name: str, logged: Sequence[Logged]) -> str:
    everything = Logged(
        tuple(dict.fromkeys(name for one in logged for name in one.names)),
        tuple(dict.fromkeys(beginning for one in logged for beginning in one.beginnings)),
    )
    return everything.advice(name)


def _instead(names: Sequence[str]) -> str:
    validated = [name for name in names if name.startswith("val/")] or list(names)
    if not validated:
        return ", nor anything else; add a loss or a metric to the spec"
    return f"; choose with --objective, and --maximize where more is better: {listed(validated)}"

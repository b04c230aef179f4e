"""metrics.jsonl to series over epochs, each of a few hundred points. NumPy only.

A file that was cut off in the middle of a line, as a killed run leaves it, is read up to there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.curves import thin

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Values [n] over epochs [n]; `last`, `low` and `high` are of all values, drawn or not."""

    epochs: Floats
    values: Floats
    last: float
    low: float
    high: float


@dataclass(frozen=True)
class History:
    """What was logged by name, such as val/loss/total; `lines` were read, `broken` could not be."""

    series: Mapping[str, Series] = field(default_factory=dict)
    lines: int = 0
    broken: int = 0

    @property
    def epochs(self) -> float:
        """How far training came."""
        return max((float(s.epochs[-1]) for s in self.series.values()), default=0.0)


def read_history(path: Path) -> History:
    """Read the file; raises OSError where that fails."""
    collected: dict[str, list[tuple[float, float, float]]] = {}
    lines = broken = 0
    with path.open(encoding="utf-8", errors="replace") as stream:
        for text in stream:
            entry = _entry(text)
            lines += 1
            if entry is None:
                broken += 1
                continue
            name, *point = entry
            collected.setdefault(name, []).append((point[0], point[1], point[2]))
    pace = _steps_per_epoch(collected)
    series = {
        name: made for name, points in collected.items() if (made := _series(name, points, pace)) is not None
    }
    return History(series, lines, broken)


def _entry(text: str) -> tuple[str, float, float, float] | None:
    """Name, step, epoch and value of a line, None for what is no such line; a value that is null is NaN."""
    try:
        line: Any = json.loads(text)
        name, step, epoch, value = line["name"], line["step"], line["epoch"], line["value"]
    except (ValueError, TypeError, KeyError):
        return None
    numbers = [math.nan if part is None else part for part in (step, epoch, value)]
    if not isinstance(name, str) or any(
        isinstance(p, bool) or not isinstance(p, (int, float)) for p in numbers
    ):
        return None
    return name, float(numbers[0]), float(numbers[1]), float(numbers[2])


def _steps_per_epoch(collected: Mapping[str, list[tuple[float, float, float]]]) -> float:
    """From the values that were logged where an epoch ends, else from all."""
    ends = [(step, epoch) for name, points in collected.items() if _at_end(name) for step, epoch, _ in points]
    every = ends or [(step, epoch) for points in collected.values() for step, epoch, _ in points]
    paces = [(step + 1) / (epoch + 1) for step, epoch in every if step >= 0 and epoch >= 0]
    return max(paces, default=1.0)


def _series(name: str, points: list[tuple[float, float, float]], pace: float) -> Series | None:
    array = np.array(points, np.float64)
    step, epoch, values = array.T
    # A training loss is that of the parameters before the step, a validation that of those after the epoch.
    at = epoch + 1 if _at_end(name) else step / pace
    at = np.where(np.isfinite(at), at, np.arange(len(at)))
    order = np.argsort(at, kind="stable")
    at, values = at[order], values[order]
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    x, y = thin(at, values)
    return Series(x, y, float(known[-1]), float(known.min()), float(known.max()))


def _at_end(name: str) -> bool:
    return name.startswith(("val/", "test/"))


def losses(history: History) -> Iterator[str]:
    """The names of losses without their stage, the total first."""
    names = {name.partition("/")[2] for name in history.series if "/loss/" in name}
    yield from sorted(names, key=lambda name: (name != "loss/total", name))

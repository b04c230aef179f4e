"""What came of a sweep to a table: overrides, status, objective, metrics and folder of every run, the best marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuvisc.runtime.main_metrics import main_first

if TYPE_CHECKING:
    from rich.table import Table

_METRIC = "val/metric/"
_SHOWN = 4


def draw_table(found: Mapping[str, Any], folder: Path) -> Table:
    """A row for every run, a column for every swept key."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    runs = found["runs"]
    chosen = [dict(text.partition("=")[::2] for text in run["overrides"]) for run in runs]
    keys = list(dict.fromkeys(key for values in chosen for key in values))
    objective = found["objective"]["name"]
    metrics = main_metrics(runs, objective)
    table = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("", *shortened(keys), "status"):
        table.add_column(Text(title), overflow="fold")
    for title in (objective, *(name.removeprefix(_METRIC) for name in metrics)):
        table.add_column(Text(title), justify="right", overflow="fold")
    table.add_column("run folder", overflow="fold")
    for run, values in zip(runs, chosen, strict=True):
        best = run["run"] == found["best"]
        numbers = [_number(run["metrics"].get(name)) for name in (objective, *metrics)]
        cells = ["best" if best else "", *(values.get(key, "") for key in keys), run["status"], *numbers]
        # Text, not markup: an override may hold brackets.
        table.add_row(*map(Text, [*cells, str(folder / run["run"])]), style="bold" if best else None)
    return table


def main_metrics(runs: Sequence[Mapping[str, Any]], objective: str) -> list[str]:
    """A few metrics to compare by: those of detection and of components first, then as they were logged."""
    logged = dict.fromkeys(name for run in runs for name in run["metrics"] if name.startswith(_METRIC))
    return [name for name in main_first(logged) if name != objective][:_SHOWN]


def shortened(keys: Sequence[str]) -> list[str]:
    """The last part of every dotted key, or the whole key where two would look alike."""
    last = [key.rpartition(".")[2] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "-"

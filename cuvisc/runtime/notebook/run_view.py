"""A run folder to what a notebook shows of it: verdict, key numbers, the loss, and the way to the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cuvisc.runtime.notebook.frame import frame
from cuvisc.runtime.report.epochs import loss
from cuvisc.runtime.report.history import losses
from cuvisc.runtime.report.markup import Html, absent, code, tag
from cuvisc.runtime.report.page import REPORT
from cuvisc.runtime.report.run_files import RunFiles
from cuvisc.runtime.report.verdict import chip, notes, tiles, verdict
from cuvisc.schema.errors import DataError

_SHOWN = 3


def run_text(folder: Path, facts: Mapping[str, Any]) -> str:
    """One line: folder, status, and what was measured last."""
    measured = ((name, value) for name, value in (facts.get("metrics") or {}).items() if value is not None)
    shown = [f"{name} {value:.4g}" for name, value in measured if name.startswith("val/")]
    told = "".join(f", {part}" for part in shown[:_SHOWN]) + (", …" if len(shown) > _SHOWN else "")
    return f"<Run {str(folder)!r}: {facts.get('status', 'unknown')}{told}>"


def run_html(folder: Path) -> Html:
    """What a run folder says; of one that is gone, that it is."""
    try:
        run = RunFiles.read(folder)
    except DataError as error:
        return frame(absent(str(error)))
    names = list(losses(run.history))[:1]
    return frame(
        tag("h2", run.name, " ", chip(run)),
        tag("p", verdict(run), class_="verdict"),
        tiles(run),
        notes(run),
        tag("div", (loss(run, name) for name in names), class_="panels") if names else None,
        _way(folder),
    )


def _way(folder: Path) -> Html:
    page = folder / REPORT
    if not page.is_file():
        return tag("p", "In ", code(str(folder)), "; without a report.")
    # Relative to the notebook, which runs where it lies; never an address of another kind.
    address = page.as_uri() if page.is_absolute() else f"./{quote(page.as_posix())}"
    return tag(
        "p", tag("a", "The whole report", href=address, target="_blank"), " is in ", code(str(folder)), "."
    )

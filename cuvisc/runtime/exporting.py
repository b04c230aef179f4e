"""A trained run to an artifact, and what its export proved to the run's report: for the verb and for Python alike."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cuvisc.runtime.export import Source, export
from cuvisc.runtime.progress import spoken
from cuvisc.runtime.report.exported import leave_export


def export_run(
    source: Source,
    folder: Path,
    run: Path | None,
    *,
    facts: Mapping[str, Any] | None = None,
    force: bool = False,
    always: bool = False,
) -> dict[str, Any]:
    """Write the artifact of what a run trained; returns the parity evidence.

    It is left in the run folder too, None where the source has none; `facts` are those of run.json when the weights
    were taken. Raises what :func:`cuvisc.runtime.export.export` raises; a report that cannot be made again is a
    warning, which the command line shows `always`.
    """
    evidence = export(source, folder, force=force)
    if run is not None:
        with spoken(logging.WARNING, always=always):
            leave_export(run, folder, evidence, facts)
    return evidence

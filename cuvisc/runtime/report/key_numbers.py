"""The numbers at the top of a report as plain data, for programs."""

from __future__ import annotations

from typing import Any

from cuvisc.runtime.report.run_files import RunFiles

_COPIED = (
    "pixels",
    "anomalies",
    "excluded",
    "detections",
    "auroc",
    "average_precision",
    "precision",
    "recall",
    "f1",
    "iou",
    "threshold",
    "best_f1",
    "best_threshold",
    "confusion",
    "reasons",
)
_PROVED = ("artifact", "passed", "max_relative_error", "flipped_decisions")


def key_numbers(run: RunFiles) -> dict[str, Any]:
    """Status, what is measured and how, overlap of validation and training, what an export proved, and
    what is missing by name."""
    main = run.found("main")
    quality = None if not main else {name: main.get(name) for name in _COPIED}
    return {
        "name": run.name,
        "status": run.status,
        "score": main.get("name") if main else None,
        "decision": main.get("decision") if main else None,
        "quality": quality,
        "overlap": run.found("overlap"),
        "parity": None if run.parity is None else {name: run.parity.get(name) for name in _PROVED},
        "missing": dict(sorted(run.problems.items())),
    }

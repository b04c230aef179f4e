"""An evaluation as plain data, as CSV, and as a folder of both with figures. Never torch or matplotlib.

The folder: evaluation.json, files.csv (every file, then all), thresholds.csv, curve.csv (every threshold, at most some
thousand), and roc.svg, precision_recall.svg and scores.svg where the mask allows them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cuvisc.runtime.atomic import atomic_folder
from cuvisc.runtime.evaluation import Evaluator, Measured, Measurement
from cuvisc.runtime.findings import DECIDED, RANKED, Findings, OperatingPoint, findings, operating_points
from cuvisc.runtime.ranking import Ranking

EVALUATION = "evaluation.json"
_MOST_THRESHOLDS = 4000


@dataclass(frozen=True)
class Evaluation:
    """What came of evaluating some files; `failed` are those that could not be measured, and why."""

    artifact: str
    score_output: str | None
    score_unit: str | None
    decision_output: str | None
    provider: str
    together: Findings
    points: Sequence[OperatingPoint]
    files: Mapping[str, Findings]
    warnings: Mapping[str, Sequence[str]]
    failed: Mapping[str, str]
    pooled: Measurement

    @classmethod
    def of(
        cls,
        evaluator: Evaluator,
        measured: Sequence[Measured],
        failed: Mapping[str, str],
        asked: Sequence[float] = (),
    ) -> Evaluation:
        """Put files together; `asked` are thresholds to look at besides those worth knowing."""
        pooled = Measurement.merge([file.measurement for file in measured])
        return cls(
            evaluator.predictor.manifest.name,
            evaluator.scores.name if evaluator.scores else None,
            evaluator.scores.unit if evaluator.scores else None,
            evaluator.decisions.name if evaluator.decisions else None,
            evaluator.predictor.provider,
            findings(pooled),
            operating_points(pooled, asked),
            {file.input: findings(file.measurement) for file in measured},
            {file.input: file.warnings for file in measured},
            failed,
            pooled,
        )

    @property
    def is_mixed(self) -> bool:
        """Whether no threshold on the scores gives the decisions: they are of another part of the graph."""
        counts = self.together.confusion
        if self.score_output is None or self.decision_output is None or counts is None:
            return False
        both = counts.hits + counts.alarms > 0 and counts.misses + counts.rejections > 0
        return both and self.together.threshold is None

    def to_json(self) -> dict[str, Any]:
        """Plain data: the numbers of all files together at the top, then thresholds, then every file."""
        return {
            "artifact": self.artifact,
            "score_output": self.score_output,
            "decision_output": self.decision_output,
            "provider": self.provider,
            **self.together.to_json(),
            "thresholds": [point.to_json() for point in self.points],
            "files": [
                {"input": name, **found.to_json(), "warnings": list(self.warnings[name])}
                for name, found in self.files.items()
            ],
            "failed": [{"input": name, "error": why} for name, why in self.failed.items()],
        }

    def files_csv(self) -> str:
        """A line for every file and one for all of them."""
        head = ("file", "pixels", "anomalies", "excluded_pixels", *RANKED, *DECIDED, "threshold")
        counts = ("hits", "misses", "alarms", "rejections")
        rows = ((name, *_row(found)) for name, found in (*self.files.items(), ("all", self.together)))
        return _csv((*head, *counts), rows)

    def thresholds_csv(self) -> str:
        """A line for every threshold worth knowing."""
        rows = [point.to_json() for point in self.points]
        return _csv(rows[0] if rows else (), (row.values() for row in rows))


def write_folder(evaluation: Evaluation, folder: Path, *, force: bool = False) -> None:
    """Write the folder, whole or not at all; raises :class:`cuvisc.schema.errors.SpecError` where it is in use."""
    texts = {
        EVALUATION: json.dumps(evaluation.to_json(), indent=1, ensure_ascii=False) + "\n",
        "files.csv": evaluation.files_csv(),
        "thresholds.csv": evaluation.thresholds_csv(),
        **dict(_curves(evaluation)),
        **dict(_figures(evaluation)),
    }
    with atomic_folder(folder, mark=EVALUATION, force=force) as temporary:
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="")


def _row(found: Findings) -> Iterator[object]:
    yield from (found.pixels, found.anomalies, found.excluded_pixels)
    yield from (*found.metrics().values(), found.threshold)
    yield from asdict(found.confusion).values() if found.confusion is not None else [None] * 4


def _csv(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return stream.getvalue()


def _curves(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    ranking = _ranked(evaluation)
    if ranking is None:
        return
    size = ranking.thresholds.size
    index = np.unique(np.linspace(0, size - 1, min(size, _MOST_THRESHOLDS)).round().astype(np.int64))
    points = (OperatingPoint("", float(t), ranking.confusion(float(t))) for t in ranking.thresholds[index])
    rows = [{key: value for key, value in point.to_json().items() if key != "at"} for point in points]
    yield "curve.csv", _csv(rows[0], (row.values() for row in rows))


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    from cuvisc.runtime.curves import histogram, thin_along
    from cuvisc.runtime.report import detection_charts as charts
    from cuvisc.runtime.report.svg_file import svg_file

    found, ranking, decided = evaluation.together, evaluation.pooled.ranking, evaluation.together.confusion
    if ranking is not None and evaluation.score_output is not None:
        counts = histogram(ranking.negatives, ranking.positives, found.threshold)
        if counts:
            chart = charts.histogram_chart(
                counts, evaluation.score_output, evaluation.score_unit, found.threshold
            )
            yield "scores.svg", svg_file("Scores", chart)
    ranking = _ranked(evaluation)
    if ranking is None or found.auroc is None or found.average_precision is None:
        return
    roc = np.stack(thin_along(*ranking.roc()))
    yield "roc.svg", svg_file("ROC", charts.roc_chart(roc, found.auroc, decided))
    curve, base = np.stack(thin_along(*ranking.precision_recall())), found.anomalies / found.pixels
    chart = charts.precision_recall_chart(curve, found.average_precision, base, decided)
    yield "precision_recall.svg", svg_file("Precision and recall", chart)


def _ranked(evaluation: Evaluation) -> Ranking | None:
    """The scores in order, where they say how well anomalies are told apart."""
    return evaluation.pooled.ranking if evaluation.together.auroc is not None else None

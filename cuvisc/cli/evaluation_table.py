"""An evaluation in words: six numbers, what thresholds decide, the confusion, and every file in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cuvisc.runtime.evaluation_folder import Evaluation
    from cuvisc.runtime.findings import Findings

_POINT = ("threshold", "recall", "fpr", "precision", "f1", "iou")
_HEAD = ("at", "score >=", *_POINT[1:])


def in_words(evaluation: Evaluation) -> str:
    """The whole text, without a last line end."""
    return "\n".join(_lines(evaluation))


def _lines(evaluation: Evaluation) -> Iterator[str]:
    found, several = evaluation.together, len(evaluation.files) > 1
    files = f"{len(evaluation.files)} files, " if several else ""
    yield f"{files}{found.pixels} pixels, {found.anomalies} anomalies, on {evaluation.provider}"
    ranked = [f"ranked by {evaluation.score_output}"] if evaluation.score_output else []
    decided = [f"decided by {evaluation.decision_output}"] if evaluation.decision_output else []
    yield ", ".join(ranked + decided)
    for name, value in found.metrics().items():
        yield f"{name:<18} {'-' if value is None else f'{value:.6f}'}"
    if evaluation.points:
        yield ""
        yield from _columns(_HEAD, [_point(point.to_json()) for point in evaluation.points])
    if found.confusion is not None:
        counts = found.confusion
        yield ""
        rows = [
            ["anomalous", str(counts.hits), str(counts.misses)],
            ["normal", str(counts.alarms), str(counts.rejections)],
        ]
        yield from _columns(("pixels that are", "decided anomalous", "decided normal"), rows)
    if several:
        yield ""
        head = (
            "file",
            "pixels",
            "anomalies",
            *(name.replace("average_", "avg ") for name in found.metrics()),
        )
        yield from _columns(head, [_file(name, each) for name, each in evaluation.files.items()])


def _point(row: dict[str, object]) -> list[str]:
    return [str(row["at"]), *(_short(row[name]) for name in _POINT)]


def _file(name: str, found: Findings) -> list[str]:
    return [name, str(found.pixels), str(found.anomalies), *map(_short, found.metrics().values())]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "-"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of columns, the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()

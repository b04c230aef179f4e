"""How well scores and decisions agree with the mask: histogram, curves, confusion, every output, every file."""

from __future__ import annotations

from typing import Any

from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.report.charts import figure
from cuvisc.runtime.report.detection_charts import (
    at_low_rates,
    histogram_chart,
    precision_recall_chart,
    roc_chart,
)
from cuvisc.runtime.report.markup import Html, absent, count, join, number, percent, share, table, tag
from cuvisc.runtime.report.run_files import RunFiles

_ROWS = 60


def quality(run: RunFiles) -> Html:
    """The section, or why it is empty."""
    main = run.found("main")
    if not main:
        why = run.problems.get("evidence") or "the graph gives neither scores nor decisions of one band"
        return absent(f"Not measured: {why}.")
    assert run.evidence is not None
    panels = [_histogram(run, main), _roc(run, main), _precision_recall(run, main)]
    return join(
        tag("div", panels, class_="panels"),
        _confusion(main),
        _outputs(run),
        _files(run),
    )


def _histogram(run: RunFiles, main: dict[str, Any]) -> Html:
    assert run.evidence is not None
    arrays = run.evidence.group("histogram")
    if not arrays:
        return _missing(
            "Scores", "no value has a number" if main.get("name") else "the graph decides without scores"
        )
    chart = histogram_chart(arrays, main["name"], main["unit"], main["threshold"])
    below, above = arrays["beyond"].tolist()
    beyond = f"{count(below + above, 'pixel')} beyond the axis. " if below + above else ""
    return figure("Scores", chart, f"{beyond}Counts are logarithmic, because anomalies are rare.")


def _roc(run: RunFiles, main: dict[str, Any]) -> Html:
    assert run.evidence is not None
    curve = run.evidence.arrays.get("curves/roc")
    if curve is None or main.get("auroc") is None:
        return _missing("ROC", main.get("reasons", {}).get("auroc", "the graph gives no scores"))
    return figure("ROC", roc_chart(curve, main["auroc"], _decided(main)), at_low_rates(curve))


def _precision_recall(run: RunFiles, main: dict[str, Any]) -> Html:
    assert run.evidence is not None
    curve = run.evidence.arrays.get("curves/precision_recall")
    if curve is None or main.get("average_precision") is None:
        return _missing(
            "Precision and recall",
            main.get("reasons", {}).get("average_precision", "the graph gives no scores"),
        )
    base = main["anomalies"] / main["pixels"]
    chart = precision_recall_chart(curve, main["average_precision"], base, _decided(main))
    return figure(
        "Precision and recall",
        chart,
        f"{percent(base)} of the pixels are anomalous: what guessing would reach.",
    )


def _decided(main: dict[str, Any]) -> Confusion | None:
    counts = main.get("confusion")
    return Confusion(**counts) if counts is not None else None


def _confusion(main: dict[str, Any]) -> Html:
    confusion = main.get("confusion")
    if confusion is None:
        reasons = main.get("reasons", {})
        return _missing(
            "Confusion", reasons.get("recall") or reasons.get("precision") or "nothing was decided"
        )
    hits, misses = confusion["hits"], confusion["misses"]
    alarms, rejections = confusion["alarms"], confusion["rejections"]
    rows = [
        ("anomalous (mask)", number(hits), number(misses), number(hits + misses), share(hits, hits + misses)),
        (
            "normal",
            number(alarms),
            number(rejections),
            number(alarms + rejections),
            share(rejections, alarms + rejections),
        ),
        (
            "all",
            number(hits + alarms),
            number(misses + rejections),
            number(main["pixels"]),
            share(hits + rejections, main["pixels"]),
        ),
    ]
    head = ("pixels that are", "decided anomalous", "decided normal", "all", "decided right")
    return table(head, rows, f"Confusion of {main.get('decision') or 'the threshold'}, pixels", numeric=1)


def _outputs(run: RunFiles) -> Html | None:
    """Every score and every decision side by side, where there is more than one of a kind."""
    ranked, decided = run.found("ranked") or [], run.found("decided") or []
    if len(ranked) < 2 and len(decided) < 2:
        return None
    rows = [
        (
            e["name"],
            e["unit"] or "–",
            *(number(v, 4) for v in (e["range"] or (None, None))),
            _three(e["auroc"]),
            _three(e["average_precision"]),
            "–",
            "–",
            "–",
        )
        for e in ranked
    ]
    rows += [
        (
            e["name"],
            "decisions",
            "–",
            "–",
            "–",
            "–",
            _three(e["precision"]),
            _three(e["recall"]),
            _three(e["f1"]),
        )
        for e in decided
    ]
    head = ("value", "unit", "lowest", "highest", "AUROC", "average precision", "precision", "recall", "F1")
    return table(head, rows, "Every score and decision of the graph", numeric=2)


def _files(run: RunFiles) -> Html | None:
    files = run.found("files") or []
    if len(files) < 2:
        return None
    rows = [
        (
            f["name"],
            f"{f['height']}\u202f×\u202f{f['width']}",
            number(f["anomalies"]),
            number(f["detections"]),
            _three(f.get("auroc")),
            _three(f.get("average_precision")),
            _three(f["precision"]),
            _three(f["recall"]),
            _three(f["f1"]),
        )
        for f in files[:_ROWS]
    ]
    head = (
        "image",
        "pixels",
        "anomalous",
        "detected",
        "AUROC",
        "average precision",
        "precision",
        "recall",
        "F1",
    )
    more = run.found("images")["read"] - len(rows)
    title = (
        "Every validation image"
        if more <= 0
        else f"The first {len(rows)} validation images of {len(rows) + more}"
    )
    return table(head, rows, title, numeric=2)


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _missing(title: str, why: str) -> Html:
    return tag("figure", tag("h3", title), absent(f"Not shown: {why}."), class_="panel")

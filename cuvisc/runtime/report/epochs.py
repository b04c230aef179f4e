"""Losses, metrics and learning rate over the epochs of a run."""

from __future__ import annotations

from collections.abc import Iterable

from cuvisc.runtime.report.charts import Chart, Line, figure
from cuvisc.runtime.report.history import History, Series, losses
from cuvisc.runtime.report.markup import Html, absent, count, join, number, pairs, tag
from cuvisc.runtime.report.run_files import RunFiles
from cuvisc.runtime.report.scales import Axis

_METRIC, _RATE = "val/metric/", "lr"
_MOST = 24
_SPAN_OF_LOG, _HEIGHT = 20.0, 210.0


def training(run: RunFiles) -> Html:
    """The section, or why there is nothing to draw."""
    history = run.history
    if not history.series:
        return absent(
            f"Nothing was logged: {run.problems.get('history', 'metrics.jsonl has no finite value')}."
        )
    broken = (
        tag(
            "p",
            f"{count(history.broken, 'line')} of metrics.jsonl could not be read and is left out.",
            class_="about",
        )
        if history.broken
        else None
    )
    if history.epochs <= 1 and all(series.epochs.size == 1 for series in history.series.values()):
        return join(_numbers(run), broken)
    panels = [loss(run, name) for name in losses(history)]
    metrics = _distinct(history)
    panels += [_metric(names, history.series[names[0]], run) for names in metrics[:_MOST]]
    if _RATE in history.series:
        rate = history.series[_RATE]
        panels.append(
            _panel(
                run,
                "Learning rate",
                [(rate, "purple", "")],
                "learning rate",
                log=rate.low > 0 and rate.high > 3 * rate.low,
            )
        )
    left = len(metrics) - _MOST
    more = tag("p", f"{count(left, 'more metric')} in metrics.jsonl.", class_="about") if left > 0 else None
    return join(_why_short(run), tag("div", panels, class_="panels"), more, broken)


def _why_short(run: RunFiles) -> Html | None:
    if run.status == "finished":
        return None
    reached, asked = number(int(run.history.epochs)), number(run.fact("epochs"))
    return tag("p", f"The run is {run.status}: {reached} of {asked} epochs were completed.", class_="about")


def _numbers(run: RunFiles) -> Html:
    """What was logged once."""
    series = run.history.series
    why = (
        "Phase 2 moved nothing (statistics only); validated once."
        if run.fact("epochs") == 0
        else "Logged once."
    )
    names = sorted(name for name in series if name != _RATE)
    return join(tag("p", why, class_="about"), pairs((name, number(series[name].last)) for name in names))


def loss(run: RunFiles, name: str) -> Html:
    """The curves of a loss such as loss/total, in training and validation."""
    series = run.history.series
    drawn = [
        (series[f"{stage}/{name}"], color, words)
        for stage, color, words in (("train", "blue", "training"), ("val", "orange", "validation"))
        if f"{stage}/{name}" in series
    ]
    low, high = min(s.low for s, _, _ in drawn), max(s.high for s, _, _ in drawn)
    title = "Loss, total" if name == "loss/total" else f"Loss: {name.removeprefix('loss/')}"
    labelled = [(s, color, f"{words} {number(s.last)}") for s, color, words in drawn]
    return _panel(run, title, labelled, "loss", log=low > 0 and high / low > _SPAN_OF_LOG)


def _distinct(history: History) -> list[list[str]]:
    """Names of metrics, those together that always have the same value."""
    groups: dict[bytes, list[str]] = {}
    for name in sorted(name for name in history.series if name.startswith(_METRIC)):
        series = history.series[name]
        groups.setdefault(series.epochs.tobytes() + series.values.tobytes(), []).append(name)
    return list(groups.values())


def _metric(names: list[str], series: Series, run: RunFiles) -> Html:
    title = " = ".join(name.removeprefix(_METRIC) for name in names)
    log = series.low > 0 and series.high / series.low > _SPAN_OF_LOG
    fraction = "anomaly_" in title and series.low >= 0 and series.high <= 1
    return _panel(
        run,
        title,
        [(series, "green", f"validation {number(series.last)}")],
        "fraction" if fraction else "value",
        log=log,
    )


def _panel(
    run: RunFiles, title: str, drawn: Iterable[tuple[Series, str, str]], unit: str, *, log: bool = False
) -> Html:
    parts = list(drawn)
    low, high = min(s.low for s, _, _ in parts), max(s.high for s, _, _ in parts)
    if unit == "fraction":
        down, log = Axis(unit, 0.0, 1.0), False
    else:
        down = Axis.around(unit, low, high, log=log, zero=low >= 0 and not log)
    end = max(run.history.epochs, 1.0)
    scale = ", logarithmic" if log else ""
    says = f"{title} over epochs: " + "; ".join(
        f"{label or 'values'}, between {number(s.low)} and {number(s.high)}" for s, _, label in parts
    )
    # Training and validation on the same data cover each other.
    lines = [Line(s.epochs, s.values, color, label, dashed=color == "orange") for s, color, label in parts]
    upright = Axis(f"{unit}{scale}", down.low, down.high, log)
    return figure(title, Chart(Axis("epoch", 0.0, end), upright, says, lines, height=_HEIGHT))
